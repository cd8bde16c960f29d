/**
 * What a handler throws when a call fails: `Linux.ts` turns it into a `SyscallError`, which also carries the call.
 *
 * It is no `Error`, since a failed call is often an answer (does this file exist?) and a stack trace costs more than the
 * call.
 */
import { type Errno, nameOf } from "./Errno.ts"
import type { Call } from "./Kernel.ts"

/** What is known of a failure beside its errno. */
export interface Known {
  /** The call that failed, if it is not the one that was asked for but one that this needs. */
  readonly call?: Call
  readonly advice?: string
}

/** A call that failed. */
export class Refused {
  readonly code: Errno
  /** What is known beyond the errno. */
  readonly detail: string | undefined
  readonly known: Known
  constructor(code: Errno, detail?: string, known: Known = {}) {
    this.code = code
    this.detail = detail
    this.known = known
  }
}

/** The failure that an errno number stands for. */
export const refused = (errno: number, detail?: string, known?: Known): Refused => {
  const code = nameOf(errno)
  return code === undefined
    ? new Refused("EINVAL", `the kernel gave errno ${errno}, which has no name`, known)
    : new Refused(code, detail, known)
}

/** Fails with `EINVAL` for an argument that the kernel's interface has no place for. */
export const invalid = (detail: string): Refused => new Refused("EINVAL", detail)
