/** Whole lives of containers on the model, in its own time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { defaultSpec } from "../../src/config/defaults.ts"
import { SIG } from "../../src/native/constants.ts"
import { render, sys } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check, Faults, ModelKernel, Program, type Script, type State } from "../../src/testing/Testing.ts"
import { runs } from "../support/flows/runs.ts"
import { withoutTraces } from "../support/shortTraces.ts"

withoutTraces()

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"], hostname: "web" })
const directory = { directory: true } as const
const machine = {
  files: {
    "/srv/web/bin/server": { mode: 0o755 },
    "/srv/web/bin/tool": { mode: 0o755 },
    "/srv/web/dev": directory,
    "/srv/web/proc": directory,
    "/srv/web/sys": directory,
    "/run/runfx": { directory: true, mode: 0o700 }
  }
}
/** A server that goes on, and a tool that takes half a minute. */
const programs = {
  "/bin/server": { after: "never" },
  "/bin/tool": () => Effect.as(Effect.sleep("30 seconds"), 7)
} as const
const place = { id: "web", stateRoot: "/run/runfx" }
const tool = { ...place, process: { ...container.process, args: ["/bin/tool"] } }
const seconds = (time: bigint): number => Number(time / 1_000_000n) / 1000

/** A machine on which a process was stopped. */
const stop = (state: State.State, pid: number): State.State => ({
  ...state,
  processes: new Map(state.processes).set(pid, { ...state.processes.get(pid)!, stopped: true })
})

const statuses = Effect.map(
  Runtime.list(place.stateRoot),
  (all) => all.map((one) => "status" in one ? one.status : one.error)
)

const life = Effect.gen(function*() {
  const { pidfd } = yield* Runtime.create({ ...place, container })
  return yield* Effect.gen(function*() {
    yield* Effect.sleep("1 hour")
    const running = yield* statuses
    const { code } = yield* Runtime.exec(tool)
    yield* Runtime.kill(place.id, SIG.KILL, place)
    const stopped = yield* statuses
    yield* Runtime.remove(place.id, place)
    return { running, code, stopped, gone: yield* statuses }
  }).pipe(Effect.ensuring(Effect.ignore(sys.close({ fd: pidfd }))))
})

const expected: unknown = { running: ["running"], code: 7, stopped: ["stopped"], gone: [] }

const callsOf = ({ calls }: Check.Checked<unknown, unknown>): ReadonlyArray<string> =>
  calls.map(({ call, side, step }) => `${side} ${step} ${render(call)}`)

