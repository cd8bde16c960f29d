/**
 * What the compiler says about a wrong pipeline: it must name the step and what is missing, not only refuse.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, "../..")
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc")

const prelude = `
import type * as Brand from "effect/Brand"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { pipe } from "effect/Function"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { sys } from "../../src/native/Kernel.ts"
import { standard } from "../../src/pipelines/standard.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
class Rootfs extends Context.Service<Rootfs, { readonly fd: number }>()("Rootfs") {}
const openRoot = Step.make("openRoot", {
  doc: "", calls: [], provides: Rootfs, reversal: "harmless", run: Effect.succeed({ fd: 3 })
})
const pivotRoot = Step.make("pivotRoot", {
  doc: "", calls: [], requires: [Rootfs], reversal: "irreversible", run: Effect.asVoid(Rootfs)
})
class OtherRoot extends Context.Service<OtherRoot, { readonly path: string }>()("Rootfs") {}
const otherRoot = Step.make("chroot", {
  doc: "", calls: [], requires: [OtherRoot], reversal: "irreversible", run: Effect.asVoid(OtherRoot)
})
const exec = Step.make("exec", { doc: "", calls: [], reversal: "terminal", run: sys.exit_group({ status: 0 }) })
const announce = Step.make("announce", { doc: "", calls: [], reversal: "harmless", run: Effect.void })
const box = Pipeline.make({ name: "box", doc: "", inputs: [] }, openRoot, pivotRoot, exec)
const options = { id: "web", container: defaultSpec({ rootfs: "/srv/web", args: ["true"] }) }
`

/** For each snippet, what must stand in the first line of the compiler's message. */
const cases: Readonly<Record<string, readonly [snippet: string, says: ReadonlyArray<string>]>> = {
  wrongOrder: [
    `Pipeline.run(Pipeline.make({ name: "x", doc: "", inputs: [] }, pivotRoot, openRoot))`,
    [`step "pivotRoot" requires "Rootfs", which no earlier step provides`]
  ],
  removedProvider: [
    `Pipeline.run(Pipeline.remove(box, "openRoot"))`,
    [`step "pivotRoot" requires "Rootfs", which no earlier step provides`]
  ],
  duplicate: [`Pipeline.append(box, openRoot)`, [`step "openRoot" stands twice`]],
  duplicateInMake: [
    `Pipeline.make({ name: "x", doc: "", inputs: [] }, announce, announce)`,
    [`step "announce" stands twice`]
  ],
  unknownName: [`Pipeline.remove(box, "openroot")`, [`there is no step "openroot": did you mean "openRoot"?`]],
  unknownNameInPreset: [
    `Pipeline.insertAfter(standard, "setHostnam", announce)`,
    [`'Standard'`, `there is no step "setHostnam": did you mean "setHostname"?`]
  ],
  nameLikeNoOther: [`Pipeline.remove(box, "dance")`, [`there is no step "dance"`]],
  typoInAPipe: [
    `standard.pipe(Pipeline.remove("dropCapabilitise"), Pipeline.remove("setUmask"))`,
    [`=> Unfit<"there is no step "dropCapabilitise": did you mean "dropCapabilities"?"`]
  ],
  typoLaterInAPipe: [
    `pipe(standard, Pipeline.remove("setUmask"), Pipeline.insertAfter("setHostnam", announce), Pipeline.check)`,
    [`=> Unfit<"there is no step "setHostnam": did you mean "setHostname"?"`]
  ],
  typoInAComposedEdit: [
    `box.pipe(Pipeline.compose(Pipeline.append(announce), Pipeline.remove("openRot")))`,
    [`=> Unfit<"there is no step "openRot": did you mean "openRoot"?"`]
  ],
  typoInAPipeOfAFlow: [
    `Runtime.run({ ...options, flow: (preset) => preset.pipe(Pipeline.remove("dropCapabilitise")) })`,
    [`=> Unfit<"there is no step "dropCapabilitise": did you mean "dropCapabilities"?"`]
  ],
  editThatDoesNotFit: [`Pipeline.remove("openRot")(box)`, [`there is no step "openRot": did you mean "openRoot"?`]],
  movedTooEarly: [
    `Pipeline.check(Pipeline.move(standard, "setHostname", { before: "populateEnv" }))`,
    [`step "setHostname" requires "runfx/InNamespaces", which no earlier step provides`]
  ],
  keyOfTwoFacts: [
    `Pipeline.run(Pipeline.make({ name: "x", doc: "", inputs: [] }, openRoot, otherRoot))`,
    [`the key "Rootfs" stands for two facts: that of step "openRoot", and that of step "chroot"`]
  ],
  allProblems: [
    `Pipeline.check(standard.pipe(Pipeline.remove("setNoNewPrivileges"), Pipeline.remove("dropBoundingSet")))`,
    [`requires "runfx/NoNewPrivileges"`, `step "setKeepCaps" requires "runfx/BoundingSetDropped"`]
  ],
  behindTheEnd: [`Pipeline.run(Pipeline.append(box, announce))`, [`step "announce" stands after a terminal step`]],
  undeclared: [
    `Step.make("sneaky", { doc: "", calls: [], reversal: "harmless", run: Effect.asVoid(Rootfs) })`,
    ["uses a service that `requires` does not name", "Rootfs"]
  ],
  undeclaredUndo: [
    `Step.make("sneaky", {
      doc: "", calls: [], reversal: "compensated", run: Effect.void, undo: () => Effect.asVoid(Rootfs)
    })`,
    ["Rootfs"]
  ],
  nothingTakesItBack: [
    `Step.make("kept", { doc: "", calls: [], reversal: "compensated", run: Effect.void })`,
    ["a step that is compensated has an `undo`, or registers what takes it back with `Step.onRollback`"]
  ],
  pidForDescriptor: [
    `Effect.flatMap(sys.getpid({}), (pid) => sys.close({ fd: pid }))`,
    ["Type 'Pid' is not assignable to type 'AnyFd'"]
  ],
  descriptorForPid: [
    `Effect.flatMap(sys.dup({ fd: 0 }), (fd) => sys.kill({ pid: fd, signal: 9 }))`,
    ["Type 'Fd' is not assignable to type 'AnyPid'"]
  ],
  wrongResult: [
    `Step.make("odd", { doc: "", calls: [], provides: Rootfs, reversal: "harmless", run: Effect.succeed("3") })`,
    ["the result is not what `provides` promises", "fd: number"]
  ],
  flowWithATypo: [
    `Runtime.run({ ...options, flow: Pipeline.insertAfter("setHostnam", announce) })`,
    [`'"there is no step "setHostnam": did you mean "setHostname"?"`]
  ],
  flowOutOfOrder: [
    `Runtime.create({ ...options, flow: Pipeline.insertAfter("setHostname", pivotRoot) })`,
    [`'"step "pivotRoot" requires "Rootfs", which no earlier step provides"`]
  ],
  flowWithoutAnEnd: [
    `Runtime.exec({ ...options, process: options.container.process, flow: Pipeline.remove("exec") })`,
    [`'"the last step, "reportReady", does not end in an exec"`]
  ],
  flowWithAnInput: [
    `Runtime.run({ ...options, flow: () => Pipeline.make({ name: "x", doc: "", inputs: [Rootfs] }, pivotRoot, exec) })`,
    [`'"the input "Rootfs" is not one of a container's process"`]
  ],
  flowOfASandbox: [
    `Sandbox.withFlow(Sandbox.make(), Pipeline.insertAfter("setHostname", pivotRoot))`,
    [`step "pivotRoot" requires "Rootfs", which no earlier step provides`]
  ],
  undoOfNothing: [
    `Step.make("x", { doc: "", calls: [], reversal: "harmless", run: Effect.void, undo: () => Effect.void })`,
    ["a step that has an `undo` is compensated: say so in `reversal`"]
  ],
  runThatIsNone: [
    `Step.make("x", { doc: "", calls: [], reversal: "harmless", run: () => Effect.void })`,
    ["is not assignable to type 'Effect<unknown, unknown, unknown>'"]
  ],
  joinedTwice: [`Pipeline.check(Pipeline.concat(box, box))`, [
    `step "exec" stands twice`,
    `step "openRoot" stands after a terminal step`
  ]],
  swapWithATypo: [`Pipeline.swap(box, "openRot", "exec")`, [`there is no step "openRot": did you mean "openRoot"?`]],
  moveToNowhere: [
    `Pipeline.move(box, "pivotRoot", { before: "exce" })`,
    [`there is no step "exce": did you mean "exec"?`]
  ],
  optionWithATypo: [`Runtime.run({ ...options, pateince: 5 })`, ["'pateince' does not exist", "'patience'"]],
  limitWithATypo: [`Sandbox.make({ limits: { memroy: "1 MiB" } })`, ["'memroy' does not exist", "'memory'"]],
  idOfSomethingElse: [
    `Runtime.kill(0 as unknown as string & Brand.Brand<"Account">, 15)`,
    ["is not assignable to parameter of type 'AnyContainerId'"]
  ]
}

