/**
 * Types for numbers that must not be confused: descriptors, descriptors of processes, process ids, ids of users and groups.
 *
 * To the kernel they are all integers. The result of a call has a brand, so that a pid in place of a descriptor does not
 * compile. A plain number is accepted as any of them, such as a literal (`0`) or a number from a file. At run time there
 * are no brands.
 *
 * **Example** (What does not compile)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { sys } from "runfx/native/Kernel"
 *
 * const program = Effect.gen(function*() {
 *   const pid = yield* sys.getpid({})
 *   // a process id is no descriptor
 *   yield* sys.close({ fd: pid })
 * })
 * ```
 *
 * @category handles
 * @since 0.2.0
 */
import type * as Brand from "effect/Brand"

/** A file descriptor of a process. */
export type Fd = Brand.Branded<number, "Fd">

/** A descriptor of a process: pidfd_open(2). It is closed and waited for as any other descriptor. */
export type Pidfd = Brand.Branded<Fd, "Pidfd">

/** A process id, in the pid namespace of the process that gets it. */
export type Pid = Brand.Branded<number, "Pid">

/** What is accepted as a descriptor: one, or a plain number. */
export type AnyFd = number & Partial<Brand.Brand<"Fd">>

/** What is accepted as a descriptor of a process. */
export type AnyPidfd = AnyFd & Partial<Brand.Brand<"Pidfd">>

/** What is accepted as a process id. */
export type AnyPid = number & Partial<Brand.Brand<"Pid">>

/** The id of a user, in the user namespace of the process that gets it. */
export type Uid = Brand.Branded<number, "Uid">

/** The id of a group, in the user namespace of the process that gets it. */
export type Gid = Brand.Branded<number, "Gid">

/** What is accepted as the id of a user: one, or a plain number. */
export type AnyUid = number & Partial<Brand.Brand<"Uid">>

/** What is accepted as the id of a group. */
export type AnyGid = number & Partial<Brand.Brand<"Gid">>

/** The type without brands, of a number or of a pair of numbers. */
export type Unbranded<A> = A extends Brand.Brand<any> ? number
  : A extends readonly [Fd, Fd] ? readonly [number, number]
  : A
