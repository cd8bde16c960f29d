/**
 * What the compiler must refuse: each line below is an error, and `tsc` fails if it is none. Nothing here runs.
 *
 * What the messages say is tested in `messages.test.ts`.
 */
import type * as Brand from "effect/Brand"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import type { PipelineError } from "../../src/engine/PipelineError.ts"
import * as Step from "../../src/engine/Step.ts"
import { type Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import { setns } from "../../src/pipelines/setns.ts"
import { type Standard, standard } from "../../src/pipelines/standard.ts"
import { type Userns, userns } from "../../src/pipelines/userns.ts"
import { usernsSetup } from "../../src/pipelines/usernsSetup.ts"
import type { RunOptions } from "../../src/runtime/options.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { make, withFlow } from "../../src/sandbox/Sandbox.ts"

class Rootfs extends Context.Service<Rootfs, { readonly fd: number }>()("Rootfs") {}
class User extends Context.Service<User, { readonly uid: number }>()("User") {}

// a `run` that is a bare call stands by itself: see Step.make
const openRoot = Effect.map(sys.openat({ dirfd: -100, path: "/", flags: 0, mode: 0 }), (fd) => ({ fd }))
const open = Step.make("open", {
  doc: "",
  calls: ["openat"],
  provides: Rootfs,
  reversal: "compensated",
  run: openRoot,
  undo: ({ fd }) => sys.close({ fd })
})
const use = Step.make("use", {
  doc: "",
  calls: ["fchdir"],
  requires: [Rootfs],
  reversal: "irreversible",
  run: Effect.flatMap(Rootfs, ({ fd }) => sys.fchdir({ fd }))
})
const fresh = Step.make("fresh", { doc: "", calls: [], reversal: "harmless", run: Effect.void })
const last = Step.make("last", {
  doc: "",
  calls: ["exit_group"],
  reversal: "terminal",
  run: sys.exit_group({ status: 0 })
})

const close = Step.make("close", {
  doc: "",
  calls: ["close"],
  requires: [Rootfs],
  reversal: "harmless",
  run: Effect.flatMap(Rootfs, sys.close)
})

const header = { name: "box", doc: "", inputs: [] } as const
const good = Pipeline.make(header, open, use, last)

// ── what compiles, and with which types ──────────────────────────────────────────────────────────────────────────────

export const ran: Effect.Effect<Context.Context<Rootfs>, PipelineError<SyscallError>, Kernel> = Pipeline.run(good)
export const withInput: Effect.Effect<unknown, unknown, Kernel | Rootfs> = Pipeline.run(
  Pipeline.make({ ...header, inputs: [Rootfs] }, use)
)
export const edited = Pipeline.run(Pipeline.insertAfter(good, "open", fresh))
export const checked: typeof good = Pipeline.check(good)
// the errors of an init reach the caller, those of a step of the caller's own too
const options = { id: "x", container: defaultSpec({ rootfs: "/", args: ["true"] }) }
export const known = Runtime.run(options).pipe(
  Effect.catchReason("PipelineError", "ProgramNotFound", ({ name }) => Effect.succeed(name satisfies string)),
  Effect.catchTag("PipelineError", ({ path, reason }) => Effect.succeed([path[0].step, reason._tag] as const))
)
class Refused extends Data.TaggedError("Refused")<{ readonly by: string }> {}
const ask = Step.make("ask", {
  doc: "",
  calls: [],
  reversal: "harmless",
  run: Effect.fail(new Refused({ by: "me" }))
})
export const ofOnesOwn = Runtime.run({ ...options, flow: Pipeline.insertAfter("setScheduling", ask) }).pipe(
  Effect.catchReason("PipelineError", "Refused", ({ by }) => Effect.succeed(by satisfies string))
)
export const ofExec = Runtime.exec({ ...options, process: options.container.process }).pipe(
  Effect.catchReason("PipelineError", "NamespaceJoinError", () => Effect.void)
)
export const noneOfExec = Runtime.exec({ ...options, process: options.container.process }).pipe(
  // @ts-expect-error no step of an exec fails so
  Effect.catchReason("PipelineError", "DeviceError", () => Effect.void)
)
// the order of the presets
Pipeline.check(standard)
Pipeline.check(userns)
Pipeline.check(usernsSetup)
Pipeline.check(setns)
export const names: "open" | "use" | "last" = "use" as Pipeline.Names<typeof good>

// one edit for every pipeline that has the steps that it names, in the ways to write it
const addFresh = Pipeline.insertAfter("open", fresh)
export const once: Pipeline.Edited<typeof good, [Pipeline.After<"open", [typeof fresh]>]> = addFresh(good)
export const piped: typeof once = good.pipe(addFresh, Pipeline.check)
const other = Pipeline.make({ ...header, name: "other" }, open, close)
declare const either: typeof good | typeof other
export const fitsBoth = Pipeline.check(Pipeline.insertAfter(either, "open", fresh))
export const several = either.pipe(
  Pipeline.compose(addFresh, Pipeline.move("fresh", { before: "open" })),
  Pipeline.check
)
export const inEveryInit = [standard, userns].map((preset: Standard | Userns) =>
  Pipeline.check(Pipeline.insertAfter(preset, "setScheduling", fresh))
)
export const conditional = Pipeline.check(Pipeline.when(good, Math.random() < 2, addFresh))
export const joined: Pipeline.Concatenated<typeof other, typeof good> = Pipeline.concat(other, good)
export const flows: ReadonlyArray<RunOptions["flow"]> = [
  Pipeline.insertAfter("setScheduling", fresh),
  (preset) => Pipeline.insertAfter(preset, "setScheduling", fresh),
  (preset) => Effect.succeed(preset.pipe(Pipeline.remove("sessionKeyring"), Pipeline.check)),
  () => good
]

// through the service, too, and with what the caller itself needs and fails with
class Log extends Context.Service<Log, { readonly line: string }>()("Log") {}
export const ofService: Effect.Effect<unknown, unknown, Runtime.Containers | Log> = Effect.flatMap(
  Runtime.Containers,
  ({ exec, run }) =>
    Effect.all([
      run({ ...options, flow: Pipeline.insertAfter("setScheduling", ask) }, () => Effect.asVoid(Log)).pipe(
        Effect.catchReason("PipelineError", "Refused", ({ by }) => Effect.succeed(by satisfies string))
      ),
      exec({
        ...options,
        process: options.container.process,
        flow: (preset) => Pipeline.insertAfter(preset, "setScheduling", ask)
      }, () => Effect.fail(new Refused({ by: "me" }))).pipe(
        Effect.catchReason("PipelineError", "Refused", ({ by }) => Effect.succeed(by satisfies string)),
        Effect.catchTag("Refused", ({ by }) => Effect.succeed(by))
      )
    ])
)
export const boxed = withFlow(make(), Pipeline.insertAfter("setScheduling", ask))

// ── what does not ────────────────────────────────────────────────────────────────────────────────────────────────────

// wrong order
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Pipeline.run(Pipeline.make(header, use, open))

// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Pipeline.check(Pipeline.make(header, use, open))

// a key that stands for two facts
class OtherRoot extends Context.Service<OtherRoot, { readonly path: string }>()("Rootfs") {}
const otherRoot = { doc: "", calls: [], reversal: "harmless" } as const
const needsOther = Step.make("needsOther", { ...otherRoot, requires: [OtherRoot], run: Effect.asVoid(OtherRoot) })
const givesOther = Step.make("givesOther", { ...otherRoot, provides: OtherRoot, run: Effect.succeed({ path: "/" }) })
// @ts-expect-error the key "Rootfs" stands for two facts: that of step "open", and that of step "needsOther"
Pipeline.check(Pipeline.make(header, open, needsOther))
// @ts-expect-error the key "Rootfs" stands for two facts: that of step "open", and that of step "givesOther"
Pipeline.check(Pipeline.make(header, open, givesOther))
// @ts-expect-error the key "Rootfs" stands for two facts: that of an input, and that of step "needsOther"
Pipeline.check(Pipeline.make({ ...header, inputs: [Rootfs] }, needsOther))

// missing provider
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Pipeline.run(Pipeline.make(header, fresh, use))

// removed provider
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Pipeline.run(Pipeline.remove(good, "open"))

// a provider replaced by a step that does not provide
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Pipeline.run(Pipeline.replace(good, "open", fresh))

// a name that stands twice
// @ts-expect-error step "fresh" stands twice
Pipeline.make(header, fresh, fresh)
// @ts-expect-error step "use" stands twice
Pipeline.append(good, use)
// @ts-expect-error step "use" stands twice
Pipeline.insertBefore(good, "last", use)
// @ts-expect-error step "use" stands twice
Pipeline.replace(good, "open", use)

// a name that is not there
// @ts-expect-error there is no step "opne": did you mean "open"?
Pipeline.remove(good, "opne")
// @ts-expect-error there is no step "opne": did you mean "open"?
Pipeline.insertAfter(good, "opne", fresh)
// @ts-expect-error there is no step "close": one of the two does not have it
Pipeline.insertAfter(either, "close", fresh)

// an edit that does not fit
// @ts-expect-error there is no step "opne": did you mean "open"?
good.pipe(Pipeline.remove("opne"))
// @ts-expect-error step "fresh" stands twice
good.pipe(addFresh, addFresh)
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides: swapped
Pipeline.check(Pipeline.swap(good, "open", "use"))
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides: moved too early
Pipeline.check(Pipeline.move(good, "use", { before: "open" }))
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides: if the condition holds
Pipeline.check(Pipeline.when(good, true, Pipeline.remove("open")))

// a flow whose result can't run
// @ts-expect-error there is no step "setHostnam": did you mean "setHostname"?
Runtime.run({ ...options, flow: Pipeline.insertAfter("setHostnam", fresh) })
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
Runtime.create({ ...options, flow: (preset) => Pipeline.insertAfter(preset, "setHostname", use) })
// @ts-expect-error the last step, "reportReady", does not end in an exec
Runtime.exec({ ...options, process: options.container.process, flow: Pipeline.remove("exec") })
// @ts-expect-error the input "Rootfs" is not one of a container's process
Runtime.run({ ...options, flow: () => Pipeline.make({ ...header, inputs: [Rootfs] }, use, last) })
// @ts-expect-error step "use" requires "Rootfs", which no earlier step provides
withFlow(make(), Pipeline.insertAfter("setHostname", use))

// something behind the end
// @ts-expect-error step "fresh" stands after a terminal step
Pipeline.run(Pipeline.append(good, fresh))

// run uses what requires does not name
Step.make("undeclared", {
  doc: "",
  calls: [],
  reversal: "harmless",
  // @ts-expect-error uses a service that `requires` does not name
  run: Effect.asVoid(User)
})

// undo uses what requires does not name
Step.make("undeclaredUndo", {
  doc: "",
  calls: [],
  reversal: "compensated",
  run: Effect.void,
  // @ts-expect-error User is not among what undo may use
  undo: () => Effect.asVoid(User)
})

// nothing takes back what is to be compensated
// @ts-expect-error a step that is compensated has an `undo`, or registers what takes it back
Step.make("kept", { doc: "", calls: [], reversal: "compensated", run: Effect.void })
export const takenBack = [
  Step.make("registers", { doc: "", calls: [], reversal: "compensated", run: Step.onRollback(Effect.void) }),
  Step.make("undoes", { doc: "", calls: [], reversal: "compensated", run: Effect.void, undo: () => Effect.void })
]

// an undo of what is not to be compensated
Step.make("twoMinds", {
  doc: "",
  calls: [],
  reversal: "harmless",
  run: Effect.void,
  // @ts-expect-error a step that has an `undo` is compensated: say so in `reversal`
  undo: () => Effect.void
})

// undo is given the result of run, and nothing else
Step.make("wrongUndo", {
  doc: "",
  calls: [],
  reversal: "compensated",
  run: Effect.succeed(1),
  // @ts-expect-error number is not string
  undo: (result: string) => Effect.asVoid(Effect.succeed(result))
})

// the result is not what provides promises
Step.make("wrongResult", {
  doc: "",
  calls: [],
  provides: User,
  reversal: "harmless",
  // @ts-expect-error the result is not what `provides` promises
  run: Effect.succeed("root")
})

// a call that the table does not have
Step.make("noSuchCall", {
  doc: "",
  // @ts-expect-error "chrot" is not a call
  calls: ["chrot"],
  reversal: "harmless",
  run: Effect.void
})

// an errno that the kernel does not have
Step.make("noSuchErrno", {
  doc: "",
  calls: [],
  reversal: "harmless",
  // @ts-expect-error "EPREM" is no errno
  advice: { EPREM: "" },
  run: Effect.void
})

// ── ids of containers ─────────────────────────────────────────────────────────────────────────────────────────────────

// ids of containers: a plain text is taken, and checked; what the library returns is one, and no other text with a brand is
export const byId = Effect.flatMap(
  Runtime.list("/run/runfx"),
  (all) => Effect.forEach(all, ({ id }) => Runtime.kill(id satisfies Runtime.ContainerId, 15))
)
Runtime.kill("web", 15)
Runtime.run({ ...options, id: Runtime.ContainerId("web") })
declare const account: Brand.Branded<string, "Account">
// @ts-expect-error an account is no container
Runtime.kill(account, 15)
// @ts-expect-error an account is no container
Runtime.run({ ...options, id: account })
// @ts-expect-error a text that was not checked
export const unchecked: Runtime.ContainerId = "web"

// ── what an edit of a preset can't take away ─────────────────────────────────────────────────────────────────────────

const without = {
  // @ts-expect-error a tracer in a joined namespace could reach the process
  protectProcess: () => Pipeline.check(Pipeline.remove(standard, "protectProcess")),
  // @ts-expect-error it would stay in a namespace of the host
  joinNamespaces: () => Pipeline.check(Pipeline.remove(standard, "joinNamespaces")),
  // @ts-expect-error it would stay in a namespace of the host
  unshareNamespaces: () => Pipeline.check(Pipeline.remove(standard, "unshareNamespaces")),
  // @ts-expect-error the host's name, parameters and mounts would be changed
  announceNamespaces: () => Pipeline.check(Pipeline.remove(standard, "announceNamespaces")),
  // @ts-expect-error the parent would be told the pid of a process that does not go on
  forkIntoNamespaces: () => Pipeline.check(Pipeline.remove(standard, "forkIntoNamespaces")),
  // @ts-expect-error it would be nobody in its user namespace; placed later, it would be root in the program's place
  becomeNamespaceRoot: () => Pipeline.check(Pipeline.remove(userns, "becomeNamespaceRoot")),
  // @ts-expect-error the program would miss devices that were asked for
  createDevices: () => Pipeline.check(Pipeline.remove(standard, "createDevices")),
  // @ts-expect-error a root that is to be read-only could be written
  remountReadonly: () => Pipeline.check(Pipeline.remove(standard, "remountReadonly")),
  // @ts-expect-error paths that are to be read-only could be written
  readonlyPaths: () => Pipeline.check(Pipeline.remove(standard, "readonlyPaths")),
  // @ts-expect-error the program would see what is to be masked
  maskPaths: () => Pipeline.check(Pipeline.remove(standard, "maskPaths")),
  // @ts-expect-error what was exchanged for a mount would not be noticed
  verifyMounts: () => Pipeline.check(Pipeline.remove(standard, "verifyMounts")),
  // @ts-expect-error what was exchanged for a mount would not be noticed
  verifyMountsOfUserns: () => Pipeline.check(Pipeline.remove(userns, "verifyMounts")),
  // @ts-expect-error the init would not know which mounts are the side-car's
  adoptBuiltRoot: () => Pipeline.check(Pipeline.remove(userns, "adoptBuiltRoot")),
  // @ts-expect-error the program would have the caller's limits
  setupRlimits: () => Pipeline.check(Pipeline.remove(standard, "setupRlimits")),
  // @ts-expect-error paths that are to be read-only could be written
  readonlyPathsOfUserns: () => Pipeline.check(Pipeline.remove(userns, "readonlyPaths")),
  // @ts-expect-error the program would see what is to be masked
  maskPathsOfUserns: () => Pipeline.check(Pipeline.remove(userns, "maskPaths")),
  // @ts-expect-error the program would miss devices that were asked for
  createDevicesOfSideCar: () => Pipeline.check(Pipeline.remove(usernsSetup, "createDevices")),
  // @ts-expect-error a root that is to be read-only could be written
  remountReadonlyOfSideCar: () => Pipeline.check(Pipeline.remove(usernsSetup, "remountReadonly")),
  // @ts-expect-error one more program would have the caller's limits
  setupRlimitsOfExec: () => Pipeline.check(Pipeline.remove(setns, "setupRlimits")),
  // @ts-expect-error the program could gain privileges
  setNoNewPrivileges: () => Pipeline.check(Pipeline.remove(standard, "setNoNewPrivileges")),
  // @ts-expect-error a path could lead to the host by a descriptor
  closeExecFrom: () => Pipeline.check(Pipeline.remove(standard, "closeExecFrom")),
  // @ts-expect-error the program would have all capabilities
  dropCapabilities: () => Pipeline.check(Pipeline.remove(standard, "dropCapabilities")),
  // @ts-expect-error the program would have Node's limits and ignored signals
  restoreProcess: () => Pipeline.check(Pipeline.remove(standard, "restoreProcess")),
  // @ts-expect-error the program would outlive its parent
  restoreParentDeathSignal: () => Pipeline.check(Pipeline.remove(standard, "restoreParentDeathSignal"))
}
void without
