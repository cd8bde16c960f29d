/**
 * What an error does not know: that this process runs under a seccomp filter. A call that a filter refuses fails with an errno
 * that has other causes too, and a step's advice is about those.
 *
 * @see seccomp(2), proc_pid_status(5)
 */
import * as fs from "node:fs"

/** `Seccomp:` is 2 if there is a filter. Without a procfs nothing is known. */
const isFiltered = (): boolean => {
  try {
    return /^Seccomp:\s*2$/m.test(fs.readFileSync("/proc/self/status", "utf8"))
  } catch {
    return false
  }
}

/** The text of an error, with a line about the filter that may be its cause, unless the text has that already. */
export const withFilter = (text: string, filtered: () => boolean = isFiltered): string =>
  /\b(?:EPERM|ENOSYS)\b/.test(text) && !text.includes("seccomp filter") && filtered()
    ? `${text}  or: a seccomp filter around the runtime refuses the call (Seccomp is 2 in /proc/self/status): allow it there\n`
    : text
