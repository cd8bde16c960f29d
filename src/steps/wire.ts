/**
 * How errors and values travel between the init and its parent: JSON that keeps bigints, bytes and typed errors.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Kernel from "../native/Kernel.ts"

/** Makes an error of a class from its fields. */
export type ErrorClass = new(fields: never) => Error & { readonly _tag: string }

/** Error classes by tag: what {@link decode} can bring back as what it was. */
export type ErrorClasses = Readonly<Record<string, ErrorClass>>

/** An error of a class that the receiving side does not know: a consumer's own step failed with it. */
export class ForeignError extends Data.TaggedError("ForeignError")<{
  /** The tag, or the name, of the original error. */
  readonly tag: string
  readonly text: string
  readonly code?: string
  readonly advice?: string
  readonly exitCode?: number
}> {
  override get message(): string {
    return `${this.tag}: ${this.text}`
  }
}

const reasonOf = (reason: Cause.Reason<unknown>): unknown =>
  Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : new Error("interrupted")

// what a class adds to Error itself (message, stack) is not enumerable
const fieldsOf = (error: Error): Record<string, unknown> => ({ ...error }) as Record<string, unknown>

const isTagged = (value: unknown): value is Error & { readonly _tag: string } =>
  value instanceof Error && "_tag" in value && typeof value._tag === "string"

/** Writes a value as JSON; bigints, bytes, causes and errors are tagged. */
export const encode = (value: unknown): string =>
  JSON.stringify(value, function(this: Readonly<Record<string, unknown>>, key: string) {
    // not the second argument: that is what the value's own toJSON made of it
    const field = this[key]
    if (Cause.isCause(field)) return { $cause: field.reasons.map(reasonOf) }
    if (typeof field === "bigint") return { $bigint: String(field) }
    if (field instanceof Uint8Array) return { $bytes: Buffer.from(field).toString("base64") }
    if (field instanceof Error) {
      const { _tag, ...fields } = fieldsOf(field)
      const more = field as { readonly code?: unknown; readonly advice?: unknown; readonly exitCode?: unknown }
      return {
        $error: isTagged(field) ? field._tag : field.name,
        fields,
        message: field.message,
        code: more.code,
        advice: more.advice,
        exitCode: more.exitCode
      }
    }
    return field
  })

interface EncodedError {
  readonly $error: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
  readonly code?: string
  readonly advice?: string
  readonly exitCode?: number
}

const reviveError = (encoded: EncodedError, classes: ErrorClasses): Error => {
  if (encoded.$error === "SyscallError") return new Kernel.SyscallError(encoded.fields as never)
  // own classes only: "constructor" is no error's tag
  const known = Object.hasOwn(classes, encoded.$error) ? classes[encoded.$error] : undefined
  if (known !== undefined) return new known(encoded.fields as never)
  return new ForeignError({
    tag: encoded.$error,
    text: encoded.message,
    ...(encoded.code === undefined ? {} : { code: encoded.code }),
    ...(encoded.advice === undefined ? {} : { advice: encoded.advice }),
    ...(encoded.exitCode === undefined ? {} : { exitCode: encoded.exitCode })
  })
}

const plain = /^[^$\\]*$/

/**
 * Reads what {@link encode} wrote. Throws where the text is not that: `SyntaxError`, `TypeError`, `RangeError`.
 */
export const decode = (text: string, classes: ErrorClasses = {}): unknown =>
  // nothing to bring back, and no key that could be spelt in another way
  plain.test(text) ? JSON.parse(text) : JSON.parse(text, (key, field: unknown) => {
    // the fields of an error are assigned to it, and this one would be its prototype
    if (key === "__proto__") return undefined
    if (typeof field !== "object" || field === null) return field
    if ("$bigint" in field) return BigInt(field.$bigint as string)
    if ("$bytes" in field) return new Uint8Array(Buffer.from(field.$bytes as string, "base64"))
    if ("$cause" in field) {
      return (field.$cause as ReadonlyArray<unknown>).reduce(
        (cause: Cause.Cause<unknown>, error) => Cause.combine(cause, Cause.fail(error)),
        Cause.empty
      )
    }
    if ("$error" in field) return reviveError(field as EncodedError, classes)
    return field
  })
