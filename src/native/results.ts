/**
 * The results of calls that return more than a number.
 *
 * @category results
 * @since 0.1.0
 */
import type { AnyFd, AnyGid, AnyPid, AnyUid } from "./Handle.ts"

/**
 * What statx(2) reports of a file.
 *
 * @since 0.2.0
 */
export interface Stat {
  /** Type bits and permissions, as `st_mode`. */
  readonly mode: number
  readonly nlink: number
  readonly uid: AnyUid
  readonly gid: AnyGid
  readonly ino: bigint
  /** In bytes. */
  readonly size: bigint
  /** The device that holds the file. */
  readonly dev: { readonly major: number; readonly minor: number }
  /** The device that the file is, for device nodes. */
  readonly rdev: { readonly major: number; readonly minor: number }
  /** The mount that holds the file (mountinfo's first field). */
  readonly mountId: bigint
  /** Whether the file is the root of a mount (`STATX_ATTR_MOUNT_ROOT`). */
  readonly mountRoot: boolean
}

/** What statfs(2) reports of a file system. */
export interface FileSystemStat {
  /** The magic number of the file system's type. */
  readonly type: number
  /** `ST_*` flags of the mount. */
  readonly flags: number
}

/** One entry of a directory. `type` is the letter that find(1) uses: f, d, l, c, b, p, s, or `?`. */
export interface DirectoryEntry {
  readonly name: string
  readonly ino: bigint
  readonly type: "f" | "d" | "l" | "c" | "b" | "p" | "s" | "?"
}

/** A state change of a child, as waitid(2) reports it. */
export interface ChildStatus {
  readonly pid: AnyPid
  readonly uid: AnyUid
  /** `CLD_*`. */
  readonly code: number
  /** The exit status, or the signal's number. */
  readonly status: number
}

/**
 * What a process has used, together with the children that it has waited for.
 *
 * @since 0.2.0
 */
export interface ResourceUsage {
  /** CPU time in nanoseconds; the kernel counts microseconds. */
  readonly cpu: bigint
  /** The largest memory use of any one of them, in bytes. */
  readonly maxMemory: bigint
  /** Bytes read from, and `written` to, disks. */
  readonly read: bigint
  readonly written: bigint
}

/**
 * A child that was reaped.
 *
 * @since 0.2.0
 */
export interface ReapedChild extends Omit<ChildStatus, "uid"> {
  readonly usage: ResourceUsage
}

/**
 * A message of a unix socket, with its descriptors and credentials.
 *
 * @since 0.2.0
 */
export interface Message {
  /** Empty at end of file. */
  readonly data: Uint8Array
  /** Descriptors that came by `SCM_RIGHTS`, close-on-exec. */
  readonly fds: ReadonlyArray<AnyFd>
  /** The sender, translated into the receiver's namespaces; only with `SO_PASSCRED`. */
  readonly credentials: { readonly pid: AnyPid; readonly uid: AnyUid; readonly gid: AnyGid } | null
}

/** The three thread capability sets that capget(2) knows, as bit sets. */
export interface CapabilitySets {
  readonly effective: bigint
  readonly permitted: bigint
  readonly inheritable: bigint
}

/**
 * A soft and a hard limit; `2n ** 64n - 1n` is `RLIM_INFINITY`.
 *
 * @since 0.2.0
 */
export interface Limit {
  readonly soft: bigint
  readonly hard: bigint
}

/**
 * Real, effective and saved id, of a user or of a group.
 *
 * @since 0.2.0
 */
export interface Ids<out Id extends number = number> {
  readonly real: Id
  readonly effective: Id
  readonly saved: Id
}

/** `struct termios`: the modes of a terminal. @see termios(3) */
export interface TerminalModes {
  /** `IFLAG`. */
  readonly input: number
  /** `OFLAG`. */
  readonly output: number
  /** `CFLAG`. */
  readonly control: number
  /** `LFLAG`. */
  readonly local: number
  /** The line discipline. */
  readonly line: number
  /** The special characters, by the indices of `CC`. */
  readonly characters: Uint8Array
}

/** `struct sched_attr`; times in nanoseconds. */
export interface SchedulerAttributes {
  readonly policy: number
  readonly flags: bigint
  readonly nice: number
  readonly priority: number
  readonly runtime: bigint
  readonly deadline: bigint
  readonly period: bigint
}
