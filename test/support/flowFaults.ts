/** The four flows of the runtime, subjected to faults and interruptions, and what must hold for what comes out. */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { rootCause } from "../../src/engine/PipelineError.ts"
import { SIG } from "../../src/native/constants.ts"
import type { Errno } from "../../src/native/Errno.ts"
import type { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import type { State } from "../../src/testing/Testing.ts"
import { processOf, stateRoot } from "./flows/containers.ts"
import { stepsOf, tells, undeclared, wrongCause } from "./flows/failures.ts"
import { frozen, leftovers } from "./flows/leftovers.ts"
import { perform, type Ran, type Seen } from "./flows/runs.ts"
import { calledBy, id, type Scene } from "./flows/scenes.ts"

// ── the flows ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One command on a machine that is ready for it. */
export interface Flow {
  readonly state: State.State
  readonly act: Effect.Effect<unknown, unknown, Kernel | Fork>
  /** Whether a failure must leave the machine as it was; kill and remove can't give back what they took. */
  readonly undoes: boolean
}

export type Name = "create" | "run" | "exec" | "kill" | "remove"

const start = (scene: Scene): State.State | undefined => {
  const ran = perform(scene.state, Runtime.create({ ...scene.options }))
  return Exit.isSuccess(ran.exit) ? calledBy(ran.model.state(), scene.caller) : undefined
}

const killed = Runtime.kill(id, SIG.KILL, { stateRoot })

const ended = ({ pidfd }: Runtime.RunningProcess) => sys.pidfd_send_signal({ pidfd, signal: SIG.KILL })

/** By name; `run` waits for a program that is killed as soon as it runs: the model's time stands still meanwhile. */
export const flows: Readonly<Record<Name, (scene: Scene) => Flow | undefined>> = {
  create: (scene) => ({ state: scene.state, act: Runtime.create(scene.options), undoes: true }),
  run: ({ options, state }) => ({ state, act: Runtime.run(options, ended), undoes: true }),
  exec: (scene) => {
    const state = start(scene)
    const process = { ...processOf(scene.setting, scene.setting.process, "tool"), terminal: false }
    return state && { state, act: Runtime.start({ id, stateRoot, process }), undoes: true }
  },
  kill: (scene) => {
    const state = start(scene)
    return state && { state, act: killed, undoes: false }
  },
  remove: (scene) => {
    const state = start(scene)
    if (state === undefined) return undefined
    const ran = perform(state, killed)
    return Exit.isSuccess(ran.exit)
      ? { state: calledBy(ran.model.state(), scene.caller), act: Runtime.remove(id, { stateRoot }), undoes: false }
      : undefined
  }
}

// ── the faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const errnos = [
  "EPERM",
  "ENOENT",
  "EINTR",
  "EIO",
  "EAGAIN",
  "ENOMEM",
  "EACCES",
  "EBUSY",
  "EINVAL",
  "ENOSPC",
  "EMFILE",
  "ESRCH",
  "ECHILD",
  "EPIPE",
  "ECONNRESET",
  "ENODEV"
] as const satisfies ReadonlyArray<Errno>

/** What these say, that something is gone, may be believed by whoever is to take it away. */
export const gone: ReadonlySet<Errno> = new Set(["ESRCH", "ECHILD", "ENOENT", "ENODEV"])

/** Calls that Linux never refuses. */
const infallible = new Set<string>(["exit_group", "getpid", "getppid", "umask"])

/** Whether the run ended as it did before there was a fault. */
export const isDone = (ran: Ran<unknown, unknown>): boolean => Exit.isSuccess(ran.exit)

/**
 * Answers that a step may believe: that something is not there. Another step finds that it is needed, or that it is there,
 * and names itself: the first had no failure to tell.
 */
