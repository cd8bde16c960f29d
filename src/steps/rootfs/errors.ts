/**
 * How the root file system's steps fail: every failure names the mount, the device or the path, and what was being done
 * to it.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Errno } from "../../native/Errno.ts"
import type { SyscallError } from "../../native/Kernel.ts"

/** An id of the container that is not in its mappings. @see user_namespaces(7) */
export class UnmappedIdError extends Data.TaggedError("UnmappedIdError")<{
  readonly kind: "uid" | "gid"
  readonly id: number
}> {
  override get message(): string {
    return `${this.kind} ${this.id} of the container is in none of its ${this.kind}Mappings`
  }
  get advice(): string {
    return `map ${this.kind} ${this.id} in linux.${this.kind}Mappings`
  }
}

/** What is being mounted; the fields that every error about a mount names. */
export interface About {
  readonly destination: string
  readonly type: string
  readonly source: string
}

const describe = ({ destination, source, type }: About): string =>
  type === "bind" ? `bind ${source} on ${destination}` : `mount ${type} on ${destination}`

/** What about a mount the kernel refused. */
export type Doing =
  | "open the source"
  | "resolve the target"
  | "open the file system"
  | `option ${string}`
  | "create the file system"
  | "set the attributes"
  | "set the propagation"
  | "set the owner"
  | "copy up"
  | "attach"
  | "remount"
  | "verify"

type Advice = (about: About) => string
type ByErrno = Readonly<Partial<Record<Errno, Advice>>>

const forSource: ByErrno = {
  ENOENT: ({ source }) => `create ${source} on the host, or correct the mount's source`,
  ENOTDIR: ({ source }) => `correct the mount's source: a file of the host is on the way to ${source}`,
  ELOOP: ({ source }) => `correct the mount's source: the links on the way to ${source} lead in circles`,
  EACCES: ({ source }) =>
    `give the container's root search permission on every directory above ${source}, or run without a user namespace`,
  EINVAL: () => "in a user namespace a directory with mounts below it can only be bound with all of them: use rbind",
  ENAMETOOLONG: () => "correct the mount's source: it is longer than the kernel takes"
}

const forTarget: ByErrno = {
  ELOOP: ({ destination }) => `the image has a symlink at ${destination} where a real directory must be; fix the image`,
  ENOTDIR: ({ destination }) => `the image has a file where a directory must be on the way to ${destination}`,
  EROFS: ({ destination }) => `make ${destination} in the image: it can't be created on a read-only file system`,
  EACCES: ({ destination }) => `the container's root may not write in the parent directory of ${destination}`,
  EPERM: ({ destination }) => `create ${destination} in the image: its file system does not allow that here`,
  EOVERFLOW: ({ destination }) =>
    `make ${destination} in the image, or give the image to ids that the container's mappings hold`,
  ENOSPC: ({ destination }) => `make room on the file system that holds ${destination}, or make it in the image`,
  EDQUOT: ({ destination }) => `make ${destination} in the image: the quota of its file system is used up`,
  ENAMETOOLONG: () => "correct the mount's destination: it is longer than the kernel takes"
}

const forAttaching: ByErrno = {
  EINVAL: ({ destination }) =>
    `check whether another process changes the root file system while the container starts: ${destination} is no longer a place to mount on`,
  ENOTDIR: ({ destination }) =>
    `the image has a file at ${destination} where a directory must be, or a directory where a file must be`,
  ENOSPC: () => "the mount namespace is full: raise /proc/sys/fs/mount-max, or have fewer mounts"
}

const notMounted = ({ destination }: About): string =>
  `nothing is mounted on ${destination} whose options could be changed: mount it first, or leave out remount`

const forRemounting: ByErrno = { ENOENT: notMounted, EINVAL: notMounted }

const forCreating: ByErrno = {
  ENOENT: ({ source }) => `correct the mount's source, ${JSON.stringify(source)}, and the paths in its options`,
  ENOTBLK: ({ source }) => `the mount's source, ${JSON.stringify(source)}, must be a block device`,
  ENXIO: ({ source }) => `the device ${source} is not there: see lsblk`,
  EACCES: ({ source }) =>
    `the runtime may not open ${JSON.stringify(source)}, or may not write to it: add the option ro`,
  EINVAL: ({ type }) => `${type} does not take these options together: see the manual of the file system, and dmesg`
}

const forCopying: ByErrno = {
  ENOSPC: ({ destination }) => `give the tmpfs on ${destination} a larger size, or leave out tmpcopyup`,
  EPERM: ({ destination }) =>
    `leave out tmpcopyup: ${destination} holds device nodes, or files of ids that are not mapped, which can't be copied here`,
  EINVAL: ({ destination }) => `leave out tmpcopyup: ${destination} holds files of ids that are not mapped`,
  EACCES: ({ destination }) => `leave out tmpcopyup: the container's root may not read all that is at ${destination}`,
  EXDEV: ({ destination }) => `leave out tmpcopyup: something is mounted below ${destination}`,
  ELOOP: ({ destination }) => `let no other process change ${destination} while the container starts`
}

