/**
 * What the steps of the init hand to each other. A fact that a step requires is an ordering rule that the compiler checks.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { AnyFd, AnyGid, AnyUid } from "../../native/Handle.ts"
import type { Filter } from "../../native/trampoline.ts"

/** No tracer can reach the process. It must be so before the first namespace that others are in (CVE-2016-9962). */
export class Unreachable extends Context.Service<Unreachable, true>()("runfx/Unreachable") {}

/**
 * Standard input, output and error are the program's.
 *
 * @since 0.2.0
 */
export class StdioConnected extends Context.Service<StdioConnected, true>()("runfx/StdioConnected") {}

/** The namespaces that are given by path are joined. */
export class NamespacesJoined extends Context.Service<NamespacesJoined, true>()("runfx/NamespacesJoined") {}

/** The namespaces that clone(2) could not make are made: the process is in none of the host's that it is not meant for. */
export class NamespacesMade extends Context.Service<NamespacesMade, true>()("runfx/NamespacesMade") {}

/** The process is the one that continues, in its pid and time namespaces: its pid can be told. */
export class Forked extends Context.Service<Forked, true>()("runfx/Forked") {}

/** The process is in all of its namespaces: what it changes from here on is the container's. */
export class InNamespaces extends Context.Service<InNamespaces, true>()("runfx/InNamespaces") {}

/** The ids are those of root of the user namespace, if it is the container's: a later change would undo the program's. */
export class NamespaceRoot extends Context.Service<NamespaceRoot, true>()("runfx/NamespaceRoot") {}

/** `no_new_privs` is set, if it is asked for. */
export class NoNewPrivileges extends Context.Service<NoNewPrivileges, true>()("runfx/NoNewPrivileges") {}

/** No descriptor leads to the host: so it must be before the first path of the container is used (CVE-2024-21626). */
export class DescriptorsClosed extends Context.Service<DescriptorsClosed, true>()("runfx/DescriptorsClosed") {}

/** The capability sets are what the configuration says. */
export class CapabilitiesSet extends Context.Service<CapabilitiesSet, true>()("runfx/CapabilitiesSet") {}

/** Signals, limits and descriptors are the program's, not Node's. */
export class ProcessRestored extends Context.Service<ProcessRestored, true>()("runfx/ProcessRestored") {}

/** The limits of the process are set, but for those that only the last steps can bear. */
export class LimitsSet extends Context.Service<LimitsSet, true>()("runfx/LimitsSet") {}

/** The parent-death signal is set as it is asked for, and a parent that died before is noticed from here on. */
export class ParentDeathSignalSet extends Context.Service<ParentDeathSignalSet, true>()("runfx/ParentDeathSignalSet") {}

/** The environment of the program, checked, each name once. */
export class Environment extends Context.Service<Environment, {
  /** Name and value, in the order of the last mention of each name. */
  readonly entries: ReadonlyArray<readonly [name: string, value: string]>
  /** The value of `PATH`; `undefined` if it is not set. */
  readonly path: string | undefined
}>()("runfx/Environment") {}

/** Who the process has become. */
export class ExecUser extends Context.Service<ExecUser, {
  readonly uid: AnyUid
  readonly gid: AnyGid
  /** Supplementary groups. */
  readonly groups: ReadonlyArray<AnyGid>
  /** Home directory by the container's `/etc/passwd`, else `/`. */
  readonly home: string
}>()("runfx/ExecUser") {}

/** The bounding set is what the configuration says. It must be so before the user changes: after that the right is gone. */
export class BoundingSetDropped extends Context.Service<BoundingSetDropped, {
  /** The highest capability that the kernel knows; `undefined` if the sets are left alone. */
  readonly lastCapability: number | undefined
}>()("runfx/BoundingSetDropped") {}

/** The change of the user will keep the permitted capabilities, or needn't. */
export class KeepCaps extends Context.Service<KeepCaps, {
  /** Whether `PR_SET_KEEPCAPS` is on. */
  readonly kept: boolean
}>()("runfx/KeepCaps") {}

/** The first try to enter the working directory, as the init's own user. */
export class WorkingDirectory extends Context.Service<WorkingDirectory, {
  readonly path: string
  /** Whether only the program's user may enter it (a home on NFS with root squashed, say). */
  readonly deferred: boolean
}>()("runfx/WorkingDirectory") {}

/** The working directory is entered, and is inside of the container's root. */
export class VerifiedDirectory extends Context.Service<VerifiedDirectory, {
  /** As getcwd(2) returns it. */
  readonly path: string
}>()("runfx/VerifiedDirectory") {}

/** The signal that the process gets when its parent dies, as it was before the user changed; 0 is none. */
export class ParentDeathSignal extends Context.Service<ParentDeathSignal, {
  readonly signal: number
}>()("runfx/ParentDeathSignal") {}

/** The program to execute. */
export class Program extends Context.Service<Program, {
  /** A path that execve(2) takes: with a slash. */
  readonly path: string
}>()("runfx/Program") {}

/** The parent has written the id maps of the process, if it has some. */
export class Admitted extends Context.Service<Admitted, true>()("runfx/Admitted") {}

/** The process is in the container's cgroups, or there are none. */
export class InCgroup extends Context.Service<InCgroup, true>()("runfx/InCgroup") {}

/** The interfaces are up, with their addresses: routes can be added. */
export class NetworkUp extends Context.Service<NetworkUp, true>()("runfx/NetworkUp") {}

/** The seccomp filter that `exec` loads as the last thing before the program; absent if there is none to load then. */
export class ExecFilter extends Context.Service<ExecFilter, {
  readonly filter: Filter | undefined
}>()("runfx/ExecFilter") {}

/**
 * The memory file of the trampoline that `exec` executes in place of the program; absent if there is none.
 *
 * @since 0.2.0
 */
export class Trampoline extends Context.Service<Trampoline, {
  readonly fd: AnyFd | undefined
}>()("runfx/Trampoline") {}
