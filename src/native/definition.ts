/**
 * What a row of the table of calls is made of: arguments, result, and the traits of a call that the rest of runfx asks for.
 */
import type { Argument, Value } from "./Argument.ts"

type Arguments = Readonly<Record<string, Argument<unknown>>>

/** The values of some arguments by name. */
export type Values<A> = { readonly [K in keyof A]: Value<A[K]> }

/** What a call returns, as far as that has to be known at run time. */
export interface Returns<out R> {
  /** Carries the type only; never present at run time. */
  readonly "~result"?: R
  readonly kind: "number" | "nothing" | "data" | "never"
  /** Whether it holds numbers of this machine, or what others have written there: another one each time. */
  readonly varies?: boolean
}

/** The call returns a number: a descriptor, a count, an id. */
export const number: Returns<number> = { kind: "number" }

/** The call only succeeds or fails. */
export const nothing: Returns<void> = { kind: "nothing" }

/** The call does not return. */
export const never: Returns<never> = { kind: "never" }

/** The call returns more than a number. */
export const data = <R>(): Returns<R> => ({ kind: "data" })

/** Marks a result that is another one each time: a plan leaves it out. */
export const varying = <R>(result: Returns<R>): Returns<R> => ({ ...result, varies: true })

/** What a register holds when a system call is made; `undefined` is an address. */
export type Register = number | bigint | undefined

/** One system call, as a seccomp filter sees it. */
export interface SystemCall<A extends Arguments = never> {
  /** The name of the row if it is absent. */
  readonly name?: string
  /** `asListed`: the arguments of the row in its order. Absent if the model does not know what they hold. */
  readonly registers?: "asListed" | ((values: Values<A>) => ReadonlyArray<Register>)
}

/** The call is the system call of the row's name; the registers hold the arguments in the order of the row. */
export const asListed: ReadonlyArray<{ readonly registers: "asListed" }> = [{ registers: "asListed" }]

/** What is not so for most calls. */
export interface Traits<A extends Arguments = never> {
  /**
   * Whether the call may wait for what another process does. `only`: it is made in order to wait; `often`: a caller
   * expects it to; `seldom`: it can (a FIFO is opened, a socket's buffer is full), but mostly does not.
   */
  readonly waits?: "only" | "often" | "seldom"
  /** What may lose its last user by the call, so that the kernel frees it. */
  readonly releases?: ReadonlyArray<"mounts" | "namespaces">
  /** The first Linux that has the call, if an older one may be in use. */
  readonly since?: string
  /** The kernel allows everybody to make the call: an `EPERM` is a seccomp filter's. */
  readonly isForEverybody?: boolean
  /** The system calls that it is, in order. Absent: the one of the row's name, of whose registers nothing is known. */
  readonly syscalls?: ReadonlyArray<SystemCall<A>>
}

/** One row of the table. */
export interface Definition<A extends Arguments, R> extends Traits<A> {
  /** The man page: `"unshare(2)"`. */
  readonly man: string
  /** The arguments, in the order of the C prototype. */
  readonly arguments: A
  readonly result: Returns<R>
  /** Whether the call changes nothing outside of its process: it looks, or keeps book of descriptors. */
  readonly looks: boolean
}

/** Any row of the table, whatever its arguments are. */
export interface Row extends Traits, Pick<Definition<Arguments, unknown>, "man" | "arguments" | "result" | "looks"> {}

/** A call that changes nothing outside of its process. */
export const looks = <const A extends Arguments, R>(
  man: string,
  args: A,
  result: Returns<R>,
  traits: Traits<NoInfer<A>> = {}
): Definition<A, R> => ({ man, arguments: args, result, looks: true, ...traits })

/** A call that changes something that others can see. */
export const changes = <const A extends Arguments, R>(
  man: string,
  args: A,
  result: Returns<R>,
  traits: Traits<NoInfer<A>> = {}
): Definition<A, R> => ({ man, arguments: args, result, looks: false, ...traits })

/** `true` if a table has all that the whole one has; else a sentence about what it lacks. */
type HasAll<Whole, Table, What extends string> = [Exclude<keyof Whole, keyof Table>] extends [never] ? true
  : `${Exclude<keyof Whole, keyof Table> & string} is in the table of calls, and has no ${What}`

/**
 * A table that has something for each call. One that lacks a call does not compile, and the compiler says which one: it
 * asks for a sentence in place of `true`.
 */
export const forAll = <Whole>() =>
<const What extends string, Table extends Partial<Whole>>(
  _what: What,
  table: Table,
  _hasAll: HasAll<Whole, Table, What>
): Whole => table as unknown as Whole
