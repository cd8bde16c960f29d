/**
 * Results of statx(2) and statfs(2) that have not come yet. A question about one becomes a check in the list, at the place
 * where it is asked.
 */
import * as Ahead from "../../Ahead.ts"
import { STATX_ATTR } from "../../constants.ts"
import type { FileSystemStat, Stat } from "../../results.ts"
import { statfs, statx } from "../structs.ts"
import type { Check } from "./Batch.ts"
import { questionAt } from "./History.ts"

/** What a result that has not come yet needs of its journey. */
export interface Journeying {
  /** @param question the place of the question that the check answers, if it answers one. Returns whether there is room for it */
  readonly check: (check: Check, question?: string) => boolean
  /** Reports that a field was read that only the kernel can tell. */
  readonly lose: () => void
  /** The answer to a question for an earlier container, if it was remembered. */
  readonly known: (question: string) => number | undefined
  /** Returns what remembers the answer to a question of the running part. */
  readonly learning: (question: string) => (answer: boolean | number) => void
}

/** The offset of a field, and which of the eight bytes there belong to it. */
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
  // major and minor are adjacent
  dev: { at: statx.fields.stx_dev_major.at, mask: whole },
  rdev: { at: statx.fields.stx_rdev_major.at, mask: whole },
  mountId: place(statx.fields.stx_mnt_id),
  mountRoot: { at: statx.fields.stx_attributes.at, mask: BigInt(STATX_ATTR.MOUNT_ROOT) }
}

const inFileSystem: Readonly<Record<keyof FileSystemStat, FieldBits>> = {
  type: place(statfs.fields.f_type),
  flags: place(statfs.fields.f_flags)
}

/** Fields that are most likely the same for the next container. */
const steady: ReadonlySet<string> = new Set<keyof Stat>(["mode"])

const bitsOf = (value: unknown, mask: bigint): bigint => {
  if (typeof value === "boolean") return value ? mask : 0n
  if (typeof value === "object") {
    const { major, minor } = value as Stat["dev"]
    return BigInt(major) | BigInt(minor) << 32n
  }
  return BigInt(value as number | bigint)
}

/** Thrown if code reads a field that only the kernel can tell. */
const unknown = Symbol("unknown")

/** A result that has not come yet. */
export class Coming<A extends object> implements Ahead.Later<A> {
  #value: A | undefined
  readonly #address: number
  readonly #places: Readonly<Record<keyof A, FieldBits>>
  readonly #journey: Journeying
  readonly #index: number
  /** How many questions have been asked. */
  #questions = 0
  /** Called with the result when it comes: the answer to a question is not certain, or not known. */
  #open: ((value: A) => void) | undefined

  /** @param index the number of the call in its part */
  constructor(
    address: number,
    places: Readonly<Record<keyof A, FieldBits>>,
    journey: Journeying,
    index: number
  ) {
    this.#address = address
    this.#places = places
    this.#journey = journey
    this.#index = index
  }

  /** Sets the result. */
  come(value: A): void {
    this.#value = value
    this.#open?.(value)
  }

  #question(): string {
    return questionAt(this.#index, this.#questions++)
  }

  /** A field, if its value is known. */
  read<K extends keyof A>(field: K): A[K] {
    if (this.#value !== undefined) return this.#value[field]
    if (!steady.has(field as string)) return this.#lose()
    const question = this.#question()
    const known = this.#journey.known(question) as A[K] | undefined
    this.#learn(question, (come) => come[field] as number)
    if (known === undefined) return this.#lose()
    this.#expect(field, known, true)
    return known
  }

  #lose(): never {
    this.#journey.lose()
    throw unknown
  }

  /** Remembers the answer to a question when the result has come. */
  #learn(question: string, answer: (come: A) => boolean | number): void {
    const [others, learn] = [this.#open, this.#journey.learning(question)]
    this.#open = (come) => {
      others?.(come)
      learn(answer(come))
    }
  }

  #likely(question: string, guess: Ahead.Likely): Ahead.Likely {
    const answer = this.#journey.known(question)
    return answer === undefined ? guess : answer === 1
  }

  #expect<K extends keyof A>(field: K, value: A[K], equals: boolean, mask?: number, question?: string): boolean {
    const place = this.#places[field]
    const bits = mask === undefined ? place.mask : place.mask & BigInt(mask)
    const address = this.#address + place.at
    const hasRoom = this.#journey.check({ address, mask: bits, value: bitsOf(value, bits) & bits, equals }, question)
    return hasRoom ? equals : this.#lose()
  }

  [Ahead.ask]<K extends keyof A>(field: K, value: A[K], guess: Ahead.Likely, mask?: number): boolean {
    const bitsOnly = mask === undefined ? {} : { mask }
    if (this.#value !== undefined) return Ahead.is(this.#value, field, value, bitsOnly)
    const question = this.#question()
    const likely = this.#likely(question, guess)
    if (likely === "unknown") {
      this.#learn(question, (come) => Ahead.is(come, field, value, bitsOnly))
      return this.#lose()
    }
    return this.#expect(field, value, likely, mask, question)
  }

  [Ahead.compare]<K extends keyof A>(field: K, other: A, guess: boolean): boolean {
    if (this.#value !== undefined) return Ahead.isSame(this.#value, other, field)
    const question = this.#question()
    const likely = this.#likely(question, guess) === true
    const { at, mask } = this.#places[field]
    const address = this.#address + at
    const its = other instanceof Coming ? (other as Coming<A>).#its(field) : undefined
    const hasRoom = this.#journey.check(
      its === undefined
        ? { address, mask, value: bitsOf(other[field], mask) & mask, equals: likely }
        : { address, mask, other: its, equals: likely },
      question
    )
    return hasRoom ? likely : this.#lose()
  }

  /** The address of a field; `undefined` if the result has come. */
  #its(field: keyof A): number | undefined {
    return this.#value === undefined ? this.#address + this.#places[field].at : undefined
  }
}

/** A class of results with these fields, which are read like those of a result that has come. */
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
  return (address: number, journey: Journeying, index: number): Coming<A> =>
    new WithFields(address, places, journey, index)
}

/** The status of a file that has not come yet. */
export const comingStat = /* @__PURE__ */ comingWith<Stat>(inStat)

/** The status of a file system that has not come yet. */
export const comingFileSystem = /* @__PURE__ */ comingWith<FileSystemStat>(inFileSystem)
