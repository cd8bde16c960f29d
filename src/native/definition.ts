/**
 * The parts of a row of the table of calls: arguments, result, and traits.
 *
 * @category calls
 * @since 0.1.0
 */
import type { Argument, Value } from "./Argument.ts"

type Arguments = Readonly<Record<string, Argument<unknown>>>

/**
 * The values of some arguments by name.
 *
 * @since 0.2.0
 */
export type Values<A> = { readonly [K in keyof A]: Value<A[K]> }

/**
 * The result of a call, as far as it must be known at run time.
 *
 * @since 0.2.0
 */
export interface Returns<out R> {
  /** Carries the type only; never present at run time. */
  readonly "~result"?: R
  readonly kind: "number" | "nothing" | "data" | "never"
  /** Whether it differs in each run: numbers of this machine, or data that others have written. */
  readonly varies?: boolean
}

/**
 * The call returns a number: a descriptor, a count, an id.
 *
 * @since 0.2.0
 */
export const number: Returns<number> = { kind: "number" }

/**
 * The call only succeeds or fails.
 *
 * @since 0.2.0
 */
export const nothing: Returns<void> = { kind: "nothing" }

/**
 * The call does not return.
 *
 * @since 0.2.0
 */
export const never: Returns<never> = { kind: "never" }

/**
 * The call returns more than a number.
 *
 * @since 0.2.0
 */
export const data = <R>(): Returns<R> => ({ kind: "data" })

/**
 * Marks a result that differs in each run. A plan leaves it out.
 *
 * @since 0.2.0
 */
export const varying = <R>(result: Returns<R>): Returns<R> => ({ ...result, varies: true })

/**
 * What a register holds when a system call is made; `undefined` for an address.
 *
 * @since 0.2.0
 */
export type Register = number | bigint | undefined

/**
 * One system call, as a seccomp filter sees it.
 *
 * @since 0.2.0
 */
export interface SystemCall<A extends Arguments = never> {
  /** The name of the row if it is absent. */
  readonly name?: string
  /** `asListed`: the arguments of the row in its order. Absent if what they hold is not known. */
  readonly registers?: "asListed" | ((values: Values<A>) => ReadonlyArray<Register>)
}

/**
 * The call is the system call of the row's name; the registers hold the arguments in the order of the row.
 *
 * @since 0.2.0
 */
export const asListed: ReadonlyArray<{ readonly registers: "asListed" }> = [{ registers: "asListed" }]

/**
 * Traits that most calls do not have.
 *
 * @since 0.2.0
 */
export interface Traits<A extends Arguments = never> {
  /**
   * Whether the call may wait for another process. `only`: its purpose is to wait; `often`: callers expect it to wait;
   * `seldom`: it can wait (a FIFO is opened, a socket's buffer is full) but usually does not.
   */
  readonly waits?: "only" | "often" | "seldom"
  /** What the call may take the last user from, so that the kernel frees it. */
  readonly releases?: ReadonlyArray<"mounts" | "namespaces">
  /** The first Linux version with the call, if older versions may be in use. */
  readonly since?: string
  /** The kernel allows every process to make the call, so `EPERM` comes from a seccomp filter. */
  readonly isForEverybody?: boolean
  /** The system calls that the row makes, in order. Absent: the one with the row's name, whose registers are not known. */
  readonly syscalls?: ReadonlyArray<SystemCall<A>>
}

/** One row of the table. */
export interface Definition<A extends Arguments, R> extends Traits<A> {
  /** The man page: `"unshare(2)"`. */
  readonly man: string
  /** The arguments, in the order of the C prototype. */
  readonly arguments: A
  readonly result: Returns<R>
  /** Whether the call changes nothing outside of its process: it looks, or opens and closes descriptors. */
  readonly looks: boolean
}

/**
 * Any row of the table, without the types of its arguments.
 *
 * @since 0.2.0
 */
export interface Row extends Traits, Pick<Definition<Arguments, unknown>, "man" | "arguments" | "result" | "looks"> {}

/**
 * A call that changes nothing outside of its process.
 *
 * @since 0.2.0
 */
export const looks = <const A extends Arguments, R>(
  man: string,
  args: A,
  result: Returns<R>,
  traits: Traits<NoInfer<A>> = {}
): Definition<A, R> => ({ man, arguments: args, result, looks: true, ...traits })

/**
 * A call that changes something that others can see.
 *
 * @since 0.2.0
 */
export const changes = <const A extends Arguments, R>(
  man: string,
  args: A,
  result: Returns<R>,
  traits: Traits<NoInfer<A>> = {}
): Definition<A, R> => ({ man, arguments: args, result, looks: false, ...traits })

/** `true` if a table has every key of the whole one; otherwise a sentence about what it lacks. */
type HasAll<Whole, Table, What extends string> = [Exclude<keyof Whole, keyof Table>] extends [never] ? true
  : `${Exclude<keyof Whole, keyof Table> & string} is in the table of calls, and has no ${What}`

/**
 * A table with an entry for each call. A table that lacks one does not compile: the compiler prints a sentence that names
 * the call.
 *
 * @since 0.2.0
 */
export const forAll = <Whole>() =>
<const What extends string, Table extends Partial<Whole>>(
  _what: What,
  table: Table,
  _hasAll: HasAll<Whole, Table, What>
): Whole => table as unknown as Whole
