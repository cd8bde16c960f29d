/**
 * Every call of every step is made to fail on the real kernel, in the parent and in the init: whatever fails, nothing of
 * the container is left, and the error says where and why.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import type { Container } from "../../src/config/Container.ts"
import { CurrentStep, Events } from "../../src/engine/Events.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { PipelineError, rootCause } from "../../src/engine/PipelineError.ts"
import * as Step from "../../src/engine/Step.ts"
import { SIG } from "../../src/native/constants.ts"
import type * as Errno from "../../src/native/Errno.ts"
import type { Fork } from "../../src/native/Fork.ts"
import { type Call, type Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { create } from "../../src/pipelines/create.ts"
import { exec as execPipeline } from "../../src/pipelines/exec.ts"
import { kill as killPipeline } from "../../src/pipelines/kill.ts"
import { remove as removePipeline } from "../../src/pipelines/remove.ts"
import { setns } from "../../src/pipelines/setns.ts"
import { standard } from "../../src/pipelines/standard.ts"
import { userns } from "../../src/pipelines/userns.ts"
import { usernsSetup } from "../../src/pipelines/usernsSetup.ts"
import { awaitExit, exitCode } from "../../src/runtime/awaitExit.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { InvalidEnvironment } from "../../src/steps/init/checkedEnvironment.ts"
import { EnteredProcess } from "../../src/steps/parent/facts.ts"
import { Launch } from "../../src/steps/parent/Launch.ts"
import { StateCorrupt } from "../../src/steps/state/errors.ts"
import { containerOf, failureOf, leavesNothing, on, options, sh } from "../support/containers.ts"
import { children } from "../support/host.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"
import { withConsole } from "../support/withConsole.ts"

const place = ownPlace()

// ── a kernel that fails at one call of one step ──────────────────────────────────────────────────────────────────────

interface Fault {
  readonly pipeline: string
  readonly step: string
  /** 1 is the step's first call. */
  readonly nth: number
  readonly code: Errno.Errno
}

/**
 * The kernel of this host, in which one call of one step fails. A process that is forked takes it along: the calls of an
 * init's steps are counted there. What undoes a step is left alone, and close(2), which closes whatever it answers.
 */
const faulty = (fault: Fault): Kernel["Service"] => {
  const kernel = Linux.make()
  let seen = 0
  return {
    invoke: (call) =>
      Effect.flatMap(
        CurrentStep,
        (current) =>
          call._tag !== "close" && current?.step === fault.step && current.pipeline === fault.pipeline &&
            !current.undoing &&
            ++seen === fault.nth
            ? Effect.fail(new SyscallError({ call, code: fault.code }))
            : kernel.invoke(call)
      )
  }
}

type Counts = Record<string, number>

/** The kernel of this host, and how many calls each step has made, by `pipeline/step`. */
const counting = (): { readonly kernel: Kernel["Service"]; readonly counts: Counts } => {
  const kernel = Linux.make()
  const counts: Counts = {}
  const count = (name: string) => void (counts[name] = (counts[name] ?? 0) + 1)
  return {
    counts,
    kernel: {
      invoke: (call: Call) =>
        Effect.flatMap(CurrentStep, (current) => {
          if (call._tag !== "close" && current !== undefined && !current.undoing) {
            count(`${current.pipeline}/${current.step}`)
          }
          return kernel.invoke(call)
        }) as never
    }
  }
}

/** A step by which an init tells what it has counted: it fails with it. */
const tell = (counts: Counts) =>
  Step.make("tell", {
    doc: "tell how many calls each step has made",
    calls: [],
    reversal: "harmless",
    run: Effect.suspend(() => Effect.fail(new Error(JSON.stringify(counts))))
  })

