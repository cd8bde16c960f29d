/**
 * The kinds of field that both configuration formats are made of.
 *
 * A schema says what a field is made of: its type, its range, the names it may hold. Rules between fields, and rules
 * that hold for any container, whatever its format is, are in `validate.ts`.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A whole number that fits a double. */
export const whole = (minimum: number, maximum: number) => {
  const expected = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.Number.check(Schema.isInt({ expected }), Schema.isBetween({ minimum, maximum }, { expected }))
}

const whole64 = (minimum: bigint, maximum: bigint) => {
  const accepts = (value: unknown): value is number | bigint =>
    (typeof value === "bigint" || Number.isSafeInteger(value)) && value as bigint >= minimum &&
    value as bigint <= maximum
  return Schema.declare(accepts, {
    expected: `must be a whole number from ${minimum} to ${maximum}`,
    // JSON Schema knows integers of any size; how they are held in memory is not its business
    toCodecJson: () =>
      Schema.link<number | bigint>()(
        Schema.Number.check(
          Schema.isFinite(),
          Schema.makeFilter(Number.isInteger, {
            toJsonSchema: () => ({ type: "integer", minimum: Number(minimum), maximum: Number(maximum) })
          })
        ),
        SchemaTransformation.transform<number | bigint, number>({ decode: (value) => value, encode: Number })
      )
  }).pipe(Schema.decodeTo(
    Schema.BigInt.check(Schema.isBetweenBigInt({ minimum, maximum })),
    SchemaTransformation.transform<bigint, number | bigint>({
      decode: BigInt,
      encode: (value) => Number.isSafeInteger(Number(value)) ? Number(value) : value
    })
  ))
}

/** A signed 64-bit number, a bigint in the model. */
export const int64 = whole64(-(2n ** 63n), 2n ** 63n - 1n)

/** An unsigned 64-bit number, a bigint in the model. */
export const uint64 = whole64(0n, 2n ** 64n - 1n)

/** A limit that some writers give as -1 and others as 2^64-1 for "none": a bigint of either sign. */
export const limit64 = whole64(-(2n ** 63n), 2n ** 64n - 1n)

/** A number of 32 bits. */
export const uint32 = whole(0, 2 ** 32 - 1)

/** A number of 32 bits with a sign. */
export const int32 = whole(-(2 ** 31), 2 ** 31 - 1)

/** A user or group id; 2^32-1 is no id but "leave it as it is". */
export const id = whole(0, 2 ** 32 - 2)

/** A name that stands for a number; the model holds the number. */
export const named = (table: Readonly<Record<string, number>>, what: string) => {
  const expected = `must be ${what}`
  return Schema.String.check(
    Schema.makeFilter((name: string) => Object.hasOwn(table, name), {
      expected,
      toJsonSchema: () => ({ enum: Object.keys(table) })
    })
  ).pipe(Schema.decodeTo(
    Schema.Literals(Object.values(table)),
    SchemaTransformation.transform<number, string>({
      decode: (name) => table[name]!,
      encode: (number) => Object.keys(table).find((name) => table[name] === number)!
    })
  ))
}

/** One of some texts. */
export const oneOf = <const L extends ReadonlyArray<string>>(...literals: L) => Schema.Literals(literals)

/** A field that may be left out. */
export const may: typeof Schema.optionalKey = Schema.optionalKey

/** A list of texts. */
export const texts = Schema.Array(Schema.String)
