/**
 * The failure of the last step. The parent needs it too, because an exec that fails late can report only its errno.
 *
 * @category init
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import type { Errno } from "../../native/Errno.ts"
import type { SyscallError } from "../../native/Kernel.ts"

/** The step that becomes the program. */
export const execStep = "exec"

/** What to do about errnos of execve(2) and execveat(2), whatever is executed. */
export const execAdvice = {
  ENOEXEC: "the program is neither a binary for this machine nor a script with a #! line",
  ETXTBSY: "a process has the program open for writing: wait until it closes it, or execute a copy",
  E2BIG: "arguments and environment together are too large"
} as const satisfies Partial<Record<Errno, string>>

/** What to do about errnos of execve(2) for a program that was found and may be executed by its user. */
const advice: Readonly<Partial<Record<Errno, string>>> = {
  ...execAdvice,
  ENOENT: "the program's interpreter is missing: the one its #! line names, or the dynamic loader of its libc",
  EACCES:
    "the program's interpreter can't be executed: the one that its #! line names, or the dynamic loader of its libc, " +
    "needs execute permission for the user, and a mount without noexec; or a security module forbids it",
  EPERM:
    "its file has capabilities (see getcap) that process.capabilities.bounding lacks: add them there, or take them off " +
    "the file (setcap -r); or a security module forbids it",
  ELOOP: "the program is a script whose #! line names a script, and so on: let it name a binary",
  EIO: "the dynamic loader that the binary names is too short to be one; otherwise, a device has failed (see dmesg)",
  ELIBBAD: "the dynamic loader that the binary names is none for this machine"
}

/** The program was found, but the kernel refused to execute it. Only the errno is known. */
export class ExecRefused extends Data.TaggedError("ExecRefused")<{
  readonly reason: SyscallError
}> {
  /** The errno. */
  get code(): Errno {
    return this.reason.code
  }
  /** As in a shell: 127 if something is missing (here the program's interpreter), otherwise 126. */
  get exitCode(): number {
    return this.code === "ENOENT" ? 127 : 126
  }
  override get message(): string {
    return this.reason.message
  }
  get advice(): string | undefined {
    return advice[this.code] ?? this.reason.advice
  }
}
