/** Starts that fail, and that end in the middle. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Container } from "../../../src/config/Container.ts"
import { CurrentStep, Events } from "../../../src/engine/Events.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import { rootCause } from "../../../src/engine/PipelineError.ts"
import { type Call, type Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { create } from "../../../src/pipelines/create.ts"
import { standard } from "../../../src/pipelines/standard.ts"
import { userns } from "../../../src/pipelines/userns.ts"
import { usernsSetup } from "../../../src/pipelines/usernsSetup.ts"
import { awaitExit, exitCode } from "../../../src/runtime/awaitExit.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { InvalidEnvironment } from "../../../src/steps/init/checkedEnvironment.ts"
import { EnteredProcess } from "../../../src/steps/parent/facts.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"
import { containerOf, failureOf, leavesNothing, on, options, sh } from "../../support/containers.ts"
import { started } from "../../support/host.ts"
import { missing } from "../../support/rootfs.ts"
import { withConsole } from "../../support/withConsole.ts"
import {
  before,
  checkError,
  counting,
  type Fault,
  faultsHappen,
  faultsOf,
  faulty,
  last,
  place,
  tell,
  toldBy
} from "./setup.ts"

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

const kinds = [
  { name: "standard", userns: false },
  { name: "userns", userns: true }
] as const

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
                for (const child of started()) process.kill(Number.parseInt(child), "SIGKILL")
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
      for (const child of started()) process.kill(Number.parseInt(child), "SIGKILL")
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
