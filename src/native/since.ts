/**
 * What to do if a call, or `/proc`, is missing.
 *
 * @see syscalls(2)
 */
import type { Row } from "./definition.ts"

/** The oldest Linux that has every call that runfx needs: mount_setattr(2) is the youngest of them. */
export const oldestLinux = "5.12"

/**
 * What to do about a call that the kernel reports as missing. The kernel is too old, was built without it, or a filter
 * hides it, as in container engines and sandboxes (gVisor).
 */
export const missing = (call: string, { man, since: version }: Row): string => {
  const kernel = version === undefined
    ? "this kernel may be built without it"
    : `Linux has it since ${version}, and runfx needs Linux ${oldestLinux} or later`
  // a man page may have the name of an older call (faccessat2 is in access(2)), and a row may be one use of a call
  const name = version === undefined || call.startsWith("bpf") ? man : `${call}(2)`
  return `${name} is missing: ${kernel}; or a seccomp filter or sandbox around the runtime (a container engine's ` +
    "profile, gVisor) has taken it away: allow it there"
}

/** What to do about a call that fails with `EPERM`, if only a filter can have refused it. */
export const filtered = ({ isForEverybody, man }: Row): string | undefined =>
  isForEverybody === true
    ? `a seccomp filter or sandbox around the runtime (a container engine's profile) forbids ${man}: allow it there`
    : undefined

/** What to do if a process does not find itself in `/proc`. */
export const noProc =
  "runfx needs a procfs of its own pid namespace at /proc: mount one there (mount -t proc proc /proc)"
