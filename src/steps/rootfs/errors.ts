/**
 * How the root file system's steps fail: every failure names the mount, the device or the path, and what was being done
 * to it.
 */
import * as Data from "effect/Data"
import type { Errno } from "../../native/Errno.ts"
import type { SyscallError } from "../../native/Kernel.ts"

/** An id of the container that its mappings do not hold. @see user_namespaces(7) */
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
  | "verify"

const adviceFor = ({ destination, source, type }: About, what: Doing, code: Errno): string | undefined => {
  if (what === "open the source") {
    if (code === "ENOENT") return `create ${source} on the host, or correct the mount's source`
    if (code === "EACCES") {
      return `give the container's root search permission on every directory above ${source}, or run without a user namespace`
    }
    if (code === "EINVAL") {
      return "in a user namespace a directory with mounts below it can only be bound with all of them: use rbind"
    }
  }
  if (what === "resolve the target") {
    if (code === "ELOOP") {
      return `the image has a symlink at ${destination} where a real directory must be; fix the image`
    }
    if (code === "ENOTDIR") return `the image has a file where a directory must be on the way to ${destination}`
    if (code === "EROFS") return `make ${destination} in the image: it can't be created on a read-only file system`
    if (code === "EACCES") return `the container's root may not write in the parent directory of ${destination}`
  }
  if (what.startsWith("option ") && (code === "EINVAL" || code === "ENOENT")) {
    return `${type} does not take this option, or not with this value: see the manual of the file system, and dmesg`
  }
  if (what === "open the file system" && code === "ENODEV") {
    return `this kernel has no file system ${type}: load its module`
  }
  if (code === "EPERM") {
    if (type === "sysfs") {
      return "in a user namespace sysfs needs a new network namespace beside it; without one, bind /sys from the host"
    }
    if (type === "proc") {
      return "in a user namespace proc needs a new pid namespace beside it, and a host /proc of which nothing is covered"
    }
    if (type === "bind" && what === "set the attributes") {
      return `${source} is mounted with flags (ro, nosuid, nodev, noexec, atime) that a user namespace may not clear: leave out the options that clear them`
    }
    return `the kernel lets a user namespace mount few file systems, and ${type} is not among them here: mount it on the host and bind it, or run without a user namespace`
  }
  if (code === "EBUSY") return `${source} is in use: another mount holds it with other options`
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

/** A mount that runfx refuses, for the container would not be safe with it, or because it can't be made. */
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

/** A device that could not be made, or something else in its place. */
export class DeviceError extends Data.TaggedError("DeviceError")<{
  /** Path inside the container. */
  readonly path: string
  readonly why: string
  readonly advice: string
}> {
  override get message(): string {
    return `device ${this.path}: ${this.why}`
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

/** A parameter of the kernel that could not be set. */
export class SysctlError extends Data.TaggedError("SysctlError")<{
  readonly key: string
  readonly value: string
  readonly reason: SyscallError
}> {
  get code(): Errno {
    return this.reason.code
  }
  override get message(): string {
    return `sysctl ${this.key}=${this.value}: ${this.reason.message}`
  }
}

/** A name of a sysctl that is none. */
export class SysctlNameError extends Data.TaggedError("SysctlNameError")<{
  readonly key: string
}> {
  override get message(): string {
    return `sysctl ${JSON.stringify(this.key)}: not a name of the form net.ipv4.ip_forward`
  }
}

/** All of them by tag, for whoever brings errors back from another process. */
export const classes = {
  UnmappedIdError,
  MountError,
  MountRefusedError,
  DeviceError,
  PathError,
  NotNullDeviceError,
  SysctlError,
  SysctlNameError
}
