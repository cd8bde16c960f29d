/**
 * Runs an act of the runtime on a model of this machine, and records every call.
 *
 * It runs once: the machine is read once, and the JavaScript of a flow's own steps runs once, as in the command.
 * The rollback comes from the same run: the model's state at the exec, and the compensations until then, are kept, and the
 * compensations are run on that state afterwards.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CurrentStep } from "../engine/Events.ts"
import { given } from "../engine/given.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import type * as Step from "../engine/Step.ts"
import { end } from "../model/ending.ts"
import * as ModelKernel from "../model/ModelKernel.ts"
import { fromHost } from "../model/Seed.ts"
import { hostDescriptors } from "../model/seed/hostDescriptors.ts"
import type { State } from "../model/State.ts"
import { apply } from "../model/transitions.ts"
import { CLD, W } from "../native/constants.ts"
import { Fork } from "../native/Fork.ts"
import { type Call, Handled, Kernel, type Result, type SyscallError } from "../native/Kernel.ts"
import type { TerminalModes } from "../native/results.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { presets } from "../pipelines/presets.ts"
import * as Recorder from "../testing/Recorder.ts"
import type { LookedAt } from "./lookedAt.ts"
import { stays as left } from "./stays.ts"
import { OwnModes } from "./terminal.ts"

/** What runs on the model. */
export type Task<A = unknown> = Effect.Effect<A, unknown, Kernel | Fork>

/** What is planned. */
export interface Act {
  /** What happened before; not in the plan. It returns names of processes, by pid. */
  readonly before?: Task<ReadonlyMap<number, string>>
  readonly act: Task
  /** Whether what was started before still runs. */
  readonly stays?: boolean
  /** Whether it is the child of another process by now. */
  readonly orphan?: boolean
  /** How many descriptors the program inherits in addition to its standard streams. */
  readonly preserved?: number | undefined
  /** Other processes of the machine that it looks at. */
  readonly neighbours?: ReadonlyArray<number>
  /** What it looks at of containers that the machine has. */
  readonly lookedAt?: LookedAt
}

// -- the machine ------------------------------------------------------------------------------------------------------

/** A machine that has run for an hour, and a caller with a fixed pid: so a plan depends on neither. */
const machine = (
  { lookedAt, neighbours = [], preserved }: Act,
  terminals: ReadonlyMap<number, TerminalModes>
): State =>
  fromHost({
    neighbours,
    ...given({ bystanders: lookedAt?.processes, groups: lookedAt?.groups }),
    pid: 4_000_000,
    uptime: 3_600_000_000_000n,
    // an invalid number is refused when the options are checked
    descriptors: hostDescriptors(3 + Math.min(1024, Math.max(0, Math.trunc(Number(preserved)) || 0)), terminals)
  })

/** The runtime waits for its program on Node's event loop, which the model does not have: here it waits in the call. */
const waitingInside = (inner: Kernel["Service"]): Kernel["Service"] => ({
  invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
    Effect.withFiber((fiber) => {
      const asks = call._tag === "waitid" && (call.options & W.NOHANG) !== 0 && fiber.getRef(CurrentStep) === undefined
      return asks ? inner.invoke({ ...call, options: call.options & ~W.NOHANG }) : inner.invoke(call)
    })
})

// -- one run ----------------------------------------------------------------------------------------------------------

interface Watched extends Pipeline.Running {
  readonly side: string
}

/** The moment before an init executes its program: if that fails, the rollback begins here. */
interface Moment {
  readonly state: State
  readonly side: string
  readonly after: number
  /** The process that executes it. */
  readonly pid: number
  /** The running pipelines, with a copy of their compensations until now; the last to begin comes last. */
  readonly running: ReadonlyArray<Watched>
}

/** The outcome. */
interface Performed {
  readonly recorder: Recorder.Recorder
  readonly exit: Exit.Exit<unknown, unknown>
  readonly pipelines: ReadonlyArray<Pipeline.Any>
  readonly pids: ReadonlyMap<number, string>
  readonly stays: ReadonlyArray<string>
  readonly rollback: { readonly record: ReadonlyArray<Recorder.Entry>; readonly after: number } | undefined
}

const known: ReadonlySet<Step.Any> = new Set(presets.flatMap(({ steps }) => steps))

