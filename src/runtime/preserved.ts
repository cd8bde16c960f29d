/**
 * Checks that the descriptors that a program inherits in addition to its standard streams belong to the caller.
 *
 * If one of them was not open when this process was started, Node has used its number for a descriptor of its own, and
 * the container would get that: for instance one end of the pipe on which the event loop passes pointers to itself.
 * Node gives the lowest free number to the epoll descriptor of its event loop, so such a descriptor shows it.
 *
 * @see epoll(7), proc_pid_fd(5)
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { AT } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"

/** A descriptor that has to be preserved was not open when the runtime was started. */
export class NotPreservable extends Data.TaggedError("NotPreservable")<{
  readonly fd: AnyFd
  /** How many there should be, from 3 on. */
  readonly count: number
}> {
  override get message(): string {
    return `descriptor ${this.fd} has to be preserved, but was not open when runfx was started`
  }
  get advice(): string {
    return `open all of 3 to ${2 + this.count} for runfx, or preserve fewer`
  }
}

/** Checks the descriptors from 3 on, and returns their number. */
export const checkPreserved = Effect.fnUntraced(
  function*(count: number): Effect.fn.Return<number, NotPreservable | SyscallError, Kernel> {
    for (let fd = 3; fd < 3 + count; fd++) {
      const file = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/self/fd/${fd}` }).pipe(
        orOn(["ENOENT"], undefined)
      )
      if (file === undefined || file === "anon_inode:[eventpoll]") return yield* new NotPreservable({ fd, count })
    }
    return count
  }
)
