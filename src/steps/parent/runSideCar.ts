/**
 * Run the side-car: a process with the host's privileges in the init's namespaces, all but the user namespace. It builds
 * the root for an init that is root in its user namespace only, and so may not make device nodes. Its failure is this
 * step's failure.
 */
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../../config/Container.ts"
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { SO, SOCK } from "../../native/constants.ts"
import { Fork } from "../../native/Fork.ts"
import { sys } from "../../native/Kernel.ts"
import { send } from "../channel.ts"
import { initMain } from "../initMain.ts"
import { killAndReap } from "./cloneInit.ts"
import { await_, reap } from "./conversation.ts"
import { EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

const shared: ReadonlyArray<readonly [NamespaceType, string]> = [
  ["mnt", "mnt"],
  ["net", "net"],
  ["ipc", "ipc"],
  ["uts", "uts"],
  // procfs shows the pid namespace of the process that mounts it
  ["pid", "pid"]
]

/** Runs the side-car to its end; does nothing where there is none. */
export const runSideCar = Step.make("runSideCar", {
  doc: "build the root from outside of the user namespace",
  calls: [
    "socketpair",
    "setsockopt",
    "getpid",
    "clone",
    "pidfd_open",
    "close",
    "sendmsg",
    "poll",
    "recvmsg",
    "waitid",
    "pidfd_send_signal"
  ],
  requires: [Launch, EnteredProcess, Fork],
  reversal: "compensated",
  run: Effect.gen(function*() {
    const launch = yield* Launch
    if (launch.sideCar === undefined) return
    const fork = yield* Fork
    const init = yield* EnteredProcess
    let finished = false
    const unlessFinished = <A, E, R>(undo: Effect.Effect<A, E, R>) =>
      Step.onRollback(Effect.suspend(() => finished ? Effect.void : Effect.asVoid(undo)))

    const [channel, childEnd] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    yield* unlessFinished(sys.close({ fd: channel }))
    yield* sys.setsockopt({ fd: channel, option: SO.PASSCRED, value: 1 })
    const child = initMain(launch.sideCar, {
      id: launch.id,
      container: launch.container,
      process: launch.process,
      channel: childEnd,
      parentPid: yield* sys.getpid({}),
      joins: shared
        .filter(([type]) => hasNamespace(launch.container, type))
        .map(([type, file]) => ({ type, path: `/proc/${init.pid}/ns/${file}` })),
      unshare: 0,
      preservedFds: 0,
      nofile: launch.nofile
    }, channel)
    const first = yield* sys.pidfd_open({ pid: yield* fork.spawn(0, child), flags: 0 })
    yield* unlessFinished(killAndReap(first))
    yield* sys.close({ fd: childEnd })

    const peer = { channel, pidfd: first, patience: launch.patience }
    yield* send(channel, { _tag: "Enter" })
    const { pid } = yield* await_(peer, "Entered")
    // a second clone, where a pid namespace was joined
    const second = pid === undefined ? undefined : yield* sys.pidfd_open({ pid, flags: 0 })
    if (second !== undefined) yield* unlessFinished(killAndReap(second))
    yield* send(channel, { _tag: "Go" })
    yield* await_(peer, "Done")
    // a member of the pid namespace that is not reaped would keep the init from ever ending
    const pidfds = second === undefined ? [first] : [first, second]
    yield* Effect.forEach(pidfds, (pidfd) => reap(pidfd, launch.patience), { discard: true })
    finished = true
    yield* Effect.forEach([channel, ...pidfds], (fd) => sys.close({ fd }), { discard: true })
  })
})
