/**
 * Run the side-car: a process with the host's privileges in the init's namespaces, all but the user namespace. It builds
 * the root for an init that is root in its user namespace only, and so may not make device nodes. Its failure is this
 * step's failure.
 */
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../../config/Container.ts"
import { hasNamespace } from "../../config/Container.ts"
import type * as Pipeline from "../../engine/Pipeline.ts"
import * as Step from "../../engine/Step.ts"
import { SO, SOCK } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { Fork } from "../../native/Fork.ts"
import { sys } from "../../native/Kernel.ts"
import { send } from "../channel.ts"
import { initMain } from "../initMain.ts"
import { type Child, childCalls, end, spawnChild } from "./child.ts"
import { await_, reap, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess } from "./facts.ts"
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
  calls: ["socketpair", "setsockopt", "getpid", "sendmsg", "recvmsg", ...childCalls],
  requires: [Launch, Channel, EnteredProcess, Fork],
  reversal: "compensated",
  run: Effect.gen(function*() {
    const launch = yield* Launch
    if (launch.sideCar === undefined) return
    const { parent } = yield* Channel
    const init = yield* EnteredProcess
    yield* whileInitWaits(
      { channel: parent, pidfd: init.pidfd, patience: launch.patience },
      build(launch, launch.sideCar, init.pid)
    )
  })
})

const build = Effect.fnUntraced(function*(launch: Launch["Service"], sideCar: Pipeline.Any, initPid: number) {
  let finished = false
  const unlessFinished = <A, E, R>(undo: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => finished ? Effect.void : Effect.asVoid(undo))

  const parentPid = yield* sys.getpid({})
  const child = (channel: number, parentEnd: number) =>
    initMain(sideCar, {
      id: launch.id,
      container: launch.container,
      process: launch.process,
      channel,
      parentPid,
      joins: shared
        .filter(([type]) => hasNamespace(launch.container, type))
        .map(([type, file]) => ({ type, path: `/proc/${initPid}/ns/${file}` })),
      unshare: 0,
      preservedFds: 0,
      nofile: launch.nofile
    }, parentEnd)
  // nothing of it waits; an interruption in between would leave the child's end open
  const { channel, first } = yield* Effect.uninterruptible(Effect.gen(function*() {
    const [channel, childEnd] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    yield* Step.onRollback(unlessFinished(sys.close({ fd: channel })))
    const first = yield* using(
      Effect.succeed(childEnd),
      () =>
        Effect.andThen(
          sys.setsockopt({ fd: channel, option: SO.PASSCRED, value: 1 }),
          spawnChild(0, child(childEnd, channel), unlessFinished)
        )
    )
    return { channel, first }
  }))

  const second = yield* talk(channel, first, launch.patience, unlessFinished).pipe(
    // first of all: a member of the pid namespace that is not reaped keeps its init from ending, whose status is asked for
    // next; what fails here fails again on rollback, where it is told
    Effect.tapError(() => Effect.exit(end(first)))
  )
  // a member of the pid namespace that is not reaped would keep the init from ever ending
  const pidfds = second === undefined ? [first.pidfd] : [first.pidfd, second]
  yield* Effect.forEach(pidfds, (pidfd) => reap(pidfd, launch.patience), { discard: true })
  yield* Effect.uninterruptible(Effect.suspend(() => {
    finished = true
    return Effect.forEach([channel, ...pidfds], (fd) => sys.close({ fd }), { discard: true })
  }))
})

/** Leads the side-car to its end; gives a descriptor of the process that it cloned where it joined a pid namespace. */
const talk = Effect.fnUntraced(function*(
  channel: number,
  first: Child,
  patience: number,
  unlessFinished: <A, E, R>(undo: Effect.Effect<A, E, R>) => Effect.Effect<void, E, R>
) {
  const peer = { channel, pidfd: first.pidfd, patience }
  yield* whileInitWaits(peer, send(channel, { _tag: "Enter" }))
  const { pid } = yield* await_(peer, "Entered")
  const second = pid === undefined || pid === first.pid ? undefined : yield* sys.pidfd_open({ pid, flags: 0 })
  if (second !== undefined) yield* Step.onRollback(unlessFinished(sys.close({ fd: second })))
  yield* whileInitWaits(peer, send(channel, { _tag: "Go" }))
  yield* await_(peer, "Done")
  return second
})
