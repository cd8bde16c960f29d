/**
 * The name of the last step, and what to do if it fails: the parent needs both, since an exec that fails late can report
 * nothing but its errno.
 *
 * @category init
 * @since 0.2.0
 */
import type { Errno } from "../../native/Errno.ts"
import { advice } from "../../native/trampoline.ts"

/** The step that becomes the program. */
export const execStep = "exec"

/** What to do about errnos of execve(2). */
export const execAdvice: Readonly<Partial<Record<Errno, string>>> = {
  ...advice,
  ENOENT: "the program's interpreter is missing: the one its #! line names, or the dynamic loader of its libc",
  ENOEXEC: "the program is neither a binary for this machine nor a script with a #! line",
  ETXTBSY: "somebody has the program open for writing: wait until that is over, or execute a copy",
  E2BIG: "arguments and environment together are too large"
}
