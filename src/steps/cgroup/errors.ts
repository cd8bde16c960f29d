/**
 * What can be wrong with cgroups beyond a refused kernel call.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { cut } from "../../engine/errorText.ts"
import type { AnyPid } from "../../native/Handle.ts"
import type { SyscallError } from "../../native/Kernel.ts"

/** No cgroup file system is mounted, so that no cgroup can be made. */
export class NoCgroupHierarchy extends Data.TaggedError("NoCgroupHierarchy")<{}> {
  get advice(): string {
    return "mount one (mount -t cgroup2 none /sys/fs/cgroup), or ask for no cgroup (--cgroups none)"
  }
  override get message(): string {
    return "no cgroup hierarchy is mounted: /proc/self/mountinfo has no file system of type cgroup or cgroup2"
  }
}

/** The configured cgroup path can't be used. */
export class CgroupPathInvalid extends Data.TaggedError("CgroupPathInvalid")<{
  readonly path: string
  readonly problem: string
}> {
  override get message(): string {
    return `cgroup.path ${JSON.stringify(this.path)} ${this.problem}`
  }
}

/** What should be a cgroup hierarchy is a file system of another type. */
export class NotACgroup extends Data.TaggedError("NotACgroup")<{
  readonly path: string
  /** The magic number that was found. */
  readonly type: number
}> {
  override get message(): string {
    return `${this.path} is not a cgroup hierarchy: its file system has the magic number 0x${this.type.toString(16)}`
  }
}

/** The cgroup for a new container exists already and is in use. */
export class CgroupInUse extends Data.TaggedError("CgroupInUse")<{
  readonly path: string
  readonly pids: ReadonlyArray<number>
  readonly frozen: boolean
}> {
  get advice(): string {
    return this.frozen && this.pids.length === 0
      ? "thaw it or remove it"
      : "choose another cgroup path, or end what runs in it"
  }
  override get message(): string {
    const why = [
      ...(this.pids.length > 0 ? [`holds processes (${listed(this.pids)})`] : []),
      ...(this.frozen ? ["is frozen"] : [])
    ]
    return `the cgroup ${this.path} exists and ${why.join(" and ")}`
  }
}

/** A cgroup that takes no processes: it is part of a threaded subtree. @see cgroups(7), "Thread mode" */
export class CgroupThreaded extends Data.TaggedError("CgroupThreaded")<{
  readonly path: string
  /** The content of `cgroup.type`. */
  readonly type: string
}> {
  get advice(): string {
    return "choose a cgroup path that is not below a threaded cgroup"
  }
  override get message(): string {
    return `the cgroup ${this.path} has the type "${this.type}", where a container needs "domain"`
  }
}

/** The controller of a configured limit does not serve this cgroup. */
export class CgroupControllerMissing extends Data.TaggedError("CgroupControllerMissing")<{
  /** The fields of the configuration that ask for it: `memory.limit`. */
  readonly limits: ReadonlyArray<string>
  readonly controller: string
  /** Where the controller would have to be; absent if no hierarchy has it. */
  readonly path?: string
  /** Why the controller could not be switched on there. */
  readonly reason?: SyscallError
}> {
  get advice(): string {
    if (this.reason?.code === "EBUSY") {
      return `processes in ${this.path} itself keep controllers from being switched on for its children: move them to a ` +
        "child cgroup, or choose a cgroup path elsewhere"
    }
    const { controller, limits, reason } = this
    if (reason?.code === "EACCES" || reason?.code === "EPERM") {
      return `the controller ${controller} is not delegated to the caller: have it delegated (systemd: Delegate=yes), or ` +
        `take ${limits.join(", ")} out of the configuration`
    }
    return `take ${limits.join(", ")} out of the configuration, or provide the controller`
  }
  override get message(): string {
    const where = this.path === undefined ? "is in no mounted hierarchy" : `is not available in ${this.path}`
    const because = this.reason === undefined ? "" : `: ${this.reason.message}`
    return `${this.limits.join(", ")}: the cgroup controller ${this.controller} ${where}${because}`
  }
}

