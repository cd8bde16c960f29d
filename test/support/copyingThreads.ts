/**
 * An application whose worker threads run containers at the same time, some of them alike, while its main thread runs the same ones on
 * a kernel that waits for each answer. Tells as JSON what the programs have seen, and how often a step of each init has run.
 */
import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as fs from "node:fs"
import { isMainThread, parentPort, threadId, Worker } from "node:worker_threads"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as Ahead from "../../src/native/Ahead.ts"
import { AT } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Init } from "../../src/steps/init/Init.ts"

/** What a thread has seen. */
export interface Seen {
  readonly said: ReadonlyArray<string>
  readonly runs: number
}

const [stateRoot = "", rootfs = "", mark = ""] = process.argv.slice(2)

const script = `cat /proc/self/mountinfo /proc/self/limits /proc/sys/kernel/hostname
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|NSpid)' /proc/self/status
readlink /dev/shm/own; ls -l /dev /proc/self/fd; test -c /proc/keys && echo masked`

const usual = defaultSpec({ rootfs, args: ["/bin/sh", "-c", script] })
/** The first three are alike, and then half of them. */
const others = [
  { ...usual, hostname: "other", devices: usual.devices.slice(0, -1) },
  { ...usual, maskedPaths: [], process: { ...usual.process, cwd: "/tmp" } }
]
const containers = Array.from({ length: 12 }, (_, index) => others[index < 3 ? 2 : index % 4] ?? usual)

/** Without what the kernel chooses, and without what is one container's. */
const steady = (text: string, id: string): string =>
  text.replaceAll(/^\d+ \d+ \d+:\d+ /gm, "").replaceAll(/(shared|master|propagate_from):\d+/g, "$1")
    .replaceAll(/[A-Z][a-z]{2} +\d+ +[\d:]+/g, "then").replaceAll(/(pipe|socket):\[\d+\]/g, "$1").replaceAll(id, "ID")

const all = async (kernel: Kernel["Service"]): Promise<Seen> => {
  let runs = 0
  const link = Step.make("link", {
    doc: "",
    calls: ["symlinkat"],
    requires: [Init],
    reversal: "irreversible",
    deterministic: true,
    run: Effect.gen(function*() {
      runs++
      const target = yield* Ahead.parameter(Init, ({ id }) => id)
      yield* sys.symlinkat({ target, dirfd: AT.FDCWD, path: "/dev/shm/own" })
    })
  })
  const flow = Pipeline.insertAfter("findProgram", link)
  const one = (container: typeof usual, index: number) =>
    Effect.gen(function*() {
      const id = `${mark}-${threadId}-${index}`
      const file = `${stateRoot}/${id}.said`
      const fd = fs.openSync(file, "w")
      const end = yield* Runtime.run({ id, stateRoot, container, flow, stdio: [fd, fd, fd], patience: 120_000 }).pipe(
        Effect.match({ onFailure: ({ message }) => message, onSuccess: ({ code }) => String(code) })
      )
      fs.closeSync(fd)
      const text = fs.readFileSync(file, "utf8")
      fs.rmSync(file)
      return steady(`${end}\n${text}`, id)
    })
  const said = await Effect.forEach(containers, one, { concurrency: 2 }).pipe(
    Effect.provideService(Fork, Linux.fork(kernel)),
    Effect.provideService(Kernel, kernel),
    Effect.runPromise
  )
  return { said, runs }
}

if (isMainThread) {
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) }))
  const seen = workers.map(async (worker) => (await once(worker, "message"))[0] as Seen)
  const kernel = Linux.make()
  const plain = await all({ invoke: (call) => kernel.invoke(call) })
  process.stdout.write(JSON.stringify({ plain, threads: await Promise.all(seen) }))
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort!.postMessage(await all(Linux.make()))
}
