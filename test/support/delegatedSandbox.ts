/** A user's sandboxes with limits, each in a program of its own: what came of them, as JSON. */
import { readFileSync } from "node:fs"
import process from "node:process"
import { run, sandbox, SandboxUnavailableError } from "../../src/promise.ts"

const [stateRoot] = process.argv.slice(2) as [string]
const limits = { memory: "16 MiB", cpus: 0.5, processes: 20 } as const

const told = async () => {
  const tried = await run("head -c 40000000 /dev/zero | tail", { limits, stateRoot })
  const box = await sandbox({ limits }).spawn(["sleep", "infinity"], { stateRoot })
  const group = `/sys/fs/cgroup${readFileSync(`/proc/${box.pid}/cgroup`, "utf8").trim().slice("0::".length)}`
  const [memory, swap, cpus] = ["memory.max", "memory.swap.max", "cpu.max"].map((file) =>
    readFileSync(`${group}/${file}`, "utf8").trim()
  )
  await box.close()
  const many = await run("for i in $(seq 30); do sleep 100 & done; echo all", { limits, stateRoot })
  return { outOfMemory: tried.outOfMemory, memory, swap, cpus, many: many.stdout }
}

void told().catch((error: unknown) => {
  if (!(error instanceof SandboxUnavailableError)) throw error
  return { what: error.what }
}).then((outcome) => process.stdout.write(JSON.stringify(outcome)))
