/** `runfx prune`: removes containers whose runtime has ended before it could remove them. */
import * as Effect from "effect/Effect"
import { given } from "../engine/given.ts"
import { visibleLine } from "../engine/visible.ts"
import { prune as pruneContainers } from "../runtime/prune.ts"
import { print, printError } from "../runtime/streams.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { flowOption } from "./flowOption.ts"

/** The options of `prune`. */
interface PruneCommand extends GlobalOptions {
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly verbose?: boolean
  readonly flow?: string
}

/** Prints what was removed, and why; what could not be removed makes the exit code 1. */
export const prune = ({ all, dryRun = false, flow, root, verbose = false }: PruneCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { strategies } = yield* flowOption(flow)
    const pruned = yield* pruneContainers(given({ dryRun, stateRoot: root, detached: all, strategies }))
    for (const one of pruned) {
      if (one._tag === "Failed") yield* printError(`runfx: ${one.id}: ${visibleLine(one.error.message)}\n`)
      else if (one._tag === "Removed") {
        yield* print(`${dryRun ? "would remove" : "removed"} ${one.id}: ${visibleLine(one.why)}\n`)
      } else if (verbose) yield* print(`kept ${one.id}: ${visibleLine(one.why)}\n`)
    }
    return pruned.some(({ _tag }) => _tag === "Failed") ? 1 : 0
  }))
