/**
 * What the process and credential steps find wrong by themselves, beside the calls that the kernel refuses.
 *
 * Fields are plain data, so that an error crosses the channel to the parent as what it was. `advice` says what to do.
 */
import * as Data from "effect/Data"
import type { NamespaceType } from "../config/Container.ts"
import * as Rlimits from "../config/rlimits.ts"
import { type Errno, textOf } from "../native/Errno.ts"
import type { SyscallError } from "../native/Kernel.ts"

/** An entry of `process.env` that is none. */
export class InvalidEnvironment extends Data.TaggedError("InvalidEnvironment")<{
  readonly index: number
  readonly entry: string
  /** What is wrong with it: `has no "="`. */
  readonly problem: string
}> {
  override get message(): string {
    return `process.env[${this.index}] ${JSON.stringify(this.entry)} ${this.problem}`
  }
  get advice(): string {
    return "write every entry as NAME=value"
  }
}

/** A namespace that can't be joined. */
export class NamespaceJoinError extends Data.TaggedError("NamespaceJoinError")<{
  readonly operation: "open" | "join"
  readonly type: NamespaceType
  readonly path: string
  readonly code: Errno
}> {
  override get message(): string {
    const { code, operation, path, type } = this
    return `can't ${operation} the ${type} namespace ${path}: ${code} (${textOf(code)})`
  }
  get advice(): string | undefined {
    const { operation, path, type } = this
    switch (this.code) {
      case "ENOENT":
      case "ESRCH":
        return `${path} is gone: the process that it belonged to has ended, or the path was never bound`
      case "EPERM":
        return "joining needs CAP_SYS_ADMIN in the user namespace that owns it: join that user namespace too, or run as root"
      case "EINVAL":
        if (operation === "open") return undefined
        return type === "user"
          ? `${path} must be another user namespace than the one that the runtime is in already`
          : `${path} must be a namespace of the type ${type}`
      default:
        return undefined
    }
  }
}

/** The terminal of the container can't be set up safely. */
export class ConsoleError extends Data.TaggedError("ConsoleError")<{
  /** Path inside the container. */
  readonly path: string
  readonly problem: string
  readonly advice: string
}> {
  override get message(): string {
    return `terminal: ${this.path} ${this.problem}`
  }
}

const limitText = (value: bigint): string => value === Rlimits.infinity ? "unlimited" : String(value)

/** A resource limit that the kernel refuses. */
export class RlimitError extends Data.TaggedError("RlimitError")<{
  /** The kernel's number. */
  readonly resource: number
  readonly soft: bigint
  readonly hard: bigint
  readonly code: Errno
}> {
  override get message(): string {
    const { code, hard, resource, soft } = this
    return `can't set ${Rlimits.nameOf(resource)} to soft ${limitText(soft)}, hard ${limitText(hard)}: ` +
      `${code} (${textOf(code)})`
  }
  get advice(): string | undefined {
    switch (this.code) {
      case "EPERM":
        return "raising a hard limit needs CAP_SYS_RESOURCE on the host" +
          (this.resource === Rlimits.numberOf("RLIMIT_NOFILE") ? ", and no more than /proc/sys/fs/nr_open" : "") +
          ": configure at most the runtime's own hard limit"
      case "EINVAL":
        return "the soft limit must not be above the hard one"
      default:
        return undefined
    }
  }
}

/** A profile or label that the security module refuses. */
export class LabelError extends Data.TaggedError("LabelError")<{
  readonly module: "AppArmor" | "SELinux"
  readonly label: string
  readonly code: Errno
}> {
  override get message(): string {
    const what = this.module === "AppArmor" ? "AppArmor profile" : "SELinux label"
    return `can't set the ${what} ${JSON.stringify(this.label)}: ${this.code} (${textOf(this.code)})`
  }
  get advice(): string {
    const { code, label } = this
    if (this.module === "SELinux") {
      return "check that SELinux is enabled on this host (getenforce) and that its policy knows the label, " +
        "or leave selinuxLabel out"
    }
    return code === "ENOENT"
      ? `load the profile ${label} (apparmor_parser), or leave apparmorProfile out`
      : "check that AppArmor is enabled on this host (aa-enabled), or leave apparmorProfile out"
  }
}

/** The working directory is not below the container's root: a way out of the container (CVE-2024-21626). */
export class OutsideOfRoot extends Data.TaggedError("OutsideOfRoot")<{
  /** What `process.cwd` says. */
  readonly configured: string
  /** Where the process was found. */
  readonly found: string
}> {
  override get message(): string {
    return `the working directory ${this.configured} is outside of the container root: ${this.found}`
  }
  get advice(): string {
    return "don't use an image or a process.cwd that leads to /proc/<pid>/fd; it may be an attempt to break out"
  }
}