const executes = ({ _tag }: Call): boolean => _tag === "execve" || _tag === "execveat"

/** Undoes what was done until a moment, on the machine as it was then. */
const undo = (model: ModelKernel.ModelKernel, { pid, running, side, state }: Moment): Effect.Effect<void> =>
  Effect.gen(function*() {
    model.set(() => state)
    for (const { compensations, side: of } of running.toReversed()) {
      // the process whose exec was refused ends before its parent learns of it
      if (of !== side) model.set((now) => apply(now, pid, (m) => end(m, pid, CLD.EXITED, 1)))
      for (const { undo } of compensations.toReversed()) yield* Effect.exit(undo)
    }
  })

/** Makes the processes children of the machine's first one, which reaps them. */
const orphaned = (state: State, pids: ReadonlyMap<number, string>): State => ({
  ...state,
  processes: new Map([...state.processes].map(([pid, process]) => [
    pid,
    pids.has(pid) ? { ...process, parent: 1 } : process
  ]))
})

/** Runs an act on a model of the machine, once. */
export const perform = (planned: Act): Effect.Effect<Performed, unknown> =>
  Effect.gen(function*() {
    const { act, before, lookedAt, orphan = false, stays = false } = planned
    // the program of an existing container runs while the plan is made; a planned program ends by itself, and asks for no
    // connection
    const surroundings = { env: (yield* Surroundings).env, live: false, answer: () => Effect.void }
    let program: ModelKernel.Program = stays ? { after: "never" } : {}
    const programs = new Proxy<Record<string, ModelKernel.Program>>({}, { get: () => program })
    const model = ModelKernel.make(machine(planned, yield* Effect.flatten(OwnModes)), { programs })
    const pids = before === undefined
      ? lookedAt?.names ?? new Map<number, string>()
      : yield* Effect.provideContext(
        before,
        Context.make(Kernel, waitingInside(model.kernel)).pipe(
          Context.add(Fork, model.fork),
          Context.add(Clock.Clock, model.clock),
          Context.add(Surroundings, surroundings)
        )
      )
    program = {}
    if (orphan) model.set((state) => orphaned(state, pids))
    const begin = model.state()
    const recorder = Recorder.make()
    const watched: Array<Watched> = []
    let moment: Moment | undefined
    const watch = (running: Pipeline.Running): (step: Step.Any) => void => {
      const side = Context.get(running.context, Recorder.Side)
      watched.push({ ...running, side })
      const { name: pipeline } = running.pipeline
      return (step) => known.has(step) ? undefined : recorder.begin({ side, pipeline, step: step.name })
    }
    const noticing: Kernel["Service"] = {
      invoke: (call) =>
        Effect.withFiber((fiber) => {
          if (executes(call)) {
            const side = fiber.getRef(Recorder.Side)
            const running = watched.filter((one) => one.side === side || one.side === "parent")
            moment = {
              state: model.state(),
              side,
              after: recorder.entries().length,
              // a process 1 of runfx's own executes the program later, in a child
              pid: model.processOf(fiber),
              running: running.map((one) => ({ ...one, compensations: [...one.compensations] }))
            }
          }
          return waitingInside(model.kernel).invoke(call)
        })
    }
    const context = Context.make(Kernel, recorder.kernel(noticing)).pipe(
      Context.add(Fork, recorder.fork(model.fork)),
      Context.add(Clock.Clock, model.clock),
      Context.add(Surroundings, surroundings),
      Context.add(Pipeline.Watch, watch),
      Context.add(Handled, { codes: [] })
    )
    const exit = yield* Effect.exit(Effect.provideContext(act, context))
    const done = recorder.entries().length
    const common = {
      exit,
      pipelines: watched.map(({ pipeline }) => pipeline),
      pids,
      stays: left(begin, model.state(), model.pid)
    }
    if (moment === undefined || Exit.isFailure(exit)) return { ...common, recorder, rollback: undefined }
    const entries = [...recorder.entries()]
    yield* Effect.provideContext(undo(model, moment), context)
    const record = recorder.entries().slice(done)
    return {
      ...common,
      recorder: { ...recorder, entries: () => entries },
      rollback: { record, after: moment.after }
    }
  })
