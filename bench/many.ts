/**
 * Very many sandboxes of one kind, so many at a time, with their output captured, for `sandboxes.mjs`; each kind has a process
 * of its own, whose event loop is looked at. It answers with one line of JSON.
 *
 *     node many.cjs runfx|execa|sandboxRuntime COUNT AT-A-TIME STATES OTHERS
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import process from "node:process"
import { sandbox } from "../src/promise.ts"

/** A program to its end. */
type Run = (
  command: ReadonlyArray<string>,
  input: string
) => Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number | null }>

const [name = "", count = "", atATime = "", states = "", others = ""] = process.argv.slice(2)

const runfx = async (): Promise<Run> => {
  const box = sandbox()
  return (command, input) => box.run(command, { stateRoot: states, input })
}

const script = "read word; echo out-$word-$1; echo err-$1 >&2; exit $(($1 % 7))"

/** Whether all that it wrote is there, and nothing of another one's. */
const isRight = async (run: Run, number: number): Promise<boolean> => {
  const { exitCode, stderr, stdout } = await run(["sh", "-c", script, "sh", String(number)], `in-${number}\n`)
  return stdout === `out-in-${number}-${number}\n` && stderr === `err-${number}\n` && exitCode === number % 7
}

const main = async () => {
  const run: Run = name === "runfx" ? await runfx() : await (await import(others))[name]()
  // what is loaded for the first one is no part of it
  const wrong: Array<string> = await isRight(run, 0) ? [] : ["the first one"]
  let next = 0
  const worker = async () => {
    while (next < Number(count)) {
      const number = next++
      const right = await isRight(run, number).catch((error: unknown) => String(error).split("\n")[0]!)
      if (right !== true) wrong.push(right === false ? `number ${number}` : right)
    }
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const begun = performance.now()
  await Promise.all(Array.from({ length: Number(atATime) }, worker))
  const each = (performance.now() - begun) / Number(count)
  delay.disable()
  const answer = {
    each,
    wrong: wrong.length,
    ...(wrong.length === 0 ? {} : { first: wrong[0] }),
    delay: { usual: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, longest: delay.max / 1e6 }
  }
  // a proxy of theirs would hold it up
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
}

void main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
})
