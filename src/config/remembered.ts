/**
 * The documents that were read last. An application starts the same few over and over: it decodes the same text to the same
 * container, which nobody can change, so that a start knows it again.
 *
 * A text always means the same, since nothing of the host is looked at to read it.
 */
import * as Result from "effect/Result"
import { hasContent, immutable } from "../engine/immutable.ts"

/** How many documents are remembered: more than an application has kinds of containers. */
const most = 8

/** The longest of them, in UTF-16 units. A configuration with a long filter has 60,000. */
const longest = 1 << 18

interface Document {
  readonly text: string
  /** What else decides what it is decoded to. */
  readonly beside: object
  /** Absent: it was read once, and may never be again. A copy costs about as much as to read it. */
  readonly value?: object
}

/** The last one first. */
let documents: ReadonlyArray<Document> = []

/**
 * What a text is decoded to; the same object, once it has been decoded twice.
 *
 * @param beside what the result depends on besides the text
 */
export const remembered = <A extends object, E>(
  text: string,
  beside: object,
  decode: () => Result.Result<A, E>
): Result.Result<A, E> => {
  const kept = typeof text === "string" && text.length <= longest ? immutable(beside) : undefined
  if (kept === undefined) return decode()
  const known = documents.find((one) => one.text === text && hasContent(kept, one.beside))
  if (known?.value !== undefined) return Result.succeed(known.value as A)
  return Result.map(decode(), (decoded) => {
    const value = known === undefined ? undefined : immutable(decoded)
    const document = { text, beside: kept, ...value === undefined ? {} : { value } }
    documents = [document, ...documents.filter((one) => one !== known)].slice(0, most)
    return value ?? decoded
  })
}