describe("a life", () => {
  it("passes through all states of a container, and leaves nothing", () => {
    const checked = Check.run(life, { machine, programs })
    assert.deepStrictEqual<unknown>(Check.succeeded(checked), expected)
    Check.unchanged(checked)
    const time = seconds(checked.after.time)
    assert.isTrue(time >= 3630 && time < 3640, `${time} s`)
  })

  it("is the same by the event loop, call by call", async () => {
    const checked = await Check.runPromise(life, { machine, programs })
    assert.deepStrictEqual<unknown>(Check.succeeded(checked), expected)
    assert.deepStrictEqual(callsOf(checked), callsOf(Check.run(life, { machine, programs })))
  })

  it.each(["that of the runtime", "that of another container"])(
    "in a pid namespace that it joins, %s, leaves no process of its own",
    async (whose) => {
      /** It leaves a process that nobody waits for. */
      const leaving: Script = () => Effect.as(Program.fork(Effect.sleep("Infinity")), 7)
      const checked = await Check.runPromise(
        Effect.gen(function*() {
          const other = yield* Runtime.create({ ...place, container })
          yield* sys.close({ fd: other.pidfd })
          const path = whose === "that of the runtime" ? "/proc/self/ns/pid" : `/proc/${other.pid}/ns/pid`
          const namespaces = container.namespaces.map((one) => one.type === "pid" ? { ...one, path } : one)
          const joined = { ...container, namespaces, process: { ...container.process, args: ["/bin/tool"] } }
          const { code } = yield* Runtime.run({ ...place, id: "joined", container: joined })
          const left = yield* statuses
          yield* Runtime.remove(place.id, { ...place, force: true })
          return { code, left }
        }),
        { machine, programs: { ...programs, "/bin/tool": leaving } }
      )
      assert.deepStrictEqual<unknown>(Check.succeeded(checked), { code: 7, left: ["running"] })
      Check.unchanged(checked)
    }
  )

  it("has its retries: a container is removed once its program has ended by itself", () => {
    const checked = Check.run(
      Effect.gen(function*() {
        const { pidfd } = yield* Runtime.create({ ...place, container })
        yield* Effect.retry(Runtime.remove(place.id, place), {
          schedule: Schedule.spaced("10 seconds"),
          while: ({ _tag }) => _tag === "PipelineError"
        })
        yield* sys.close({ fd: pidfd })
      }),
      { machine, programs: { "/bin/server": { after: 65_000_000_000n } } }
    )
    Check.succeeded(checked)
    Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "nodes"])
    assert.strictEqual(Math.round(seconds(checked.after.time) / 10), 7)
  })

  it("has its time-outs: a run whose time is over is ended and removed", () => {
    const checked = Check.run(Effect.timeoutOption(Runtime.run({ ...place, container }), "2 hours"), {
      machine,
      programs
    })
    assert.strictEqual(Check.succeeded(checked)._tag, "None")
    Check.unchanged(checked)
    assert.isTrue(seconds(checked.after.time) >= 7200)
  })

  it("has the patience of a start: an init that stands still is given up", () => {
    let stopped = false
    const model = ModelKernel.make(machine, { programs })
    const checked = Check.run(Runtime.run({ ...place, container, patience: 5000 }), {
      machine: model,
      // nothing fails: somebody stops the process that becomes the container, in the middle of its steps
      faults: ({ _tag }) => {
        if (_tag === "sethostname" && !stopped) {
          stopped = true
          model.set((state) => stop(state, [...state.processes.keys()].at(-1)!))
        }
        return undefined
      }
    })
    const { reason } = Check.failed(checked) as unknown as { readonly reason: unknown }
    assert.match(String(reason), /5 ?s|5000/)
    Check.unchanged(checked)
    assert.isTrue(seconds(checked.after.time) >= 5)
  })

  it("leaves nothing that a forced removal does not find, whichever call fails", () => {
    const { calls } = Check.run(life, { machine, programs })
    const distance = Math.max(1, Math.floor(calls.length / runs(40)))
    let tried = 0
    for (let failing = 1; failing <= calls.length; failing += distance) {
      const broken = Check.run(life, { machine, programs, faults: Faults.failNth(failing, "EIO") })
      const rest = Check.run(Runtime.remove(place.id, { ...place, force: true }), { machine: broken.model })
      Check.succeeded(rest)
      Check.unchanged({ ...rest, before: broken.before })
      tried++
    }
    console.info(`life: ${tried} of ${calls.length} calls made to fail`)
  })

  it("can't be ended twice: a SIGKILL that finds nothing says that it has stopped", () => {
    const act = Effect.gen(function*() {
      const { pidfd } = yield* Runtime.create({ ...place, container })
      yield* sys.close({ fd: pidfd })
      yield* Runtime.kill(place.id, SIG.KILL, place)
      return yield* Effect.flip(Runtime.kill(place.id, SIG.KILL, place))
    })
    const error = Check.succeeded(Check.run(act, { machine, programs }))
    assert.deepStrictEqual([error._tag, error.message], ["NotRunning", "container web is stopped"])
  })

  it("leaves no handle if that of the directory of all states can't be closed", () => {
    const created = Check.run(Runtime.create({ ...place, container }), { machine, programs })
    let isOpen = false
    const act = Runtime.kill(place.id, SIG.TERM, place)
    const checked = Check.run(act, {
      machine: created.model,
      faults: (call) => {
        // the first close after the container's directory was opened is that of the directory of all states
        const fails = isOpen && call._tag === "close"
        isOpen = !fails && (isOpen || call._tag === "openat2" && call.path === place.id)
        return fails ? "EIO" : undefined
      }
    })
    Check.failed(checked, { code: "EIO" })
    Check.unchanged(checked)
  })

  it("reports what waits for something real", () => {
    const checked = Check.run(Effect.promise(() => Promise.resolve(1)))
    assert.throws(() => Check.succeeded(checked), /use Check.runPromise/)
  })
})
