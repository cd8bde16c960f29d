/**
 * General advice for errnos, whatever the purpose of the call. A step knows more, so its own advice comes first.
 *
 * @see errno(3)
 */
import type { Errno } from "./Errno.ts"
import { oldestLinux } from "./since.ts"

const noMemory = "the kernel has no memory left for it: free some, or raise the memory limit of the runtime's cgroup"

/** For a path that does not lead to what a step expects, if the step has no better advice. */
const changed =
  "something else is at this place than expected, somebody may have changed it meanwhile: look, and try again"

const missing = "nothing is at this path: check it, and who may have removed what was there"

const ended = "the process has ended, or somebody else has ended it: try again"

const namespaces = "the caller has as many namespaces as it may have: raise the sysctls user.max_*_namespaces"

const texts: Readonly<Partial<Record<Errno, string>>> = {
  EMFILE: "raise the limit of open files of the runtime (ulimit -n)",
  ENFILE: "the machine has as many open files as it may have: close some, or raise the sysctl fs.file-max",
  ENOMEM: noMemory,
  ENOBUFS: noMemory,
  EIO: "a device or a file system has failed: look at the kernel's log (dmesg(1))",
  EDQUOT: "the quota of the caller on this file system is used up: make room, or raise it (quota(1))",
  ESTALE: "the server of this network file system has lost the file: mount it again",
  EROFS: "the file system is mounted read-only: mount it writable, or use another directory",
  EFBIG: "raise the limit of a file's size (ulimit -f)",
  ENAMETOOLONG: "a name can have 255 bytes, and a path 4095: use a shorter one",
  EACCES:
    "give the runtime permission; if it has that, a security module (AppArmor, SELinux) forbids it: see the kernel's log",
  EPERM:
    "the runtime lacks a capability for it; or a seccomp filter or a security module around the runtime forbids it",
  EAGAIN: "the kernel can't do it at the moment, or a limit is reached: try again",
  EBUSY: "something else uses it: find out what (fuser(1), lsof(8)), or try again",
  EINVAL:
    `this kernel does not take these arguments: it may be older than Linux ${oldestLinux}, or built without what they ask for`,
  ENOLCK: "the file system can't lock files, or the kernel has no memory left for it: use another directory",
  ENOTTY: "this file or kernel can't do that: a terminal takes a devpts of Linux 4.13 or later",
  EUSERS: namespaces,
  ENODEV: "this kernel does not have what is asked for: load its module, or use a kernel that has it",
  ENXIO: "there is no driver or no reader for this device or FIFO: use another file",
  ENOTSUP: "this file system or kernel can't do that: use another one",
  ENOENT: missing,
  ENOTDIR: changed,
  EISDIR: changed,
  EEXIST: changed,
  ELOOP: changed,
  EXDEV: changed,
  ENOTEMPTY: changed,
  ESRCH: ended,
  ECHILD: ended,
  EPIPE: ended,
  ECONNRESET: ended
}

const ofMounts: ReadonlySet<string> = new Set([
  "mount",
  "fsmount",
  "move_mount",
  "open_tree",
  "mount_setattr",
  "pivot_root"
])

const ofNamespaces: ReadonlySet<string> = new Set(["clone", "reclone", "unshare", "setns"])

/** The advice for an errno of a call, if nothing better is known. */
export const generalAdvice = (call: string, code: Errno): string | undefined =>
  code !== "ENOSPC"
    ? texts[code]
    : ofMounts.has(call)
    ? "the mount namespace has as many mounts as it may have: raise the sysctl fs.mount-max"
    : ofNamespaces.has(call)
    ? namespaces
    : "make room on the file system"
