/**
 * The rules of a pipeline: each name is used once, each requirement is provided by an earlier step or by an input, a key
 * belongs to one fact, and nothing follows a terminal step. They are written for the compiler and, in the same words, for
 * pipelines that are assembled from data.
 *
 * @category checks
 * @since 0.1.0
 */
import type * as Step from "../Step.ts"
import type { Any, Steps } from "./Definition.ts"
import { collisions } from "./keys.ts"

// The compiler prints the type of a parameter first. So the type that refuses a wrong argument is the sentence that
// explains it.

/** The name of a key. */
export type KeyName<K> = K extends { readonly key: infer N extends string } ? N : never

type Lacking<H extends Step.Any, Have> = Exclude<KeyName<Step.Requires<H>>, KeyName<Have>>

/** Of some keys, those that have the name of a different key. */
type Namesakes<K, Have> = Exclude<K, Have> extends infer Other
  ? Other extends Step.Key ? KeyName<Other> extends KeyName<Have> ? KeyName<Other> : never : never
  : never

type Named<S, N> = S extends Step.Any ? N extends KeyName<Step.Provides<S>> ? Step.Name<S> : never : never

/** The other step or input that provides a key of this name, in words. */
type Other<All extends Steps, H, N> = [Exclude<Named<All[number], N>, Step.Name<H>>] extends [never] ? "an input"
  : `step "${Exclude<Named<All[number], N>, Step.Name<H>>}"`

type Collision<H extends Step.Any, All extends Steps, N> = N extends string
  ? `the key "${N}" stands for two facts: that of ${Other<All, H, N>}, and that of step "${Step.Name<H>}"`
  : never

type ProblemOf<H extends Step.Any, Have, Seen, All extends Steps> =
  | (Step.Name<H> extends Seen ? `step "${Step.Name<H>}" stands twice` : never)
  | (Step.Terminal extends Have ? `step "${Step.Name<H>}" stands after a terminal step` : never)
  | ([Lacking<H, Have>] extends [never] ? never
    : `step "${Step.Name<H>}" requires "${Lacking<H, Have>}", which no earlier step provides`)
  | Collision<H, All, Namesakes<Step.Requires<H> | Step.Provides<H>, Have>>

// the compiler shows a union by the name of the type that made it; in a template it shows the sentences
/** All rules that a list of steps breaks, as sentences; `never` if it breaks none. */
type Broken<S extends Steps, Have, All extends Steps = S, Seen = never, Found = never> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Broken<T, Have | Step.Provides<H>, All, Seen | Literal<Step.Name<H>>, Found | `${ProblemOf<H, Have, Seen, All>}`>
  : Found

/** The name itself; `never` for one that is known at run time only. */
export type Literal<N> = string extends N ? never : N

/**
 * All rules that a pipeline breaks, as sentences; `never` if it breaks none, or if that is known at run time only.
 *
 * @since 0.2.0
 */
export type Problems<P> = P extends Any ? Broken<P["steps"], P["inputs"][number]> : never

/** Names that are used twice. */
export type Twice<S extends Steps, Seen = never, Found = never> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Twice<T, Seen | Literal<Step.Name<H>>, Found | (Step.Name<H> extends Seen ? Step.Name<H> : never)>
  : Found

/** The steps, if their names differ. Otherwise the sentence about the name that is used twice. */
export type Unique<S extends Steps> = {
  [K in keyof S]: Step.Name<S[K]> extends Twice<S> ? `step "${Step.Name<S[K]>}" stands twice` : S[K]
}

/**
 * The pipeline, if it can run. Otherwise the sentence about what is wrong, a type that no pipeline has.
 *
 * @since 0.2.0
 */
export type Runnable<P> = [Problems<P>] extends [never] ? P : Problems<P>

/** What pipelines had when they were found to break no rule: nearly every start runs the same ones. */
const sound = new WeakMap<Any, Pick<Any, "inputs" | "steps">>()

const isSame = (known: ReadonlyArray<unknown>, now: ReadonlyArray<unknown>): boolean =>
  known.length === now.length && known.every((one, index) => one === now[index])

/** Every rule that a pipeline breaks, as sentences. This is the check of `run` at run time instead of by the compiler. */
export const problems = (self: Any): ReadonlyArray<string> => {
  const known = sound.get(self)
  if (known !== undefined && isSame(known.inputs, self.inputs) && isSame(known.steps, self.steps)) return []
  const found = problemsOf(self)
  if (found.length === 0) sound.set(self, { inputs: [...self.inputs], steps: [...self.steps] })
  return found
}

const problemsOf = (self: Any): ReadonlyArray<string> => {
  const have = new Set(self.inputs.map((key) => key.key))
  const seen = new Set<string>()
  const out: Array<string> = [...collisions(self)]
  let terminal: string | undefined
  for (const step of self.steps) {
    if (seen.has(step.name)) out.push(`step "${step.name}" stands twice`)
    if (terminal !== undefined) out.push(`step "${step.name}" stands after "${terminal}", which is terminal`)
    for (const key of step.requires) {
      if (have.has(key)) continue
      const later = self.steps.find((other) => other.provides === key)
      out.push(
        `step "${step.name}" requires "${key}", which no earlier step provides` +
          (later === undefined ? "" : ` ("${later.name}" does, and must stand before it)`)
      )
    }
    seen.add(step.name)
    if (step.provides !== undefined) have.add(step.provides)
    if (step.reversal === "terminal") terminal = step.name
  }
  return out
}
