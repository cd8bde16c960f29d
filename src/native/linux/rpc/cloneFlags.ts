/** Flags of clone(2) with which what is made would not be what this makes: a process, with a signal at its end. */
import { CLONE } from "../../constants.ts"
import { invalid } from "../../Refused.ts"

const refusedFlags = CLONE.VM | CLONE.VFORK | CLONE.THREAD | CLONE.SIGHAND
/** The part of the flags that is no flag but the signal at the child's end (`CSIGNAL`). */
const exitSignalMask = 0xff

/** Throws for flags that make something else than a process of its own. */
export const checkFlags = (flags: number): void => {
  if ((flags & refusedFlags) !== 0) {
    throw invalid("the child must be a process, and its memory is not for it to share")
  }
  if ((flags & exitSignalMask) !== 0) {
    throw invalid("clone(2) has no flags of its own in the lowest byte; unshare(2) makes a time namespace")
  }
}
