/** What the tests of credentials share: an init without its file system, and looks at its program from outside. */
import { afterAll, assert, beforeAll } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as nodeProcess from "node:process"
import * as Capabilities from "../../../src/config/capabilities.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import * as c from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { callNames, Kernel, sys } from "../../../src/native/Kernel.ts"
import { chdir } from "../../../src/steps/chdir.ts"
import { clearKeepCaps } from "../../../src/steps/clearKeepCaps.ts"
import { closeExecFrom } from "../../../src/steps/closeExecFrom.ts"
import { dropBoundingSet } from "../../../src/steps/dropBoundingSet.ts"
import { dropCapabilities } from "../../../src/steps/dropCapabilities.ts"
import { findProgram } from "../../../src/steps/findProgram.ts"
import { environmentFor } from "../../../src/steps/init/environment.ts"
import {
  CapabilitiesSet,
  DescriptorsClosed,
  Environment,
  ExecUser,
  Forked,
  InNamespaces,
  LimitsSet,
  NamespaceRoot,
  NamespacesJoined,
  NamespacesMade,
  NoNewPrivileges,
  ParentDeathSignalSet,
  ProcessRestored,
  Program,
  StdioConnected,
  Unreachable
} from "../../../src/steps/init/facts.ts"
import { Init } from "../../../src/steps/init/Init.ts"
import { populateEnv } from "../../../src/steps/populateEnv.ts"
import { restoreParentDeathSignal } from "../../../src/steps/restoreParentDeathSignal.ts"
import { restoreProcess } from "../../../src/steps/restoreProcess.ts"
import { saveParentDeathSignal } from "../../../src/steps/saveParentDeathSignal.ts"
import { setKeepCaps } from "../../../src/steps/setKeepCaps.ts"
import { setNoNewPrivileges } from "../../../src/steps/setNoNewPrivileges.ts"
import { setupUser } from "../../../src/steps/setupUser.ts"
import { verifyWorkingDirectory } from "../../../src/steps/verifyWorkingDirectory.ts"
import { ChildFailed, readAll } from "../../support/child.ts"
import { init } from "../../support/steps.ts"
import { eventually } from "../../support/until.ts"

export type Given = Parameters<typeof init>[0]

export let directory = ""

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-credentials-"))
  fs.chmodSync(directory, 0o755)
})

afterAll(() => fs.rmSync(directory, { recursive: true }))

/** The steps from the working directory on, as every init pipeline has them, without those that are tested alone. */
export const finalize = [
  populateEnv,
  setNoNewPrivileges,
  saveParentDeathSignal,
  closeExecFrom,
  chdir,
  dropBoundingSet,
  setKeepCaps,
  setupUser,
  verifyWorkingDirectory,
  clearKeepCaps,
  dropCapabilities,
  restoreParentDeathSignal,
  findProgram,
  restoreProcess
] as const

export const exec = Step.make("exec", {
  doc: "execute the program",
  calls: ["execve"],
  requires: [Init, Environment, ExecUser, Program],
  reversal: "terminal",
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const envp = environmentFor(yield* Environment, yield* ExecUser)
    return yield* sys.execve({ path: (yield* Program).path, argv: process.args, envp })
  })
})

/** Stays as it is until it is killed: for roots without a program. */
export const stay = Step.make("stay", {
  doc: "tell the parent by closing the channel, and wait",
  calls: ["close", "nanosleep"],
  requires: [Init],
  reversal: "terminal",
  run: Effect.gen(function*() {
    yield* sys.close({ fd: (yield* Init).channel })
    yield* sys.nanosleep({ nanoseconds: 60_000_000_000n })
  })
})

export const own = <E>(name: string, run: Effect.Effect<unknown, E, Kernel>) =>
  Step.make(name, {
    doc: "a step of the test's own, which may make any call",
    calls: callNames,
    reversal: "irreversible",
    run: Effect.asVoid(run)
  })

/** What earlier steps of a whole pipeline give. */
const earlier = [
  Unreachable,
  NamespacesJoined,
  NamespacesMade,
  InNamespaces,
  NoNewPrivileges,
  DescriptorsClosed,
  StdioConnected,
  CapabilitiesSet,
  ProcessRestored,
  ParentDeathSignalSet,
  Forked,
  NamespaceRoot,
  LimitsSet
] as const

export const runSteps = (steps: ReadonlyArray<Step.Any>, input: Init["Service"]) => {
  const facts = earlier.reduce(
    (all, { key }) => Context.add(all, Context.Service<true>(key), true),
    Context.make(Init, input) as Context.Context<never>
  )
  return Pipeline.runUnchecked(
    Pipeline.make({ name: "test", doc: "steps under test", inputs: [Init, ...earlier] }, ...(steps as unknown as []))
  ).pipe(Effect.provideContext(facts))
}

export interface Failure {
  readonly message: string
  readonly step: string
  readonly tag: string
  readonly advice?: string
}