const believed: ReadonlyArray<{
  readonly steps: ReadonlyArray<string>
  readonly call?: Seen["call"]["_tag"]
  readonly codes: ReadonlyArray<Errno>
  /** Who finds it, if that is always the same step. */
  readonly by?: string
  readonly says: string
}> = [
  // a hierarchy that can't be looked at counts as not there
  { steps: ["createCgroup"], codes: ["ENOENT", "EACCES"], says: "no mounted hierarchy" },
  // a path that has come to be in the meantime was put there by another process
  { steps: ["maskPaths"], call: "openat2", codes: ["ENOENT"], by: "verifyMounts", says: "is not masked" },
  { steps: ["readonlyPaths"], call: "openat2", codes: ["ENOENT"], by: "verifyMounts", says: "is not read-only" }
]

/** Whether what a step was made to believe is what another step contradicts. */
const isContradicted = (fault: Seen, code: Errno, where: ReadonlyArray<string>, text: string): boolean =>
  believed.some(({ by, call, codes, says, steps }) =>
    steps.includes(fault.step) && (call === undefined || call === fault.call._tag) && codes.includes(code) &&
    (by === undefined || where.includes(`${fault.pipeline}/${by}`)) && text.includes(says)
  )

/** What is wrong with a run in which a call was made to fail. */
export const afterFault = (
  { caller, setting }: Scene,
  flow: Flow,
  ran: Ran<unknown, unknown>,
  code: Errno
): ReadonlyArray<string> => {
  const state = ran.model.state()
  const always = [...undeclared(ran.seen), ...frozen(state)]
  // a call that may fail is no failure of the flow
  if (Exit.isSuccess(ran.exit)) return always
  const { cause } = ran.exit
  const wrong = [...always, ...wrongCause(cause, ran.seen)]
  const [fault] = ran.failed
  // without CAP_KILL, a program that is another user by then can't be taken back; that must be told
  const lacksRights = setting.host.missing.length > 0 &&
    Cause.pretty(cause).includes("and then undoing cloneInit failed")
  const error = Cause.squash(cause)
  if (flow.undoes && !lacksRights) {
    // close(2) does not fail for the descriptors that flows have; what it would be told of is not looked after
    const counts = (text: string): boolean => fault?.call._tag !== "close" || !text.includes("descriptor")
    wrong.push(...leftovers(flow.state, state, caller).filter(counts))
  }
  if (!(error instanceof Error) || !("_tag" in error)) wrong.push("the error has no tag")
  if (fault === undefined || fault.step === "" || fault.undoing) return wrong
  if (!flow.undoes && gone.has(code) && !tells(error, code)) return wrong
  // an error of a step's own says in words what the errno means there
  if (rootCause(error) instanceof SyscallError && !tells(error, code)) {
    wrong.push(`the original error, ${code}, is not told`)
  }
  const where = stepsOf(error)
  if (isContradicted(fault, code, where, Cause.pretty(cause))) return wrong
  const parent = ["create", "exec"].includes(fault.pipeline) && fault.side !== "parent"
  if (where.length === 0) wrong.push("no step is named")
  else if (!parent && !where.includes(`${fault.pipeline}/${fault.step}`)) {
    wrong.push(`${where.join(" ← ")} is named in place of ${fault.pipeline}/${fault.step}`)
  }
  return wrong
}

export const nth = (number: number, code: Errno) => (seen: Seen): Errno | undefined =>
  seen.number === number && !infallible.has(seen.call._tag) ? code : undefined

/** What is wrong with a run that was interrupted. */
export const afterInterruption = ({ caller }: Scene, flow: Flow, ran: Ran<unknown, unknown>): ReadonlyArray<string> => {
  const state = ran.model.state()
  const always = [...undeclared(ran.seen), ...frozen(state)]
  // it may have been too late for it
  const isLate = ran.interrupted.some(({ step }) => step === "") && !ran.seen.some(({ undoing }) => undoing) &&
    state.executed.length > flow.state.executed.length
  if (Exit.isSuccess(ran.exit) || isLate) return always
  const { cause } = ran.exit
  return [
    ...always,
    ...wrongCause(cause, ran.seen),
    ...Cause.hasInterruptsOnly(cause) ? [] : ["the cause is not the interruption alone"],
    ...flow.undoes ? leftovers(flow.state, state, caller) : []
  ]
}