/** The compiler's messages by snippet; all snippets in one run. */
const compile = async (): Promise<ReadonlyMap<string, string>> => {
  // a directory with a leading dot is in no `include`
  const directory = await mkdtemp(join(here, ".snippets-"))
  try {
    for (const [name, [snippet]] of Object.entries(cases)) {
      await writeFile(
        join(directory, `${name}.ts`),
        `${prelude}export const bad = ${snippet}\n`.replaceAll("\"../../src", "\"../../../src")
      )
    }
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: { rootDir: root, noUnusedLocals: false },
        include: [],
        files: Object.keys(cases).map((name) => `${name}.ts`)
      })
    )
    const output = await promisify(execFile)(process.execPath, [tsc, "-p", directory, "--pretty", "false"], {
      maxBuffer: 2 ** 24
    }).then(({ stdout }) => stdout, (error: { readonly stdout: string }) => error.stdout)
    const found = new Map<string, string>()
    let current = ""
    for (const line of output.split("\n")) {
      const start = /([^/\s]+)\.ts\(\d+,\d+\): error/.exec(line)
      if (start !== null) current = start[1]!
      found.set(current, `${found.get(current) ?? ""}${line}\n`)
    }
    return found
  } finally {
    await rm(directory, { recursive: true })
  }
}

describe("the compiler's messages", () => {
  it("name the step and the fact", async () => {
    const messages = await compile()
    for (const [name, [, says]] of Object.entries(cases)) {
      const message = messages.get(name)
      assert.isDefined(message, `${name} compiled`)
      const [firstLine] = message!.replaceAll("\\\"", "\"").split("\n")
      for (const text of says) assert.include(firstLine, text, name)
      assert.isBelow(message!.length, 2500, `${name}: a message that nobody reads:\n${message}`)
    }
  })
})
