// Starts children one after the other, and has a thread write noise over the memory that each shares with this process, as
// somebody could who has got hold of it. Between two of them a child that nobody disturbs must do what it is for.
// Tells as JSON what became of it: what this process holds before and after, and what came out as a defect.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import { Worker } from "node:worker_threads"
import { Fork, Linux, sys } from "runfx"
import { CLONE, O, P, SIG, SOCK, W } from "runfx/native/constants"

const rounds = Number(process.argv[2])

/** Whether there is to be noise, and whether there may be some. */
const flags = new Int32Array(new SharedArrayBuffer(8))
const noisy = `
  const { openSync, readFileSync, writeSync } = require("node:fs")
  const { randomFillSync } = require("node:crypto")
  const flags = require("node:worker_threads").workerData
  const memory = openSync("/proc/self/mem", "r+")
  for (;;) {
    Atomics.store(flags, 1, 0)
    if (Atomics.load(flags, 0) === 0) {
      Atomics.wait(flags, 0, 0, 50)
      continue
    }
    Atomics.store(flags, 1, 1)
    if (Atomics.load(flags, 0) === 0) continue
    const found = /^([0-9a-f]+)-.* rw-s .*runfx-shared/m.exec(readFileSync("/proc/self/maps", "latin1"))
    if (found === null) continue
    const base = Number.parseInt(found[1], 16)
    for (let turn = 0; turn < 200 && Atomics.load(flags, 0) !== 0; turn++) {
      const noise = Buffer.alloc([8, 512, 4096, 65536][turn & 3])
      if (turn % 5 === 4) noise.fill(turn & 8 ? 255 : 0)
      else randomFillSync(noise)
      // the head, the mailbox of the first server, the arguments of its calls
      const at = [0, 0x10000, 0x10040, 0x10080, 0x11000, 0x11100][Math.floor(Math.random() * 6)]
      try {
        writeSync(memory, noise, 0, noise.length, base + at)
      } catch {
        // nothing is there at the moment
      }
    }
  }`
new Worker(noisy, { eval: true, workerData: flags }).unref()

const defects = new Set()
/** @param {Exit.Exit<unknown, unknown>} exit */
const note = (exit) => {
  if (Exit.isSuccess(exit)) return
  for (const reason of exit.cause.reasons) {
    if (Cause.isDieReason(reason)) {
      const { defect } = reason
      defects.add(String(defect instanceof Error ? defect.stack : defect))
    }
  }
}

/**
 * @param {string} path
 * @param {number} flags
 */
const open = (path, flags) => sys.openat({ dirfd: -100, path, flags, mode: 0 })
const calls = [
  sys.getpid({}),
  open("/proc/self/status", O.RDONLY),
  sys.getresuid({}),
  sys.getgroups({}),
  sys.readlinkat({ dirfd: -100, path: "/proc/self/exe" }),
  sys.statx({ dirfd: -100, path: "/", flags: 0, mask: 0x7ff }),
  sys.getcwd({}),
  sys.uname({}),
  sys.getrandom({ count: 100 }),
  sys.rt_sigprocmask({ how: 0, signals: [] }),
  sys.sched_getaffinity({ pid: 0 }),
  sys.capget({ pid: 0 }),
  sys.prlimit64({ pid: 0, resource: 7, limit: null }),
  sys.nanosleep({ nanoseconds: 1000n }),
  sys.rtnetlink({ request: { _tag: "LinkGet", link: "lo" } }),
  sys.reclone({ flags: 0 }),
  Effect.flatMap(open("/", O.DIRECTORY), (fd) => sys.getdents64({ fd })),
  Effect.flatMap(
    sys.pipe2({ flags: 0 }),
    ([read, write]) =>
      Effect.andThen(sys.write({ fd: write, data: Buffer.from("hello") }), sys.read({ fd: read, count: 10 }))
  ),
  Effect.flatMap(sys.socketpair({ type: SOCK.SEQPACKET }), ([one, other]) =>
    Effect.andThen(
      sys.sendmsg({ fd: one, data: Buffer.from("hello"), fds: [one], flags: 0x40 }),
      sys.recvmsg({ fd: other, size: 100, flags: 0x40 })
    ))
]

/** What noise makes a child do is done by nobody, in namespaces of its own. */
const away = CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWNET

const disturbed = Effect.gen(function*() {
  const run = { isOver: false }
  const child = Effect.gen(function*() {
    yield* sys.setresuid({ ruid: 65534, euid: 65534, suid: 65534 })
    Atomics.store(flags, 0, 1)
    Atomics.notify(flags, 0)
    while (!run.isOver) note(yield* Effect.exit(calls[Math.floor(Math.random() * calls.length)] ?? Effect.void))
  })
  const { forget, pid } = yield* (yield* Fork).start(
    away,
    Effect.onExit(child, (exit) => Effect.sync(() => note(exit))),
    []
  )
  const start = performance.now()
  /** @param {number} options */
  const ask = (options) => sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | options })
  let status = null
  while (status === null && performance.now() - start < 50) {
    yield* Effect.sleep(2)
    status = yield* ask(W.NOHANG)
  }
  run.isOver = true
  if (status === null) {
    yield* sys.kill({ pid, signal: SIG.KILL })
    yield* ask(0)
  }
  Atomics.store(flags, 0, 0)
  while (Atomics.load(flags, 1) !== 0) yield* Effect.sleep(1)
  yield* forget
})

const undisturbed = Effect.gen(function*() {
  const { forget, pid } = yield* (yield* Fork).start(
    0,
    Effect.andThen(sys.getpid({}), sys.exit_group({ status: 7 })),
    []
  )
  const ended = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
  yield* forget
  if (ended?.status !== 7) defects.add(`a child that nobody disturbed ended so: ${JSON.stringify(ended)}`)
})

const held = () => [
  fs.readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => line.includes("runfx-shared")).length,
  fs.readdirSync("/proc/self/fd").length
]

/** A wait of this process: what waiting takes is made by the first one, which may come late. */
const waited = Effect.gen(function*() {
  const [fd, end] = yield* sys.pipe2({ flags: 0 })
  const reading = yield* Effect.forkChild(sys.read({ fd, count: 1 }), { startImmediately: true })
  yield* sys.write({ fd: end, data: Buffer.from("x") })
  yield* Fiber.join(reading)
  yield* sys.close({ fd })
  yield* sys.close({ fd: end })
})

const program = Effect.gen(function*() {
  yield* waited
  for (let round = 0; round < 10; round++) yield* Effect.andThen(disturbed, undisturbed)
  const before = held()
  for (let round = 0; round < rounds; round++) yield* Effect.andThen(disturbed, undisturbed)
  process.stdout.write(JSON.stringify({ before, after: held(), defects: [...defects], rounds }))
})
await Effect.runPromise(Effect.provide(program, Linux.layer))
process.exit()
