/** What tests of single steps share: an input to start from, and a run on a scripted kernel. */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Container, Process } from "../../src/config/Container.ts"
import { immutable } from "../../src/engine/immutable.ts"
import type * as Step from "../../src/engine/Step.ts"
import { type Call, Kernel } from "../../src/native/Kernel.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { scripted } from "./scripted.ts"

/** A process that asks for nothing. */
export const process: Process = {
  args: ["/bin/true"],
  env: [],
  cwd: "/",
  user: { _tag: "Ids", uid: 0, gid: 0, additionalGids: [] },
  terminal: false,
  noNewPrivileges: false,
  rlimits: []
}

/** A container that asks for nothing. */
export const container: Container = {
  rootfs: "/rootfs",
  readonlyRootfs: false,
  noPivotRoot: false,
  namespaces: [],
  uidMappings: [],
  gidMappings: [],
  timeOffsets: [],
  mounts: [],
  devices: [],
  networks: [],
  routes: [],
  sysctl: {},
  maskedPaths: [],
  readonlyPaths: [],
  noNewKeyring: false,
  annotations: {},
  process
}

/** Whoever changes it fails. */
const unchangeable = <A extends object>(value: A): A => immutable(value) ?? value

/** The input of an init pipeline; what is not given asks for nothing. */
export const init = (
  given: Omit<Partial<Init["Service"]>, "process" | "container"> & {
    readonly process?: Partial<Process>
    readonly container?: Partial<Container>
  } = {}
): Init["Service"] => ({
  id: "box",
  channel: 10,
  parentPid: 0,
  joins: [],
  unshare: 0,
  preservedFds: 0,
  nofile: { soft: 1024n, hard: 4096n },
  ...given,
  container: unchangeable({ ...container, ...given.container }),
  process: unchangeable({ ...process, ...given.process })
})

/** Runs one step. It may make only the calls that its header names. */
export const runStep = (
  step: Step.Any,
  context: Context.Context<never>,
  answer?: (call: Call) => unknown
): { readonly exit: Exit.Exit<unknown, unknown>; readonly trace: ReadonlyArray<string> } => {
  const { calls, kernel, trace } = scripted(answer)
  const exit = Effect.runSyncExit(
    Effect.provideContext(step.run, Context.add(context, Kernel, kernel)) as Effect.Effect<unknown, unknown>
  )
  for (const { _tag } of calls) assert.include(step.calls, _tag, `${step.name} makes a call that its header lacks`)
  return { exit, trace: trace() }
}

/** The result of a step that must succeed, and the calls that it made. */
export const succeed = (step: Step.Any, context: Context.Context<never>, answer?: (call: Call) => unknown) => {
  const { exit, trace } = runStep(step, context, answer)
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return { value: exit.value, trace }
}

/** The error of a step that must fail, and the calls that it made. */
export const fail = (step: Step.Any, context: Context.Context<never>, answer?: (call: Call) => unknown) => {
  const { exit, trace } = runStep(step, context, answer)
  if (Exit.isSuccess(exit)) throw new Error(`${step.name} succeeded`)
  const error = exit.cause.reasons.find(Cause.isFailReason)?.error
  assert.instanceOf(error, Error)
  const { advice, code } = error as Error & { readonly advice?: string; readonly code?: string }
  return { error, message: error.message, advice, code, tag: (error as { readonly _tag?: string })._tag, trace }
}

/** A context of an Init only. */
export const withInit = (given: Parameters<typeof init>[0] = {}): Context.Context<never> =>
  Context.make(Init, init(given)) as Context.Context<never>

/** A context with one more service. */
export const and = <I, S>(
  context: Context.Context<never>,
  key: Context.Key<I, S>,
  service: S
): Context.Context<never> => Context.add(context, key, service) as Context.Context<never>
