/**
 * What the steps of the init hand to each other. A fact that a step requires is an ordering rule that the compiler checks.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { AnyFd, AnyGid, AnyUid } from "../../native/Handle.ts"
import type { Filter } from "../../native/trampoline.ts"

/** No tracer can reach the process. This is required before it joins the first namespace with others in it (CVE-2016-9962). */
export class Unreachable extends Context.Service<Unreachable, true>()("runfx/Unreachable") {}

/**
 * Standard input, output and error are the program's.
 *
 * @since 0.2.0
 */
export class StdioConnected extends Context.Service<StdioConnected, true>()("runfx/StdioConnected") {}

/** The namespaces with a path are joined. */
export class NamespacesJoined extends Context.Service<NamespacesJoined, true>()("runfx/NamespacesJoined") {}

/** The namespaces that clone(2) could not make are made. A pid or time namespace among them holds for its children only. */
export class NamespacesMade extends Context.Service<NamespacesMade, true>()("runfx/NamespacesMade") {}

/** The process is in its pid and time namespaces: it is the one that becomes the program. */
export class Forked extends Context.Service<Forked, true>()("runfx/Forked") {}

/** The process is in all of its namespaces: what it changes from here on belongs to the container. */
export class InNamespaces extends Context.Service<InNamespaces, true>()("runfx/InNamespaces") {}

/** In a user namespace of the container, the ids are those of its root. This comes before the program's own ids are set. */
export class NamespaceRoot extends Context.Service<NamespaceRoot, true>()("runfx/NamespaceRoot") {}

/** `no_new_privs` is set, if it is asked for. */
export class NoNewPrivileges extends Context.Service<NoNewPrivileges, true>()("runfx/NoNewPrivileges") {}

/** No descriptor leads to the host. This is required before the first path of the container is used (CVE-2024-21626). */
export class DescriptorsClosed extends Context.Service<DescriptorsClosed, true>()("runfx/DescriptorsClosed") {}

/** The capability sets are what the configuration says. */
export class CapabilitiesSet extends Context.Service<CapabilitiesSet, true>()("runfx/CapabilitiesSet") {}

/** Signals, limits and descriptors are the program's, not Node's. */
export class ProcessRestored extends Context.Service<ProcessRestored, true>()("runfx/ProcessRestored") {}

/** The limits of the process are set, except those that would disturb the last steps. */
export class LimitsSet extends Context.Service<LimitsSet, true>()("runfx/LimitsSet") {}

/** The parent-death signal is set as configured. A parent that died before is found by `verifyParent`. */
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

/** The bounding set is what the configuration says. This is required before the user changes, which loses the right to do it. */
export class BoundingSetDropped extends Context.Service<BoundingSetDropped, {
  /** The highest capability that the kernel knows; `undefined` if the sets are left alone. */
  readonly lastCapability: number | undefined
}>()("runfx/BoundingSetDropped") {}

/** The change of the user keeps the permitted capabilities, if they are needed. */
export class KeepCaps extends Context.Service<KeepCaps, {
  /** Whether `PR_SET_KEEPCAPS` is on. */
  readonly kept: boolean
}>()("runfx/KeepCaps") {}

/** The working directory was entered as the init's own user, or will be entered as the program's. */
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

/** The parent has written the id maps of the process, if there are any. */
export class Admitted extends Context.Service<Admitted, true>()("runfx/Admitted") {}

/** The process is in the container's cgroups, or there are none. */
export class InCgroup extends Context.Service<InCgroup, true>()("runfx/InCgroup") {}

/** The interfaces are up, with their addresses: routes can be added. */
export class NetworkUp extends Context.Service<NetworkUp, true>()("runfx/NetworkUp") {}

/** The seccomp filter that is loaded just before the program; absent if there is none to load then. */
export class ExecFilter extends Context.Service<ExecFilter, {
  readonly filter: Filter | undefined
}>()("runfx/ExecFilter") {}

/**
 * The memory file of the trampoline that `exec` executes instead of the program; absent if there is none.
 *
 * @since 0.2.0
 */
export class Trampoline extends Context.Service<Trampoline, {
  readonly fd: AnyFd | undefined
}>()("runfx/Trampoline") {}
