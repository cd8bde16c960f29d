/**
 * What a step reads of its context: its inputs. A deterministic step with the same inputs makes the same calls again.
 *
 * A step is watched while it runs: of each fact that it requires, and of what that fact holds, only the fields that it reads
 * are inputs. So a container with a different id has the same inputs for a step that reads its devices only.
 *
 * @category running
 * @since 0.3.0
 */
import * as Context from "effect/Context"
import * as Ahead from "../native/Ahead.ts"
import { hasContent, immutable } from "./immutable.ts"
import type * as Step from "./Step.ts"

/** A value that a step has read: the fact's key, the way to the field, and a copy of what was there. */
interface Read {
  readonly key: Step.Key
  readonly way: ReadonlyArray<string>
  readonly value: unknown
}

type Fields = Readonly<Record<string, unknown>>

/** How far inside of a fact single fields are watched. What is further inside counts as a whole. */
const depth = 2

const isPlain = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** Read of an object whose fields are watched: that it is there at all. */
const present = Symbol("present")

/** Watches what is read. */
class Reader {
  readonly reads: Array<Read> = []
  /** Whether something was read in a way that can't be watched. */
  isBlind = false
  /** What a step was given in place of the objects themselves. */
  readonly #stands = new WeakSet<object>()

  /** A value for the step; an object in it reports what is read. */
  watched(value: unknown, key: Step.Key, way: ReadonlyArray<string>): unknown {
    if (way.length === depth || !isPlain(value)) {
      this.#note(value, key, way)
      return value
    }
    // a step may ask for the object only, and read none of its fields
    this.reads.push({ key, way, value: present })
    const stand = new Proxy<Record<string, unknown>>({}, {
      get: (_, name) => {
        if (typeof name === "string") return this.watched(value[name], key, [...way, name])
        this.isBlind = true
        return undefined
      },
      has: (_, name) => {
        this.#note(value, key, way)
        return name in value
      },
      ownKeys: () => {
        this.#note(value, key, way)
        return Reflect.ownKeys(value)
      },
      getOwnPropertyDescriptor: (_, name) => {
        const found = Object.getOwnPropertyDescriptor(value, name)
        if (found === undefined) this.#note(value, key, way)
        return found && { ...found, value: this.watched(found.value, key, [...way, String(name)]), configurable: true }
      }
    })
    this.#stands.add(stand)
    return stand
  }

  #note(value: unknown, key: Step.Key, way: ReadonlyArray<string>): void {
    // a copy, since the owner of data may change it later
    const kept = typeof value === "object" && value !== null ? immutable(value) : value
    if (kept === undefined && value !== undefined) this.isBlind = true
    else this.reads.push({ key, way, value: kept })
  }

  /** Whether something belongs to this run: it is watched, or a function, or has one of these texts in it. */
  isOwn(value: unknown, texts: ReadonlyArray<string>): boolean {
    if (typeof value === "string") return texts.some((text) => value.includes(text))
    if (typeof value !== "object" || value === null) return typeof value === "function" || typeof value === "symbol"
    return this.#stands.has(value) || Object.values(value).some((inner) => this.isOwn(inner, texts))
  }
}

const serviceOf = (context: Context.Context<never>, key: Step.Key): unknown => Context.getOrUndefined(context, key)

/** What a step has read: values, and texts that may be others the next time. */
interface Known {
  readonly reads: ReadonlyArray<Read>
  readonly parameters: ReadonlyArray<{ readonly key: Step.Key; readonly read: (fact: never) => string }>
}

/** What the engine asks about the inputs of a step in a context. */
export const inputsOf = (step: Step.Any, context: Context.Context<never>): Ahead.Inputs => ({
  of: step,
  match: (known) => {
    const { parameters, reads } = known as Known
    for (const { key, value, way } of reads) {
      let now = serviceOf(context, key)
      for (const name of way) now = (now as Fields | undefined)?.[name]
      if (value === present ? !isPlain(now) : !hasContent(now, value)) return undefined
    }
    return parameters.map(({ key, read }) => read(serviceOf(context, key) as never))
  }
})

/** A step that is watched while it runs. */
export interface Watching {
  readonly context: Context.Context<never>
  readonly keeping: Ahead.Keeping
  /** The step has registered a compensation, which belongs to this run. */
  readonly refuse: () => void
}

/** Watches what a step reads of a context. */
export const watching = (step: Step.Any, context: Context.Context<never>): Watching => {
  const reader = new Reader()
  const parameters: Array<Known["parameters"][number]> = []
  const texts: Array<string> = []
  const parameter = <I, S>(key: Context.Key<I, S>, read: (fact: S) => string): string => {
    const text = read(serviceOf(context, key as Step.Key) as S)
    parameters.push({ key: key as Step.Key, read })
    texts.push(text)
    return text
  }
  const watched = step.keys.reduce(
    (all, key) => Context.add(all, key, reader.watched(serviceOf(context, key), key, []) as never),
    context
  )
  return {
    context: Context.add(watched, Ahead.Parameters, parameter) as Context.Context<never>,
    keeping: {
      of: step,
      parameters: texts,
      known: (result) => {
        if (reader.isBlind || reader.isOwn(result, texts)) return undefined
        const kept = typeof result === "object" && result !== null ? immutable(result) : result
        if (kept === undefined && result !== undefined) return undefined
        return { inputs: { reads: reader.reads, parameters } satisfies Known, result: kept }
      }
    },
    refuse: () => void (reader.isBlind = true)
  }
}
