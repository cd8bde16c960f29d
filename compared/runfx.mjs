/** The five jobs with runfx. */
import { bind, run, spawn } from "runfx/promise"

export const capture = async () => {
  const { stdout, timedOut } = await run("echo out; sleep 60", { limits: { time: "1 second" } })
  return { stdout, timedOut }
}

export const limit = async () => {
  const { outOfMemory } = await run("head -c 200000000 /dev/zero | tail", {
    limits: { memory: "64 MiB", processes: 32 }
  })
  return { outOfMemory }
}

export const files = async ({ input, output }) => {
  const mounts = [bind(input, { at: "/in" }), bind(output, { at: "/out", readOnly: false })]
  const { exitCode } = await run("sort /in/data > /out/sorted", { mounts, user: `${process.getuid()}` })
  return { exitCode }
}

export const network = async ({ probe }) => {
  const { exitCode } = await run(["bash", "-c", probe], { network: { allow: ["example.org:443"] } })
  return { reached: exitCode === 0 }
}

export const stream = async () => {
  const child = await spawn("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done")
  let text = ""
  for await (const chunk of child.stdout) {
    text += chunk
    if (text.split("\n").length > 3) break
  }
  await child.close()
  return { lines: text.split("\n").slice(0, 3) }
}
