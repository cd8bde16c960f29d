/**
 * What a handler throws when a call fails: `Linux.ts` turns it into a `SyscallError`, which also carries the call.
 *
 * It is not an `Error`: a failed call is often just an answer (does this file exist?), and a stack trace costs more than
 * the call.
 */
import { type Errno, nameOf } from "./Errno.ts"
import type { Call } from "./Kernel.ts"

/** What is known about a failure besides its errno. */
export interface Known {
  /** The call that failed, if that is not the requested one but one that it needs. */
  readonly call?: Call
  readonly advice?: string
}

/** A call that failed. */
export class Refused {
  readonly code: Errno
  /** What the kernel says besides the errno. */
  readonly detail: string | undefined
  readonly known: Known
  constructor(code: Errno, detail?: string, known: Known = {}) {
    this.code = code
    this.detail = detail
    this.known = known
  }
}

/** The failure for an errno number. */
export const refused = (errno: number, detail?: string, known?: Known): Refused => {
  const code = nameOf(errno)
  return code === undefined
    ? new Refused("EINVAL", `the kernel gave errno ${errno}, which has no name`, known)
    : new Refused(code, detail, known)
}

/** `EINVAL` for an argument that the kernel's interface can't express. */
export const invalid = (detail: string): Refused => new Refused("EINVAL", detail)
