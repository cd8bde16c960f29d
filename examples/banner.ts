/**
 * A flow of your own: two more steps in the pipeline of a container's first process.
 *
 *     sudo runfx run --flow examples/banner.ts -- /bin/sh -c 'echo working; ionice'
 *
 * Node imports TypeScript from version 22.18 on. For an older one take the types out first:
 *
 *     npx esbuild examples/banner.ts --outfile=examples/banner.mjs
 *
 * A step says in its header which kernel calls it makes, and what it needs of the steps before it. Put `writeBanner` in
 * front of `findProgram`, and this file does not compile: "step "writeBanner" requires "runfx/Program", which no earlier
 * step provides". In a flow without types the same is said at the start, before anything is done.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Pipeline from "runfx/engine/Pipeline"
import * as Step from "runfx/engine/Step"
import { IOPRIO_WHO } from "runfx/native/constants"
import { sys } from "runfx/native/Kernel"
import type { Standard } from "runfx/pipelines/standard"
import { ExecUser, Program } from "runfx/steps/init/facts"
import { Init } from "runfx/steps/init/Init"

/** A fact: what one step provides to the ones behind it. */
class DiskPriority extends Context.Service<DiskPriority, string>()("example/DiskPriority") {}

/** `IOPRIO_CLASS_IDLE`. */
const idle = 3

const lowerDiskPriority = Step.make("lowerDiskPriority", {
  doc: "let the program use the disk when nobody else does",
  calls: ["ioprio_set"],
  provides: DiskPriority,
  // it holds until the process ends, which is what the process does where a later step fails
  reversal: "irreversible",
  run: Effect.as(sys.ioprio_set({ which: IOPRIO_WHO.PROCESS, who: 0, ioprio: idle << 13 }), "idle")
})

const writeBanner = Step.make("writeBanner", {
  doc: "say on standard error what is about to run",
  calls: ["write"],
  requires: [Init, Program, ExecUser, DiskPriority],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { id } = yield* Init
    const { path } = yield* Program
    const { uid } = yield* ExecUser
    const line = `${id}: ${path} as uid ${uid}, disk priority ${yield* DiskPriority}\n`
    yield* sys.write({ fd: 2, data: new TextEncoder().encode(line) })
  })
})

export default (preset: Standard) =>
  preset.pipe(
    Pipeline.insertAfter("setScheduling", lowerDiskPriority),
    Pipeline.insertAfter("findProgram", writeBanner),
    Pipeline.check
  )