/** The bounding set holds a capability that the process may not take out of it. */
export class BoundingSetLocked extends Data.TaggedError("BoundingSetLocked")<{
  readonly capability: string
}> {
  override get message(): string {
    return `can't drop ${this.capability} from the bounding set: the process lacks CAP_SETPCAP`
  }
  get advice(): string {
    return "run the runtime with CAP_SETPCAP, give the container a user namespace, or configure no capabilities at all"
  }
}

/** Capabilities that the configuration asks for and that can't be had. */
export class CapabilitiesUnavailable extends Data.TaggedError("CapabilitiesUnavailable")<{
  readonly set: "bounding" | "permitted" | "effective" | "inheritable"
  /** Names, as `CAP_SYS_RESOURCE`. */
  readonly capabilities: ReadonlyArray<string>
}> {
  override get message(): string {
    return `process.capabilities.${this.set} asks for what can't be had: ${this.capabilities.join(", ")}`
  }
  get advice(): string {
    const names = this.capabilities.join(", ")
    switch (this.set) {
      case "effective":
        return `a capability is effective only if it is permitted: add ${names} to permitted too`
      case "bounding":
        return `the runtime's own bounding set lacks ${names}, or this kernel does not know it (see "CapBnd" in ` +
          "/proc/self/status): take it out of the configuration"
      default:
        return `the runtime itself lacks ${names} (see "CapPrm" in /proc/self/status): take it out of the configuration`
    }
  }
}

/** A user or group id that the user namespace has no name for. */
export class UnmappedId extends Data.TaggedError("UnmappedId")<{
  readonly kind: "uid" | "gid"
  readonly id: number
}> {
  override get message(): string {
    return `can't change to ${this.kind} ${this.id}: it is not mapped in the container's user namespace`
  }
  get advice(): string {
    return `map ${this.kind} ${this.id} in ${this.kind}Mappings, or run the process as another user`
  }
}

/** Supplementary groups where the user namespace denies setgroups(2). */
export class GroupsDenied extends Data.TaggedError("GroupsDenied")<{
  readonly groups: ReadonlyArray<number>
}> {
  override get message(): string {
    return `can't set the supplementary groups ${this.groups.join(", ")}: the user namespace denies setgroups`
  }
  get advice(): string {
    return "configure no additional groups, or map the groups with newgidmap (/etc/subgid), which leaves setgroups allowed"
  }
}

/** A file of the container that names its users or groups and that can't be used. */
export class UserFileError extends Data.TaggedError("UserFileError")<{
  readonly path: string
  readonly problem: string
}> {
  override get message(): string {
    return `can't look up the user in the container's ${this.path}: it ${this.problem}`
  }
  get advice(): string {
    return "give the user by numbers, which needs no file, or repair the file"
  }
}

/** There is no such program. Its exit status is 127, as in a shell. */
export class ProgramNotFound extends Data.TaggedError("ProgramNotFound")<{
  /** `args[0]`. */
  readonly name: string
  /** The `PATH` that was searched; empty where it is not set, `null` where the name is a path. */
  readonly searched: string | null
}> {
  readonly exitCode = 127
  override get message(): string {
    const { name, searched } = this
    if (searched === null) return `the program ${JSON.stringify(name)} does not exist in the container`
    if (searched === "") return `the program ${JSON.stringify(name)} can't be looked up: PATH is not set`
    return `the program ${JSON.stringify(name)} is in no directory of PATH=${searched}`
  }
  get advice(): string {
    if (this.searched === null) return "check process.args[0] against the container's root file system"
    return this.searched === ""
      ? "set PATH in process.env, or give the program by its absolute path"
      : "check PATH in process.env and the container's root file system, or give the program by its absolute path"
  }
}

/** The program is there and can't be executed. Its exit status is 126, as in a shell. */
export class ProgramNotExecutable extends Data.TaggedError("ProgramNotExecutable")<{
  /** `args[0]`. */
  readonly name: string
  /** Where it was found. */
  readonly path: string
  readonly problem: string
  readonly uid: number
}> {
  readonly exitCode = 126
  override get message(): string {
    return `the program ${this.path} can't be executed by uid ${this.uid}: ${this.problem}`
  }
  get advice(): string {
    return this.problem === "permission denied"
      ? `give uid ${this.uid} execute permission on the file and search permission on its directories, ` +
        "and look for a noexec mount"
      : "process.args[0] must name a program"
  }
}

/** The program was found, and the kernel would not execute it: seen at the very end, by its errno alone. */
export class ExecRefused extends Data.TaggedError("ExecRefused")<{
  readonly reason: SyscallError
}> {
  /** The errno. */
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  /** As a shell has it: 127 where something is missing, which is the program's interpreter then, else 126. */
  get exitCode(): number {
    return this.code === "ENOENT" ? 127 : 126
  }
  override get message(): string {
    return this.reason.message
  }
}