const failureOf = (exit: Exit.Exit<unknown, unknown>): Failure => {
  const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  const error = failure?._tag === "Fail"
    ? failure.error as Failure & { readonly reason?: Failure & { _tag: string } }
    : undefined
  return {
    message: error?.message ?? JSON.stringify(exit),
    step: error?.step ?? "",
    tag: error?.reason?._tag ?? "",
    ...(error?.advice === undefined ? {} : { advice: error.advice })
  }
}

/** The children of this process, by pid. */
const children = (): ReadonlyArray<number> =>
  fs.readFileSync(`/proc/self/task/${nodeProcess.pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)

export const killed = (pid: number) =>
  Effect.andThen(
    Effect.ignore(sys.kill({ pid, signal: c.SIG.KILL })),
    sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
  )

/**
 * Runs steps in a child up to its exec, looks at it, and kills it. `prepare` runs in this process while the child waits
 * for it; the child that is looked at is the last one, if it cloned anew.
 */
export const look = <A>(
  { flags = 0, given = {}, prepare = () => {}, steps }: {
    readonly given?: Given
    readonly steps: ReadonlyArray<Step.Any>
    readonly flags?: number
    readonly prepare?: (pid: number) => void
  },
  see: (pid: number) => A | Effect.Effect<A, unknown, Kernel>
) =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
    const [waits, goes] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
    const before = children()
    const first = yield* fork.spawn(
      flags,
      Effect.gen(function*() {
        yield* sys.close({ fd: readEnd })
        yield* sys.close({ fd: goes })
        yield* sys.read({ fd: waits, count: 1 })
        const input = init({ parentPid: nodeProcess.pid, channel: writeEnd, ...given })
        const exit = yield* Effect.exit(runSteps(steps, input))
        yield* sys.write({ fd: writeEnd, data: Buffer.from(JSON.stringify(failureOf(exit))) })
        return yield* sys.exit_group({ status: 1 })
      })
    )
    yield* sys.close({ fd: writeEnd })
    yield* sys.close({ fd: waits })
    prepare(first)
    yield* sys.close({ fd: goes })
    const text = yield* readAll(readEnd)
    yield* sys.close({ fd: readEnd })
    const all = children().filter((pid) => !before.includes(pid))
    const ended = Effect.forEach(all, killed, { discard: true })
    if (text !== "") {
      yield* ended
      const { tag, ...failure } = JSON.parse(text) as Failure
      return yield* Effect.fail(Object.assign(new ChildFailed({ message: failure.message, reason: tag }), { failure }))
    }
    const pid = all.at(-1)!
    return yield* Effect.ensuring(
      Effect.andThen(
        // the channel closes in the middle of an exec, before the new credentials hold; who sleeps has left exec behind
        eventually(() => {
          const { State = "" } = status(pid)
          // the channel closes with a crash, too
          assert.notInclude("ZX", State.charAt(0), `the child ended before it was looked at: ${State}`)
          return State.startsWith("S")
        }),
        Effect.suspend(() => {
          const seen = see(pid)
          return Effect.isEffect(seen) ? seen : Effect.succeed(seen)
        })
      ),
      Effect.ignore(ended)
    )
  })

/** How a child fails that runs steps. */
export const failing = (options: Parameters<typeof look>[0]) =>
  Effect.map(
    Effect.flip(look(options, () => "it did not fail")),
    (error) => error as ChildFailed & { readonly failure?: Failure }
  )

export const status = (pid: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fs.readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n").map((line) => {
      const [key = "", value = ""] = line.split(/:\s*/, 2)
      return [key, value.trim().replaceAll("\t", " ")]
    })
  )

export const limit = (pid: number, name: string): string =>
  fs.readFileSync(`/proc/${pid}/limits`, "utf8").split("\n").find((line) => line.startsWith(name))!
    .slice(name.length).trim().split(/\s+/).slice(0, 2).join(" ")

export const descriptors = (pid: number): ReadonlyArray<string> => fs.readdirSync(`/proc/${pid}/fd`)
export const namespace = (pid: number | "self", type: string): string => fs.readlinkSync(`/proc/${pid}/ns/${type}`)

export const hex = (...names: ReadonlyArray<Capabilities.Name>): string =>
  Capabilities.toBits(names.map((name) => Capabilities.numbers[name])).toString(16).padStart(16, "0")

export const none = hex()
export const sleeping = { args: ["sleep", "60"], env: ["PATH=/usr/bin:/bin"] }

export const user = (uid: number, gid: number, ...additionalGids: ReadonlyArray<number>) =>
  ({ _tag: "Ids", uid, gid, additionalGids }) as const

export const hostHas = (name: Capabilities.Name): boolean =>
  (BigInt(`0x${status(nodeProcess.pid)["CapBnd"]}`) & Capabilities.toBits([Capabilities.numbers[name]])) !== 0n

/** Maps the first 65536 ids of a new user namespace to 100000 and up. */
export const mapIds = (pid: number): void => {
  fs.writeFileSync(`/proc/${pid}/uid_map`, "0 100000 65536\n")
  fs.writeFileSync(`/proc/${pid}/gid_map`, "0 100000 65536\n")
}
