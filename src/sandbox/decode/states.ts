/**
 * The states of containers must not be writable in a sandbox: its program could rename them, or write some of its own, and the
 * runtime acts on what it reads there.
 */
import * as Effect from "effect/Effect"
import { pathOf, type Problem, problem } from "../../config/ConfigError.ts"
import type { Kernel } from "../../native/Kernel.ts"
import type { Description } from "../Description.ts"
import { real } from "./root.ts"

/** A path without links, also of what does not exist yet. */
const realOrFuture = (path: string): Effect.Effect<string, never, Kernel> =>
  Effect.gen(function*() {
    const parts = path.split("/")
    for (let count = parts.length; count > 1; count--) {
      const there = yield* real(parts.slice(0, count).join("/"))
      if (there !== undefined) return [there, ...parts.slice(count)].join("/")
    }
    return path
  })

/** What is wrong with a directory that can be written, if the states are in it. */
const rule = (stateRoot: string): string =>
  `must not hold the states of containers (${stateRoot}), which its program could write: name a directory beside them, or ` +
  "another stateRoot"

/** Whether the states are in a directory, or in what is below it. */
export const holdsStates = (directory: string, stateRoot: string): Effect.Effect<boolean, never, Kernel> =>
  Effect.gen(function*() {
    const top = yield* real(directory)
    return top !== undefined && `${yield* realOrFuture(stateRoot)}/`.startsWith(top === "/" ? top : `${top}/`)
  })

/** The directories of the host that a sandbox can write, each with its place in the description. */
const writables = (
  { mounts = [], readOnly = true, root, workspace, writable = [] }: Description
): ReadonlyArray<readonly [place: string, directory: string]> => [
  ...(typeof root === "string" && root !== "host" && !readOnly ? [["root", root] as const] : []),
  ...(workspace === undefined ? [] : [["workspace.directory", workspace.directory] as const]),
  ...writable.map((path, index) => [pathOf(["writable", index]), path] as const),
  ...mounts.flatMap((mount, index) =>
    mount._tag === "Bind" && mount.readOnly === false ? [[pathOf(["mounts", index]), mount.source] as const] : []
  )
]

/** The directories of a description that must not be writable, since the states are in them. */
export const statesProblems = (
  description: Description,
  stateRoot: string
): Effect.Effect<ReadonlyArray<Problem>, never, Kernel> =>
  Effect.map(
    Effect.filter(writables(description), ([, directory]) => holdsStates(directory, stateRoot)),
    (found) => found.map(([place, directory]) => problem(place, directory, rule(stateRoot)))
  )
