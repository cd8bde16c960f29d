/** An application whose programs no longer know of its death, and how it has them: it says their pids. */
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import { numbers } from "../../src/config/capabilities.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as promises from "../../src/promise.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { deaf, deafInRoot } from "./deaf.ts"
import { guardsOf } from "./guards.ts"
import { markOf } from "./mark.ts"
import { until } from "./until.ts"

const [stateRoot = "", way = "", rootfs = ""] = process.argv.slice(2)

const alone = { spawn: (command: typeof deaf) => promises.spawn(command, { stateRoot }) }

const spawned = async (
  from: { readonly spawn: (command: typeof deaf) => Promise<promises.Process> } = alone
): Promise<number> => {
  const { pid, stdout } = await from.spawn(deaf)
  await once(stdout, "data")
  return pid
}

/** A program of a container with a root of its own, by the runtime itself; the root must have busybox. */
const run = (rootfs: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const base = defaultSpec({ rootfs, args: deafInRoot })
    const all = [numbers.SETUID, numbers.SETGID]
    const capabilities = { bounding: all, permitted: all, effective: all, inheritable: [], ambient: [] }
    const container = { ...base, process: { ...base.process, capabilities } }
    const running = Runtime.run(
      { id: markOf("guard"), stateRoot, container },
      ({ pid }) => Effect.sync(() => resolve(pid))
    )
    Effect.runPromise(Effect.provide(running, Linux.layer)).catch(reject)
  })

const fromPool = async (): Promise<number> => {
  const pool = await promises.pool({ size: 1, stateRoot })
  await pool.full()
  return spawned(pool)
}

/** The second guard gets the program of the first one, too. */
const replaced = async (): Promise<ReadonlyArray<number>> => {
  const first = await spawned()
  const [guard = 0] = guardsOf(process.pid)
  process.kill(guard, "SIGKILL")
  // reaped
  await until(() => guardsOf(process.pid).length === 0)
  return [first, await spawned()]
}

/** A worker thread that is terminated, while the application continues. */
const inWorker = async (): Promise<number> => {
  const worker = new Worker(new URL(import.meta.url), { argv: [stateRoot, way] })
  const [pid] = await once(worker, "message") as [number]
  await worker.terminate()
  setInterval(() => {}, 1000)
  return pid
}

const ways: Readonly<Record<string, () => Promise<number | ReadonlyArray<number>>>> = {
  spawn: spawned,
  run: () => run(rootfs),
  pool: fromPool,
  replaced,
  worker: inWorker
}

if (isMainThread) {
  const pids = await ways[way]!()
  process.stdout.write(`pids ${JSON.stringify([pids].flat())}\n`)
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort!.postMessage(await spawned())
}
