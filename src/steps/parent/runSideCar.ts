/**
 * Run the side-car: a process with the host's privileges that joins the init's mount, network, IPC, UTS and pid namespaces,
 * but not its user namespace. It builds the root for an init that is root only in its user namespace, and so may not make
 * device nodes. If the side-car fails, this step fails.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../../config/Container.ts"
import { hasNamespace } from "../../config/Container.ts"
import type * as Pipeline from "../../engine/Pipeline.ts"
import * as Step from "../../engine/Step.ts"
import { SOCK } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { Fork } from "../../native/Fork.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { sys } from "../../native/Kernel.ts"
import { hearOnly, send } from "../channel/channel.ts"
import { emptyReport, initMain } from "../init/initMain.ts"
import { pathNumber, viewCalls } from "../proc/numbers.ts"
import { type Child, childCalls, end, openSuccessor, spawnChild } from "./child.ts"
import { await_, type Peer, reapWithin, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** The namespaces that it joins. It needs the pid namespace because a new procfs shows that of the process that mounts it. */
const shared: ReadonlyArray<NamespaceType> = ["mnt", "net", "ipc", "uts", "pid"]

/** The number of its end of the channel in the side-car, which is passed no other descriptor. */
const onlyNumber = 3

/** Runs the side-car until it ends; does nothing if there is none. */
export const runSideCar = Step.make("runSideCar", {
  doc: "build the root from outside of the user namespace",
  calls: [
    ...new Set(["socketpair", "setsockopt", "sendmsg", "recvmsg", "getsid", ...viewCalls, ...childCalls] as const)
  ],
  requires: [Launch, Channel, EnteredProcess, Fork],
  reversal: "compensated",
  run: Effect.gen(function*() {
    const launch = yield* Launch
    if (launch.sideCar === undefined) return
    const { parent } = yield* Channel
    const init = yield* EnteredProcess
    yield* whileInitWaits(
      { channel: parent, pidfd: init.pidfd, report: init.report },
      build(launch, launch.sideCar, init)
    )
  })
})

type Entered = EnteredProcess["Service"]

const build = Effect.fnUntraced(function*(launch: Launch["Service"], sideCar: Pipeline.Any, init: Entered) {
  const { container, id, nofile, process } = launch.record
  let finished = false
  const unlessFinished = <A, E, R>(undo: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => finished ? Effect.void : Effect.asVoid(undo))

  const parentPid = yield* sys.getpid({})
  const initNumber = yield* pathNumber(init.pid)
  const report = emptyReport()
  const child = (channel: AnyFd) =>
    initMain(sideCar, {
      id,
      container,
      process,
      channel,
      parentPid,
      joins: shared
        .filter((type) => hasNamespace(container, type)).map((type) => ({
          type,
          path: `/proc/${initNumber}/ns/${type}`
        })),
      unshare: 0,
      preservedFds: 0,
      nofile
    }, report)
  // nothing here waits; an interruption in between would leave the child's end open
  const { channel, first } = yield* Effect.uninterruptible(Effect.gen(function*() {
    const [channel, childEnd] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    yield* Step.onRollback(unlessFinished(sys.close({ fd: channel })))
    const first = yield* using(
      Effect.succeed(childEnd),
      () =>
        Effect.andThen(
          hearOnly(channel),
          spawnChild(0, child(onlyNumber), [[onlyNumber, childEnd]], unlessFinished)
        )
    )
    return { channel, first }
  }))

  const peer = { channel, pidfd: first.pidfd, report, patience: launch.patience, deadline: init.deadline }
  const second = yield* talk(peer, first, unlessFinished).pipe(
    // the side-car ends first: the init of a pid namespace can't end until all other members are reaped, and its status is
    // asked for next. A failure here happens again in the rollback, which reports it
    Effect.tapError(() => Effect.exit(end(first)))
  )
  // a member of the pid namespace that is not reaped would keep the init from ever ending
  const pidfds = second === undefined ? [first.pidfd] : [first.pidfd, second]
  yield* Effect.forEach(pidfds, (pidfd) => reapWithin(pidfd, launch.patience), { discard: true })
  yield* Effect.uninterruptible(Effect.suspend(() => {
    finished = true
    return Effect.ensuring(
      Effect.forEach([channel, ...pidfds], (fd) => sys.close({ fd }), { discard: true }),
      first.forget
    )
  }))
})

/** Talks with the side-car until it ends. If it joined a pid namespace, returns a descriptor of the process that it cloned. */
const talk = Effect.fnUntraced(function*(
  peer: Peer,
  first: Child,
  unlessFinished: <A, E, R>(undo: Effect.Effect<A, E, R>) => Effect.Effect<void, E, R>
) {
  const { channel } = peer
  yield* whileInitWaits(peer, send(channel, { _tag: "Enter" }))
  const { pid } = yield* await_(peer, "Entered")
  const second = pid === undefined || pid === first.pid
    ? undefined
    // no interruption between the handle and its end
    : yield* Effect.uninterruptible(
      Effect.tap(openSuccessor(pid, first.pid), (fd) => Step.onRollback(unlessFinished(sys.close({ fd }))))
    )
  yield* whileInitWaits(peer, send(channel, { _tag: "Go" }))
  yield* await_(peer, "Done")
  return second
})