/** This kernel has no file for a configured limit, although it has the controller. */
export class CgroupFileMissing extends Data.TaggedError("CgroupFileMissing")<{
  readonly limit: string
  readonly controller: string
  readonly path: string
  /** The files that would do; none of them exists. */
  readonly files: ReadonlyArray<string>
  readonly value: string
}> {
  get advice(): string {
    return `take ${this.limit} out of the configuration, or use a kernel that has ${this.files.join(" or ")}`
  }
  override get message(): string {
    return `${this.limit}: ${this.path} has no ${this.files.join(" or ")} to write ${JSON.stringify(this.value)} to ` +
      `(controller ${this.controller})`
  }
}

/** The kernel refused a value. */
export class CgroupValueRefused extends Data.TaggedError("CgroupValueRefused")<{
  readonly limit: string
  readonly controller: string
  /** The file, absolute. */
  readonly file: string
  readonly value: string
  readonly reason: SyscallError
}> {
  get advice(): string | undefined {
    if (this.limit.startsWith("cpu.realtime")) return "the parent cgroup must have real-time run time to give first"
    switch (this.reason.code) {
      case "EBUSY":
        return "the processes in the cgroup already use more than that"
      case "EINVAL":
      case "ERANGE":
        return "the value is out of the kernel's range, or contradicts another limit of this cgroup or of its parent"
      case "EPERM":
      case "EACCES":
        return "the caller may not change this limit, or a parent cgroup does not allow it"
      case "ENODEV":
        return "there is no such device"
      case "ENOTSUP":
        return "this kernel no longer has this limit: take it out of the configuration"
      default:
        return undefined
    }
  }
  override get message(): string {
    return `${this.limit}: ${this.file} refuses ${cut(JSON.stringify(this.value))}: ${this.reason.code}`
  }
}

/**
 * The device rules of version 2 are a BPF program, and the kernel does not take it.
 *
 * @since 0.2.0
 */
export class DeviceFilterRefused extends Data.TaggedError("DeviceFilterRefused")<{
  readonly path: string
  readonly reason: SyscallError
}> {
  /** The errno. */
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  get advice(): string | undefined {
    switch (this.reason.code) {
      case "EPERM":
        return "a device filter takes CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN on the host, and no seccomp filter " +
          "around the runtime that forbids bpf(2): run with these, deny no more devices than is the default, or ask for " +
          "no cgroup (--cgroups none)"
      case "EINVAL":
        return "this kernel may lack CONFIG_CGROUP_BPF: use another one, or ask for no cgroup (--cgroups none)"
      case "E2BIG":
        return "there are more device rules, or more device filters on the cgroups above, than the kernel takes"
      default:
        return this.reason.advice
    }
  }
  override get message(): string {
    return `the device rules can't be set for the cgroup ${this.path}: ${this.reason.call._tag}: ${this.reason.code}`
  }
}

/** A limit that this version of cgroups does not have, or a value that makes no sense. */
export class CgroupLimitInvalid extends Data.TaggedError("CgroupLimitInvalid")<{
  readonly limit: string
  readonly problem: string
}> {
  get advice(): string {
    return `change ${this.limit}, or take it out of the configuration`
  }
  override get message(): string {
    return `${this.limit}: ${this.problem}`
  }
}

