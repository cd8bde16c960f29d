/**
 * What the init pipelines take: the container, the process to become, and the handles that the parent left.
 */
import * as Context from "effect/Context"
import type { Container, NamespaceType, Process } from "../config/Container.ts"
import type { Limit } from "../native/calls.ts"
import type { CgroupManager } from "./cgroup/Manager.ts"
import type { ProcessIdentity } from "./processes.ts"

/** The input of every init pipeline. */
export class Init extends Context.Service<Init, {
  /** The container's id. */
  readonly id: string
  readonly container: Container
  /** The process to become: `container.process`, or another one that is executed in the container. */
  readonly process: Process
  /** The cgroups to join; absent where there are none. */
  readonly cgroup?: CgroupManager
  /** This side's end of the channel to the parent: a `SOCK_SEQPACKET` unix socket, close-on-exec. */
  readonly channel: number
  /** What getppid(2) gives in this process while the parent lives: 0 in a new pid namespace. */
  readonly parentPid: number
  /**
   * Namespaces to join, in any order: those of the container that have a path, or, for exec, all of the running
   * container's.
   */
  readonly joins: ReadonlyArray<{ readonly type: NamespaceType; readonly path: string }>
  /** Whose namespaces they are, where all paths are those of one process: its number may be another one's by now. */
  readonly joined?: ProcessIdentity
  /**
   * Flags (`CLONE_NEW*`) of the namespaces that this process makes itself, after it has joined the others: the cgroup
   * namespace always, and all of them where clone(2) could not (a joined user namespace must own the new ones; a time
   * namespace takes effect for children only).
   */
  readonly unshare: number
  /** How many descriptors from 3 on the program inherits. */
  readonly preservedFds: number
  /** The soft and hard `RLIMIT_NOFILE` that the runtime was started with; Node raises the soft one. */
  readonly nofile: Limit
  /** Where the terminal's master goes: a connected unix socket, present where `process.terminal` is set. */
  readonly consoleSocket?: number
}>()("runfx/Init") {}