const toldBy = (exit: Exit.Exit<unknown, unknown>): Counts => {
  const { message } = rootCause(failureOf(exit)) as Error
  assert.match(message, /^\{/, failureOf(exit).message)
  return JSON.parse(message) as Counts
}

/** Which calls of a step to fail: all of the first twelve, or the first and the last of them. */
const nths = (count: number, every: boolean): ReadonlyArray<number> =>
  every ? Array.from({ length: Math.min(count, 12) }, (_, index) => index + 1) : [...new Set([1, count])]

const faultsOf = (
  pipeline: Pipeline.Any,
  counts: Counts,
  every: boolean,
  known: (step: string) => number = () => 0
): ReadonlyArray<Fault> =>
  pipeline.steps.flatMap(({ name }) => {
    const count = counts[`${pipeline.name}/${name}`] ?? known(name)
    if (count === 0) return []
    return nths(count, every).filter((nth) => nth <= count).map((nth): Fault => ({
      pipeline: pipeline.name,
      step: name,
      nth,
      code: nth % 2 === 1 ? "EIO" : "EPERM"
    }))
  })

const chain = (error: unknown): ReadonlyArray<PipelineError> =>
  error instanceof PipelineError ? [error, ...chain(error.cause)] : []

/** The error of a run that a fault has ended: it names the place and the errno, and nothing failed on the way back. */
const checkError = (error: Error, { code, pipeline, step }: Fault) => {
  const errors = chain(error)
  assert.isTrue(
    errors.some((one) => one.pipeline === pipeline && one.step === step),
    `not of the step: ${error.message}`
  )
  for (const one of errors) assert.deepStrictEqual(one.rollback, [], error.message)
  // a step may know better than the errno
  if (rootCause(error) instanceof SyscallError) assert.include(error.message, code)
}

// ── a container that asks for as much as it can ──────────────────────────────────────────────────────────────────────

const rich = (given: { readonly userns?: boolean } = {}) => {
  const base = containerOf(place, sh("exit 0"), given)
  return {
    ...base,
    domainname: "example",
    networks: [
      ...base.networks,
      {
        strategy: "veth",
        name: "eth0",
        bridge: "rfxtest0",
        createBridge: { address: "10.77.0.1/24" },
        address: "10.77.0.2/24",
        gateway: "10.77.0.1",
        mtu: 1400
      }
    ],
    routes: [{ destination: "10.78.0.0/24", gateway: "10.77.0.1", interfaceName: "eth0" }],
    sysctl: { "net.ipv4.ip_forward": "1" },
    parentDeathSignal: 9,
    process: {
      ...base.process,
      user: { _tag: "Named" as const, spec: "bob", additionalGids: [2000] },
      cwd: "/home/bob",
      umask: 0o27,
      oomScoreAdj: 100,
      terminal: true,
      rlimits: [
        { resource: 7, soft: 512n, hard: 600n },
        { resource: 4, soft: 0n, hard: 0n },
        // no file may be written, and the init has to write one to become the program
        { resource: 1, soft: 0n, hard: 0n }
      ],
      scheduler: { policy: 3, nice: 5, priority: 0, flags: 0, runtime: 0n, deadline: 0n, period: 0n },
      ioPriority: { class: 2, priority: 6 },
      cpuAffinity: { initial: [0], final: [0] }
    },
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: [],
      flags: [],
      syscalls: [{ names: ["kexec_load"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [] }]
    }
  }
}

type Edit = (launch: Launch["Service"]) => Launch["Service"]

/** The create pipeline and, where it succeeds, the end and the removal of what it made, on a kernel. */
const start = (container: Container, kernel: Kernel["Service"], edit: Edit = (launch) => launch) =>
  on(
    withConsole((consoleSocket) =>
      Effect.gen(function*() {
        const given = options(place, container, { consoleSocket })
        const launch = edit(yield* Runtime.launchOf(given))
        const facts = yield* Pipeline.run(create).pipe(Effect.provideService(Launch, launch))
        const { pidfd } = Context.get(facts, EnteredProcess)
        const status = yield* awaitExit(pidfd)
        yield* sys.close({ fd: pidfd })
        yield* Runtime.remove(given.id, { stateRoot: place.stateRoot })
        return exitCode(status)
      })
    ),
    kernel
  )

const before = (pipeline: Pipeline.Any, name: string, step: Step.Any): Pipeline.Any =>
  Pipeline.insertBefore(pipeline as never, name as never, step as never) as Pipeline.Any

/** Lets each fault happen; each time nothing is left, and either the error is right or the fault was of no consequence. */
const injectEach = (container: Container, faults: ReadonlyArray<Fault>) =>
  Effect.forEach(faults, (fault) =>
    Effect.gen(function*() {
      const what = `by ${fault.code} at call ${fault.nth} of ${fault.pipeline}/${fault.step}`
      const exit = yield* leavesNothing(place, Effect.exit(start(container, faulty(fault))), what)
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, 0, what)
      else checkError(failureOf(exit), fault)
      return Exit.isFailure(exit)
    }))

/** Steps behind the one that tells how many calls there were. */
const last: Readonly<Record<string, number>> = { reportReady: 1, exec: 12, finishSideCar: 1 }

const kinds = [
  { name: "standard", userns: false },
  { name: "userns", userns: true }
] as const

