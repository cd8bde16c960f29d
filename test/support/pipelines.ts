/** Steps and pipelines for the tests of the engine. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../../src/engine/Step.ts"

export class Boom extends Data.TaggedError("Boom")<{ readonly advice?: string }> {}

export class Name extends Context.Service<Name, string>()("Name") {}

export class Size extends Context.Service<Size, number>()("Size") {}

/** Steps that write down what they do. */
export const journal = () => {
  const lines: Array<string> = []
  const note = (line: string) => Effect.sync(() => void lines.push(line))
  const step = <const N extends string>(name: N) =>
    Step.make(name, {
      doc: name,
      calls: [],
      reversal: "compensated",
      run: note(name).pipe(Effect.as(`what ${name} made`)),
      undo: (result) => note(`undo ${result.slice("what ".length, -" made".length)}`)
    })
  const plain = <const N extends string>(name: N, reversal: "irreversible" | "harmless") =>
    Step.make(name, { doc: name, calls: [], reversal, run: note(name) })
  const failing = Step.make("failing", {
    doc: "fails",
    calls: [],
    reversal: "harmless",
    run: Effect.andThen(note("failing"), Effect.fail(new Boom({})))
  })
  return { lines, note, step, plain, failing }
}

export const header = { name: "box", doc: "a test", inputs: [] } as const
