/** An application that terminates a worker thread which has a sandbox, and removes what is left of that while it continues. */
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as promises from "../../src/promise.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { until } from "./until.ts"

const [stateRoot = ""] = process.argv.slice(2)

/** Whether a process runs; one that has ended is a zombie until its parent asks for it. */
const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))

const prune = () => Effect.runPromise(Effect.provide(Runtime.prune({ stateRoot }), Linux.layer))
const tagsOf = (pruned: Awaited<ReturnType<typeof prune>>) => pruned.map(({ _tag }) => _tag)

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [stateRoot] })
  const [pid] = await once(worker, "message") as [number]
  const before = tagsOf(await prune())
  await worker.terminate()
  await until(() => !runs(pid))
  const after = tagsOf(await prune())
  process.stdout.write(JSON.stringify({ before, after, isThere: existsSync(`/proc/${pid}`) }))
} else {
  const { pid } = await promises.spawn("trap '' TERM HUP INT; sleep 1000 & sleep 1000", { stateRoot })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort!.postMessage(pid)
}
