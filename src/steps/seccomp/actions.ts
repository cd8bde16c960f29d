/**
 * The actions and flags of a seccomp configuration as the numbers that seccomp(2) takes.
 *
 * @category seccomp
 * @since 0.2.0
 */
import * as Result from "effect/Result"
import { SECCOMP_FILTER_FLAG } from "../../native/constants.ts"
import { numberOf } from "../../native/Errno.ts"
import { type Checked, refuse } from "./SeccompError.ts"

/** `SECCOMP_RET_*` of `linux/seccomp.h`. */
const returned: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_KILL_PROCESS: 0x80000000
}
/** `SECCOMP_RET_KILL_THREAD`. */
export const killThread = 0

/** Fails a call with ENOSYS. */
export const enosys = returned["SCMP_ACT_ERRNO"]! | numberOf("ENOSYS")

/** The highest value that goes with an action: an errno (`MAX_ERRNO`), or 16 bits for the tracer. */
const highest: Readonly<Record<string, number>> = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 0xffff }

/** Actions under which an unknown system call reaches the kernel, or a tracer, that answers it. */
export const permissive = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"])

/** What the filter returns for an action, with the errno or the tracer's number in its low bits. */
export const actionOf = (
  name: string,
  errnoRet: number | undefined,
  nameField: string,
  errnoField: string
): Checked<number> => {
  if (name === "SCMP_ACT_NOTIFY") {
    return refuse(
      nameField,
      name,
      "needs a seccomp listener, which runfx does not offer",
      "use SCMP_ACT_ERRNO or SCMP_ACT_LOG"
    )
  }
  const action = returned[name]
  if (action === undefined) {
    return refuse(nameField, name, "is not an action", `use one of ${Object.keys(returned).join(", ")}`)
  }
  const limit = highest[name]
  if (limit === undefined) {
    return errnoRet === undefined
      ? Result.succeed(action)
      : refuse(errnoField, String(errnoRet), `can't be given with ${name}, which returns no errno`, "leave it out")
  }
  const value = errnoRet ?? numberOf("EPERM")
  return Number.isInteger(value) && value >= 0 && value <= limit
    ? Result.succeed(action + value)
    : refuse(
      errnoField,
      String(value),
      `is not a number from 0 to ${limit}`,
      "give an errno as a number: 1 is EPERM, 38 ENOSYS"
    )
}

/**
 * Two have no effect here: TSYNC, as the init has one thread, and WAIT_KILLABLE_RECV, which is about those who wait for a
 * listener's answer. The kernel refuses that without a listener; libseccomp leaves it out then, too.
 */
const flagBits: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0,
  SECCOMP_FILTER_FLAG_LOG: SECCOMP_FILTER_FLAG.LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: SECCOMP_FILTER_FLAG.SPEC_ALLOW
}

/** The flags of seccomp(2) for the names of a configuration. */
export const flagsOf = (names: ReadonlyArray<string>): Checked<number> => {
  let flags = 0
  for (const [index, name] of names.entries()) {
    const bit = flagBits[name]
    if (bit === undefined) {
      return refuse(
        `flags[${index}]`,
        name,
        "is not a flag that runfx can set",
        `use some of ${Object.keys(flagBits).join(", ")}`
      )
    }
    flags |= bit
  }
  return Result.succeed(flags)
}
