/** Values that the schemas of the configuration give, as the text of a document or as parts of a container. */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import fc from "fast-check"

/** JSON with numbers of any size. */
export const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) => typeof field === "bigint" ? `\0${field}\0` : field)
    .replaceAll(/"\\u0000(-?\d+)\\u0000"/g, "$1")

/** Values of a schema, `count` of them; others at every run. */
export const samplesOf = <A>(schema: Schema.Schema<A>, count: number): ReadonlyArray<A> =>
  Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(schema), { count }))

/** A schema's values as a generator: drawn from some that were sampled beforehand. */
export const fromSchema = <A>(schema: Schema.Schema<A>, count = 300): fc.Arbitrary<A> =>
  fc.constantFrom(...samplesOf(schema, count))