const faultsHappen = (outcomes: ReadonlyArray<boolean>) =>
  assert.isAbove(outcomes.filter((failed) => failed).length, outcomes.length * 0.8, "most calls are needed")

describe.skipIf(missing !== undefined)("a start that fails", () => {
  for (const { name, userns } of kinds) {
    it.live(`at any call of the parent leaves nothing (${name})`, () =>
      Effect.gen(function*() {
        const { counts, kernel } = counting()
        assert.strictEqual(yield* leavesNothing(place, start(rich({ userns }), kernel)), 0)
        const ofBoth = faultsOf(create, counts, true)
        const alike = new Set(["createState", "createCgroup", "limitCgroup", "openChannel", "connectNetworks"])
        faultsHappen(
          yield* injectEach(rich({ userns }), ofBoth.filter(({ step }) => !userns || !alike.has(step)))
        )
      }))
  }

  it.live("in any step of the init leaves nothing (standard)", () =>
    Effect.gen(function*() {
      const { counts, kernel } = counting()
      const edit: Edit = (launch) => ({ ...launch, init: before(launch.init, "reportReady", tell(counts)) })
      const told = toldBy(yield* leavesNothing(place, Effect.exit(start(rich(), kernel, edit))))
      faultsHappen(yield* injectEach(rich(), faultsOf(standard, told, false, (step) => last[step] ?? 0)))
    }))

  it.live("in any step that only an init with a side-car has leaves nothing (userns)", () =>
    Effect.gen(function*() {
      const { counts, kernel } = counting()
      const edit: Edit = (launch) => ({ ...launch, init: before(launch.init, "reportReady", tell(counts)) })
      const told = toldBy(yield* leavesNothing(place, Effect.exit(start(rich({ userns: true }), kernel, edit))))
      const names = new Set([
        "awaitParent",
        "becomeNamespaceRoot",
        "announceNamespaces",
        "enterBuiltRoot",
        "reportReady"
      ])
      const faults = faultsOf(userns, told, true, (step) => last[step] ?? 0)
      faultsHappen(yield* injectEach(rich({ userns: true }), faults.filter(({ step }) => names.has(step))))
    }))

  it.live("in any step of the side-car leaves nothing (userns)", () =>
    Effect.gen(function*() {
      const { counts, kernel } = counting()
      const edit: Edit = (launch) => ({ ...launch, sideCar: before(launch.sideCar!, "finishSideCar", tell(counts)) })
      const told = toldBy(yield* leavesNothing(place, Effect.exit(start(rich({ userns: true }), kernel, edit))))
      const faults = faultsOf(usernsSetup, told, false, (step) => last[step] ?? 0)
      faultsHappen(yield* injectEach(rich({ userns: true }), faults))
    }))
})

// ── other commands that fail ─────────────────────────────────────────────────────────────────────────────────────────

/** A container that sleeps, while `use` lasts. */
const whileRunning = <A>(
  use: (running: { readonly id: string; readonly pid: number }) => Effect.Effect<A, unknown, Kernel | Fork>,
  given: { readonly userns?: boolean } = {}
) =>
  on(Effect.gen(function*() {
    const given_ = options(place, containerOf(place, ["/bin/sleep", "1000"], given))
    const { pid, pidfd } = yield* Runtime.create(given_)
    const exit = yield* Effect.exit(use({ id: given_.id, pid }))
    yield* Runtime.remove(given_.id, { stateRoot: place.stateRoot, force: true })
    yield* sys.close({ fd: pidfd })
    return yield* exit
  }))

const execOptions = (id: string): Runtime.ExecOptions => {
  const { process } = containerOf(place, ["/bin/true"])
  return { id, stateRoot: place.stateRoot, patience: 120_000, process: { ...process, oomScoreAdj: 50 } }
}

