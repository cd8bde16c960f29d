/**
 * Which keys of facts are mistaken for one another.
 *
 * A context compares keys by their names, so that two copies of a package understand each other. But two declarations that
 * were given the same name by accident would hand on each other's values. So within one pipeline a name is one key. The names
 * that begin with `runfx/` are this package's own: of these there may be copies, since a flow that is loaded from a file brings
 * its own copy of the package.
 */
import type * as Step from "../Step.ts"

interface Keyed {
  readonly inputs: ReadonlyArray<Step.Key>
  readonly steps: ReadonlyArray<Step.Any>
}

/** What names a fact twice, in words. */
export const collisions = ({ inputs, steps }: Keyed): ReadonlyArray<string> => {
  const known = new Map<string, readonly [key: Step.Key, whose: string]>(
    inputs.map((key) => [key.key, [key, "an input"]])
  )
  const found = new Set<string>()
  const meet = (key: Step.Key, whose: string): void => {
    const first = known.get(key.key)
    if (first === undefined) known.set(key.key, [key, whose])
    else if (first[0] !== key && !key.key.startsWith("runfx/")) {
      found.add(`the key "${key.key}" stands for two facts: that of ${first[1]}, and that of ${whose}`)
    }
  }
  for (const { key, keys, name } of steps) {
    for (const required of keys) meet(required, `step "${name}"`)
    if (key !== undefined) meet(key, `step "${name}"`)
  }
  return [...found]
}