/** What the kernel lets a user namespace not do. */
const forbidden = ({ source, type }: About, what: Doing): string => {
  if (type === "sysfs") {
    return "in a user namespace sysfs needs a new network namespace too; without one, bind /sys from the host"
  }
  if (type === "proc") {
    return "in a user namespace proc needs a new pid namespace too, and a host /proc without mounts on it; without them, bind /proc from the host"
  }
  if (type === "bind" && (what === "set the attributes" || what === "remount")) {
    return `${source} is mounted with flags (ro, nosuid, nodev, noexec, atime) that a user namespace may not clear: leave out the options that clear them`
  }
  if (type === "bind") return `the runtime may not clone or attach mounts: it needs CAP_SYS_ADMIN in its user namespace`
  return `the kernel lets a user namespace mount few file systems, and ${type} is not among them here: mount it on the host and bind it, or run without a user namespace`
}

const adviceFor = (about: About, what: Doing, code: Errno): string | undefined => {
  const { source, type } = about
  const [, id] = /^option ([ug]id)=/.exec(what) ?? []
  if (id !== undefined && code === "EINVAL") {
    return `must be the number of a ${id} that the user namespace has, which the runtime's own may lack too (see ` +
      `/proc/self/${id}_map): map it there, or leave the option out`
  }
  if (what.startsWith("option ") && (code === "EINVAL" || code === "ENOENT")) {
    return `${type} does not take this option, or not with this value: see the manual of the file system, and dmesg`
  }
  if (what === "open the file system" && code === "ENODEV") {
    return `this kernel has no file system ${type}: load its module`
  }
  const table = what === "open the source"
    ? forSource
    : what === "resolve the target"
    ? forTarget
    : what === "attach"
    ? forAttaching
    : what === "remount"
    ? forRemounting
    : what === "create the file system"
    ? forCreating
    : what === "copy up"
    ? forCopying
    : {}
  const told = table[code]?.(about)
  if (told !== undefined) return told
  if (code === "EPERM") return forbidden(about, what)
  if (code === "EBUSY") return `${source} is in use: another mount holds it with other options`
  if (code === "EMFILE" || code === "ENFILE") return "raise the limit of open files (ulimit -n): each mount needs some"
  if (code === "ENOMEM") return "the kernel has no memory left for mounts: see dmesg, and the limits of the cgroup"
  return undefined
}

/** The kernel refused a mount, or a part of it. */
export class MountError extends Data.TaggedError("MountError")<
  About & {
    /** What was being done. */
    readonly what: Doing
    readonly reason: SyscallError
  }
> {
  get code(): Errno {
    return this.reason.code
  }
  override get message(): string {
    return `${describe(this)}: ${this.what}: ${this.reason.message}`
  }
  get advice(): string | undefined {
    return adviceFor(this, this.what, this.code)
  }
}

/** A mount that runfx refuses, because it would make the container unsafe, or because it can't be made. */
export class MountRefusedError extends Data.TaggedError("MountRefusedError")<
  About & {
    readonly why: string
    readonly advice: string
  }
> {
  override get message(): string {
    return `${describe(this)}: ${this.why}`
  }
}

/**
 * What is at a path is not what this start has put there: somebody has changed the root file system meanwhile.
 *
 * @since 0.2.0
 */
export class RootChangedError extends Data.TaggedError("RootChangedError")<{
  readonly path: string
  /** What is found there: `is not the mount that was made for it`. */
  readonly found: string
}> {
  override get message(): string {
    return `${this.path} ${this.found}: another process changed the root file system while the container started`
  }
  get advice(): string {
    return "let no other process write to the root file system while a container starts on it"
  }
}

/** A path of `maskedPaths` or `readonlyPaths`, a link or a directory that the kernel refused to be treated as asked. */
export class PathError extends Data.TaggedError("PathError")<{
  readonly path: string
  /** What was being done: `"mask"`, `"make read-only"`. */
  readonly what: string
  readonly reason: SyscallError
}> {
  get code(): Errno {
    return this.reason.code
  }
  override get message(): string {
    return `${this.what} ${this.path}: ${this.reason.message}`
  }
}

/** The container's /dev/null is not the null device. */
export class NotNullDeviceError extends Data.TaggedError("NotNullDeviceError")<{
  readonly path: string
}> {
  override get message(): string {
    return `${this.path} in the container is not the null device (character device 1:3)`
  }
  get advice(): string {
    return "let the container have its own /dev (a tmpfs) with /dev/null among its devices, in place of what the image or a bind mount puts there"
  }
}