describe.skipIf(missing !== undefined)("a command that fails", () => {
  it.live("exec, at any call of the parent and in any step of the process, leaves nothing", () =>
    leavesNothing(
      place,
      whileRunning(({ id, pid }) =>
        Effect.gen(function*() {
          const parent = counting()
          assert.strictEqual((yield* on(Runtime.exec(execOptions(id)), parent.kernel)).code, 0)
          const child = counting()
          const flow = (preset: Pipeline.Any) => Effect.succeed(before(preset, "reportReady", tell(child.counts)))
          const told = toldBy(yield* Effect.exit(on(Runtime.exec({ ...execOptions(id), flow }), child.kernel)))
          const faults = [
            ...faultsOf(execPipeline, parent.counts, true),
            ...faultsOf(setns, told, false, (step) => last[step] ?? 0)
          ]
          const outcomes = yield* Effect.forEach(faults, (fault) =>
            Effect.gen(function*() {
              const what = `by ${fault.code} at call ${fault.nth} of ${fault.pipeline}/${fault.step}`
              const run = on(Runtime.exec(execOptions(id)), faulty(fault))
              const exit = yield* leavesNothing(place, Effect.exit(run), what)
              if (Exit.isFailure(exit)) checkError(failureOf(exit), fault)
              else assert.strictEqual(exit.value.code, 0, what)
              assert.isTrue(fs.existsSync(`/proc/${pid}`), `the container ended ${what}`)
              return Exit.isFailure(exit)
            }))
          faultsHappen(outcomes)
        })
      )
    ))

  it.live("kill, at any call, leaves nothing frozen; it can be repeated", () =>
    Effect.gen(function*() {
      const { counts, kernel } = counting()
      const kill = (id: string) => Runtime.kill(id, SIG.KILL, { stateRoot: place.stateRoot })
      yield* whileRunning(({ id }) => on(kill(id), kernel))
      const outcomes = yield* Effect.forEach(faultsOf(killPipeline, counts, true), (fault) =>
        leavesNothing(
          place,
          whileRunning(({ id }) =>
            Effect.gen(function*() {
              const exit = yield* Effect.exit(on(kill(id), faulty(fault)))
              if (Exit.isFailure(exit)) checkError(failureOf(exit), fault)
              const [listed] = yield* Runtime.list(place.stateRoot)
              assert.isTrue(listed !== undefined && "status" in listed && listed.status !== "paused")
              yield* kill(id)
              return Exit.isFailure(exit)
            })
          ),
          `by ${fault.code} at call ${fault.nth} of ${fault.step}`
        ))
      faultsHappen(outcomes)
    }))

  it.live("delete, at any call, can be repeated", () =>
    Effect.gen(function*() {
      const stopped = Effect.gen(function*() {
        const given = options(place, containerOf(place, ["/bin/true"]))
        const { pidfd } = yield* Runtime.create(given)
        yield* awaitExit(pidfd)
        yield* sys.close({ fd: pidfd })
        return given.id
      })
      const remove = (id: string) => Runtime.remove(id, { stateRoot: place.stateRoot })
      const { counts, kernel } = counting()
      yield* on(Effect.flatMap(stopped, remove), kernel)
      const outcomes = yield* Effect.forEach(faultsOf(removePipeline, counts, true), (fault) =>
        leavesNothing(
          place,
          Effect.gen(function*() {
            const id = yield* on(stopped)
            const exit = yield* Effect.exit(on(remove(id), faulty(fault)))
            if (Exit.isFailure(exit)) {
              checkError(failureOf(exit), fault)
              // the state file goes last, but before its directory
              const again = yield* Effect.exit(on(remove(id)))
              if (Exit.isFailure(again)) {
                assert.instanceOf(failureOf(again), StateCorrupt)
                yield* on(Runtime.remove(id, { stateRoot: place.stateRoot, force: true }))
              }
            }
            return Exit.isFailure(exit)
          }),
          `by ${fault.code} at call ${fault.nth} of ${fault.step}`
        ))
      faultsHappen(outcomes)
    }))
})

// ── interruption, death, and no answer ───────────────────────────────────────────────────────────────────────────────

