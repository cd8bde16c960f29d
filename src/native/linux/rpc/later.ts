/**
 * Results of statx(2) and statfs(2) that are still to come: what is asked of them becomes a check in the list, right where
 * it is asked.
 */
import * as Ahead from "../../Ahead.ts"
import { STATX_ATTR } from "../../constants.ts"
import type { FileSystemStat, Stat } from "../../results.ts"
import { statfs, statx } from "../structs.ts"
import type { Check } from "./Batch.ts"
import { questionAt } from "./History.ts"

/** What a result that is still to come is part of. */
export interface Journeying {
  /** @param question where the question is that it answers, if it is one's */
  readonly check: (check: Check, question?: string) => void
  /** Something was read that only the kernel can tell. */
  readonly lose: () => void
  /** What the answer to a question most likely is: what it was for another container, or a guess. */
  readonly likely: (question: string, guess: Ahead.Likely) => Ahead.Likely
  /** A question to which nobody knew a likely answer has this one. */
  readonly learn: (question: string, answer: boolean) => void
}

/** Where a field is, and which of the eight bytes there are its own. */
interface FieldBits {
  readonly at: number
  readonly mask: bigint
}

const whole = 2n ** 64n - 1n
const place = ({ at, size }: { readonly at: number; readonly size: number }): FieldBits => ({
  at,
  mask: 2n ** BigInt(size * 8) - 1n
})

const inStat: Readonly<Record<keyof Stat, FieldBits>> = {
  mode: place(statx.fields.stx_mode),
  nlink: place(statx.fields.stx_nlink),
  uid: place(statx.fields.stx_uid),
  gid: place(statx.fields.stx_gid),
  ino: place(statx.fields.stx_ino),
  size: place(statx.fields.stx_size),
  // major and minor, one after the other
  dev: { at: statx.fields.stx_dev_major.at, mask: whole },
  rdev: { at: statx.fields.stx_rdev_major.at, mask: whole },
  mountId: place(statx.fields.stx_mnt_id),
  mountRoot: { at: statx.fields.stx_attributes.at, mask: BigInt(STATX_ATTR.MOUNT_ROOT) }
}

const inFileSystem: Readonly<Record<keyof FileSystemStat, FieldBits>> = {
  type: place(statfs.fields.f_type),
  flags: place(statfs.fields.f_flags)
}

const bitsOf = (value: unknown, mask: bigint): bigint => {
  if (typeof value === "boolean") return value ? mask : 0n
  if (typeof value === "object") {
    const { major, minor } = value as Stat["dev"]
    return BigInt(major) | BigInt(minor) << 32n
  }
  return BigInt(value as number | bigint)
}

/** Thrown if a field is read that only the kernel can tell. */
const unknown = Symbol("unknown")

/** A result that is still to come. */
export class Coming<A extends object> implements Ahead.Later<A> {
  #value: A | undefined
  readonly #before: A | undefined
  readonly #address: number
  readonly #places: Readonly<Record<keyof A, FieldBits>>
  readonly #journey: Journeying
  readonly #index: number
  /** How many have been asked. */
  #questions = 0
  /** Is told what has come, if a question waits for it. */
  #open: ((value: A) => void) | undefined

  /**
   * @param index which call of its part it is the result of
   * @param before what the same call gave before: most likely the result is the same again
   */
  constructor(
    address: number,
    places: Readonly<Record<keyof A, FieldBits>>,
    journey: Journeying,
    index: number,
    before: A | undefined
  ) {
    this.#before = before
    this.#address = address
    this.#places = places
    this.#journey = journey
    this.#index = index
  }

  /** It has come. */
  come(value: A): void {
    this.#value = value
    this.#open?.(value)
  }

  #question(): string {
    return questionAt(this.#index, this.#questions++)
  }

  /** A field, if that is known. */
  read<K extends keyof A>(field: K): A[K] {
    if (this.#value !== undefined) return this.#value[field]
    if (this.#before !== undefined) {
      const value = this.#before[field]
      this.#expect(field, value, true)
      return value
    }
    this.#journey.lose()
    throw unknown
  }

  #expect<K extends keyof A>(field: K, value: A[K], equals: boolean, mask?: number, question?: string): boolean {
    const place = this.#places[field]
    const bits = mask === undefined ? place.mask : place.mask & BigInt(mask)
    const address = this.#address + place.at
    this.#journey.check({ address, mask: bits, value: bitsOf(value, bits) & bits, equals }, question)
    return equals
  }

  [Ahead.ask]<K extends keyof A>(field: K, value: A[K], guess: Ahead.Likely, mask?: number): boolean {
    const bitsOnly = mask === undefined ? {} : { mask }
    if (this.#value !== undefined) return Ahead.is(this.#value, field, value, bitsOnly)
    const question = this.#question()
    const likely = this.#before === undefined
      ? this.#journey.likely(question, guess)
      : Ahead.is(this.#before, field, value, bitsOnly)
    if (likely === "unknown") {
      this.#open = (come) => this.#journey.learn(question, Ahead.is(come, field, value, bitsOnly))
      return Ahead.isEqual(this.read(field), value)
    }
    return this.#expect(field, value, likely, mask, question)
  }

  [Ahead.compare]<K extends keyof A>(field: K, other: A, guess: boolean): boolean {
    if (this.#value !== undefined) return Ahead.isSame(this.#value, other, field)
    const question = this.#question()
    const likely = this.#journey.likely(question, guess) === true
    const { at, mask } = this.#places[field]
    const address = this.#address + at
    const its = other instanceof Coming ? (other as Coming<A>).#its(field) : undefined
    this.#journey.check(
      its === undefined
        ? { address, mask, value: bitsOf(other[field], mask) & mask, equals: likely }
        : { address, mask, other: its, equals: likely },
      question
    )
    return likely
  }

  /** Where a field of it will be; nothing if it has come. */
  #its(field: keyof A): number | undefined {
    return this.#value === undefined ? this.#address + this.#places[field].at : undefined
  }
}

/** Results with these fields: each can be read as that of one that has come. */
const comingWith = <A extends object>(places: Readonly<Record<keyof A, FieldBits>>) => {
  class WithFields extends Coming<A> {}
  for (const field of Object.keys(places) as Array<keyof A & string>) {
    Object.defineProperty(WithFields.prototype, field, {
      enumerable: true,
      get(this: WithFields) {
        return this.read(field)
      }
    })
  }
  return (address: number, journey: Journeying, index: number, before?: A): Coming<A> =>
    new WithFields(address, places, journey, index, before)
}

/** A file's stat that is still to come. */
export const comingStat = /* @__PURE__ */ comingWith<Stat>(inStat)

/** A file system's stat that is still to come. */
export const comingFileSystem = /* @__PURE__ */ comingWith<FileSystemStat>(inFileSystem)