/** A process could not be put into a cgroup. */
export class CgroupJoinError extends Data.TaggedError("CgroupJoinError")<{
  readonly path: string
  readonly pid: AnyPid
  /** What the cgroup controls. */
  readonly controllers?: ReadonlyArray<string>
  readonly reason: SyscallError
}> {
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  get advice(): string | undefined {
    switch (this.reason.code) {
      case "EINVAL":
        return this.controllers?.includes("cpu") === true
          ? "a process with a real-time policy can't be in a cgroup without real-time run time (cpu.rt_runtime_us): start " +
            "runfx without that policy (not by chrt -f or -r), give linux.resources.cpu.realtimeRuntime, or ask for no " +
            "cgroup (--cgroups none)"
          : undefined
      case "EBUSY":
        return "the cgroup has controllers switched on for children of its own, so it can't hold processes itself"
      case "ENOSPC":
        return "the cgroup's cpuset has no CPUs or no memory nodes"
      case "ENOTSUP":
        return "the cgroup is part of a threaded subtree: choose another path"
      case "EACCES":
      case "EPERM":
        return "the caller must be able to write cgroup.procs here and in the nearest common ancestor of this cgroup and " +
          "its own: start runfx inside of the part of the tree that was delegated (systemd-run --user --scope -p " +
          "Delegate=yes), or ask for no cgroup (--cgroups none)"
      default:
        return undefined
    }
  }
  override get message(): string {
    return `process ${this.pid} can't join the cgroup ${this.path}: ${this.reason.message}`
  }
}

/** No hierarchy that the container is in can freeze. */
export class CgroupCannotFreeze extends Data.TaggedError("CgroupCannotFreeze")<{
  readonly paths: ReadonlyArray<string>
}> {
  get advice(): string {
    return "mount the freezer hierarchy, or use a kernel with cgroup.freeze (5.2 or later)"
  }
  override get message(): string {
    return `the container can't be frozen: neither cgroup.freeze nor freezer.state is in ${
      this.paths.join(", ") || "any cgroup (it has none)"
    }`
  }
}

/**
 * A container's cgroup is not there any more.
 *
 * @since 0.2.0
 */
export class CgroupGone extends Data.TaggedError("CgroupGone")<{
  readonly path: string
}> {
  get advice(): string {
    return "nothing is left to do: its processes have ended with it"
  }
  override get message(): string {
    return `the container has ended, or another command is deleting it: its cgroup ${this.path} is gone`
  }
}

/** A cgroup did not reach the state asked for in time. */
export class FreezeTimeout extends Data.TaggedError("FreezeTimeout")<{
  readonly path: string
  readonly wanted: "FROZEN" | "THAWED"
  /** The state that was seen last. */
  readonly state: string
  readonly milliseconds: number
}> {
  get advice(): string {
    return this.wanted === "FROZEN"
      ? "something may thaw it at the same time; a process in it may be frozen by version 1 already (FROZEN in a freezer.state of " +
        "this container's groups), or be in uninterruptible sleep (state D in ps); it was thawed again"
      : "a cgroup above it may be frozen (thaw that one), or something has frozen it again"
  }
  override get message(): string {
    return `the cgroup ${this.path} is not ${this.wanted} after ${this.milliseconds} ms, but ${this.state}`
  }
}

/** A cgroup can't be removed, because processes or other cgroups are in it. */
export class CgroupNotEmpty extends Data.TaggedError("CgroupNotEmpty")<{
  readonly path: string
  readonly pids: ReadonlyArray<number>
  readonly milliseconds: number
}> {
  get advice(): string {
    return this.pids.length > 0 ? "end these processes first" : "something outside holds it: try again"
  }
  override get message(): string {
    const what = this.pids.length > 0 ? `processes ${listed(this.pids)} are in it` : "it is busy"
    return `the cgroup ${this.path} can't be removed: ${what}, after ${this.milliseconds} ms`
  }
}

/** A file of a cgroup holds what its format does not allow. */
export class CgroupFileInvalid extends Data.TaggedError("CgroupFileInvalid")<{
  readonly file: string
  readonly line: string
}> {
  override get message(): string {
    return `${this.file}: this line makes no sense: ${JSON.stringify(this.line)}`
  }
}

/** At most ten of the numbers, and how many more. */
const listed = (pids: ReadonlyArray<number>): string =>
  pids.slice(0, 10).join(", ") + (pids.length > 10 ? ` and ${pids.length - 10} more` : "")
