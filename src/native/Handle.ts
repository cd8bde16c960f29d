/**
 * Numbers that are not to be mistaken for one another: descriptors, handles of processes, process ids.
 *
 * To the kernel they are all integers. What a call returns has a brand, so that a pid in the place of a descriptor does not
 * compile. A plain number is taken for any of them: one that a caller writes down (`0`), and one that comes from a file.
 * Nothing of this is there at run time.
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
 */
import type * as Brand from "effect/Brand"

/** A file descriptor of a process. */
export type Fd = Brand.Branded<number, "Fd">

/** A descriptor of a process: pidfd_open(2). It is closed and waited for as any other descriptor. */
export type Pidfd = Brand.Branded<Fd, "Pidfd">

/** A process id, in the pid namespace of who asks. */
export type Pid = Brand.Branded<number, "Pid">

/** What is taken for a descriptor: one, or a plain number. */
export type AnyFd = number & Partial<Brand.Brand<"Fd">>

/** What is taken for a descriptor of a process. */
export type AnyPidfd = AnyFd & Partial<Brand.Brand<"Pidfd">>

/** What is taken for a process id. */
export type AnyPid = number & Partial<Brand.Brand<"Pid">>

/** The same without brands: of a number, or of a pair of them. */
export type Unbranded<A> = A extends Brand.Brand<any> ? number
  : A extends readonly [Fd, Fd] ? readonly [number, number]
  : A
