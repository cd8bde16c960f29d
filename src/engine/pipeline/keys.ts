/**
 * Finds different facts whose keys have the same name.
 *
 * A context finds a key by its name, so that two copies of a package understand each other. But two facts that have the
 * same name by accident would replace each other. So within one pipeline a name belongs to one key. Names that begin with
 * `runfx/` are exempt: a flow that is loaded from a file may bring its own copy of this package.
 */
import type * as Step from "../Step.ts"

interface Keyed {
  readonly inputs: ReadonlyArray<Step.Key>
  readonly steps: ReadonlyArray<Step.Any>
}

/** The problems, as sentences. */
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