describe.skipIf(missing !== undefined)("a start", () => {
  for (const { name, userns } of kinds) {
    it.live(`that is interrupted at any step leaves nothing (${name})`, () =>
      Effect.forEach(create.steps, ({ name: step }) =>
        leavesNothing(
          place,
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(
              start(rich({ userns }), Linux.make()).pipe(
                Effect.provideService(Events, (event) =>
                  Effect.sync(() => {
                    if (event._tag === "Started" && event.step === step) fiber.interruptUnsafe()
                  }))
              )
            )
            const exit = yield* Fiber.await(fiber)
            assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), `${step}: ${exit}`)
          }),
          `by interruption at ${step}`
        ), { discard: true }))

    it.live(`whose init is killed says so, and leaves nothing (${name})`, () =>
      Effect.forEach(
        ["cloneInit", "writeIdMaps", "enterNamespaces", "connectNetworks", "runSideCar", "saveState"],
        (step) =>
          leavesNothing(
            place,
            Effect.gen(function*() {
              const strike = Effect.sync(() => {
                for (const child of children()) process.kill(Number.parseInt(child), "SIGKILL")
              })
              const exit = yield* Effect.exit(
                start(rich({ userns }), Linux.make()).pipe(
                  Effect.provideService(Events, (event) =>
                    event._tag === "Completed" && event.step === step && event.pipeline === "create"
                      ? strike
                      : Effect.void)
                )
              )
              const error = rootCause(failureOf(exit)) as Error & { readonly _tag: string }
              assert.strictEqual(error._tag, "InitDied", `after ${step}: ${error.message}`)
              assert.match(error.message, /signal SIGKILL/)
            }),
            `by a kill after ${step}`
          ),
        { discard: true }
      ))
  }

  /** A kernel on which an init does something else at the first call of a step, of which `when` is told. */
  const derailing = (step: string, instead: Call, when = () => {}): Kernel["Service"] => {
    const kernel = Linux.make()
    return {
      invoke: (call) =>
        Effect.flatMap(CurrentStep, (current) => {
          if (current?.step !== step || current.pipeline === "create") return kernel.invoke(call)
          return Effect.andThen(Effect.andThen(Effect.sync(when), kernel.invoke(instead)), kernel.invoke(call))
        }) as never
    }
  }
  const sleep: Call = { _tag: "nanosleep", nanoseconds: 60_000_000_000n }

  /** Runs what needs a kernel on which an init sleeps at a step, and kills all children once it does. */
  const killedAt = <A, E>(step: string, use: (kernel: Kernel["Service"]) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const sleeps = Deferred.makeUnsafe<void>()
      const fiber = yield* Effect.forkChild(use(derailing(step, sleep, () => Deferred.doneUnsafe(sleeps, Effect.void))))
      yield* Deferred.await(sleeps)
      for (const child of children()) process.kill(Number.parseInt(child), "SIGKILL")
      return yield* Fiber.join(fiber)
    })

  it.live("whose init ends in the middle says so, and leaves nothing", () =>
    Effect.forEach(
      ["awaitParent", "announceNamespaces", "mountFilesystems", "reportReady"],
      (step) =>
        leavesNothing(
          place,
          Effect.gen(function*() {
            const dying = derailing(step, { _tag: "exit_group", status: 77 })
            const error = rootCause(failureOf(yield* Effect.exit(start(rich(), dying)))) as Error & { _tag: string }
            assert.strictEqual(error._tag, "InitDied", `${step}: ${error.message}`)
            assert.match(error.message, /it exited with status 77/)
          })
        ),
      { discard: true }
    ))

  it.live("whose init is killed in the middle says so, and leaves nothing", () =>
    Effect.forEach(["awaitParent", "mountFilesystems"], (step) =>
      leavesNothing(
        place,
        Effect.gen(function*() {
          const exit = yield* killedAt(step, (kernel) => Effect.exit(start(rich(), kernel)))
          const error = rootCause(failureOf(exit)) as Error & { _tag: string }
          assert.strictEqual(error._tag, "InitDied", `${step}: ${error.message}`)
          assert.match(error.message, /signal SIGKILL/)
        })
      ), { discard: true }))

  it.live("whose init is killed when only exec is left never counts as a success", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        // as if the program had been killed at its first instruction
        assert.strictEqual(yield* killedAt("exec", (kernel) => start(rich(), kernel)), 137)
      })
    ))

  it.live("whose init does not answer in time fails, and leaves nothing", () =>
    Effect.forEach(["awaitParent", "mountFilesystems", "exec"], (step) =>
      leavesNothing(
        place,
        Effect.gen(function*() {
          const sleeping = derailing(step, sleep)
          const impatient: Edit = (launch) => ({ ...launch, patience: 500 })
          const exit = yield* Effect.exit(start(rich(), sleeping, impatient))
          const error = rootCause(failureOf(exit)) as Error & { _tag: string }
          assert.strictEqual(error._tag, "InitStuck", `${step}: ${error.message}`)
          assert.match(error.message, /did not answer within 500 ms/)
        })
      ), { discard: true }))

  it.live("whose init was given what can't be used says so before it waits", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        // it ends without reading what the parent has sent; validation, which would refuse it, has passed by then
        const bad: Edit = ({ record, ...launch }) => ({
          ...launch,
          record: { ...record, process: { ...record.process, env: ["=x"] } }
        })
        const exit = yield* Effect.exit(start(containerOf(place, ["/bin/true"]), Linux.make(), bad))
        const error = rootCause(failureOf(exit))
        assert.instanceOf(error, InvalidEnvironment)
      })
    ))
})
