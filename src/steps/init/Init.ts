/**
 * The input of the init's pipelines: the container, the process to become, and the handles that the parent passes on.
 *
 * @category init
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Container, NamespaceType, Process } from "../../config/Container.ts"
import type { AnyFd, AnyPid } from "../../native/Handle.ts"
import type { Limit } from "../../native/results.ts"
import type { CgroupManager } from "../cgroup/Manager.ts"
import type { ProcessIdentity } from "../proc/processes.ts"

/**
 * Three descriptors, none of which is 0, 1 or 2: for standard input, output and error.
 *
 * @since 0.2.0
 */
export type Stdio = readonly [stdin: number, stdout: number, stderr: number]

/**
 * A port on which the container's programs reach the application.
 *
 * @since 0.2.0
 */
export interface Port {
  /** From 1 to 65535, on the container's 127.0.0.1. */
  readonly number: number
  /** A connected unix socket that takes the socket which listens there. */
  readonly socket: AnyFd
}

/**
 * What a program inherits from its caller. Each field is an option of a start: `runtime/options.ts` checks it.
 *
 * @since 0.2.0
 */
export interface Inherited {
  /**
   * Descriptors of the caller, above 2 and close-on-exec, that become the program's standard input, output and error;
   * absent: those of the runtime. They stay the caller's, which closes them when the program runs.
   */
  readonly stdio?: Stdio
  /** How many descriptors from 3 on the program inherits. */
  readonly preservedFds: number
  /**
   * Further descriptors of the program: the key is the number in the program, the value a descriptor of the caller, above 2 and
   * close-on-exec. No value may be one of the keys. They stay the caller's, as those of `stdio` do.
   */
  readonly descriptors?: Readonly<Record<number, number>>
  /** A connected unix socket that takes the terminal's master; a start with `process.terminal` fails without it. */
  readonly consoleSocket?: number
  /** A port of the container's loopback interface, on which the caller answers; the init opens it. */
  readonly port?: Port
  /** The soft and hard `RLIMIT_NOFILE` of a program whose configuration does not set it. */
  readonly nofile: Limit
}

/**
 * Pairs of a descriptor's number in the program and its number in the caller.
 *
 * @since 0.2.0
 */
export const descriptorsOf = (
  { descriptors = {} }: Pick<Inherited, "descriptors">
): ReadonlyArray<readonly [number: number, fd: AnyFd]> =>
  Object.entries(descriptors).map(([number, fd]) => [Number(number), fd])

/**
 * All that is known about a new process before anything is made for it. `Launch` has it as one field.
 *
 * @since 0.2.0
 */
export interface InitRecord extends Inherited {
  /** The container's id. */
  readonly id: string
  readonly container: Container
  /**
   * The hard `RLIMIT_NOFILE` of the runtime, with which the process starts; absent if the runtime has not looked.
   *
   * @since 0.3.0
   */
  readonly hardNofile?: bigint
  /** The process to become: `container.process`, or another one that is executed in the container. */
  readonly process: Process
  /** The process whose namespaces are joined, if all belong to one: its pid may be another process's by now. */
  readonly joined?: ProcessIdentity
  /** The process to become, if it is known only after everything else is done: see `awaitProgram`. */
  readonly late?: Effect.Effect<Process>
  /** Whether process 1 is runfx's own and starts the program: see `native/trampoline.ts`. */
  readonly reaper?: boolean
  /** The signal that the program gets when the runtime ends, if its container names none. */
  readonly parentDeathSignal?: number
}

/** The input of every init pipeline: its record, and what the parent has made for it. */
export class Init extends Context.Service<
  Init,
  InitRecord & {
    /** The cgroups to join; absent if there are none. */
    readonly cgroup?: CgroupManager
    /** This side's end of the channel to the parent: a `SOCK_SEQPACKET` unix socket, close-on-exec. */
    readonly channel: AnyFd
    /** What getppid(2) returns in this process while the parent lives: 0 if the parent is outside of its pid namespace. */
    readonly parentPid: AnyPid
    /**
     * Namespaces to join, in any order: those of the container that have a path, or, for exec, all of the running
     * container's.
     */
    readonly joins: ReadonlyArray<{ readonly type: NamespaceType; readonly path: string }>
    /**
     * Flags (`CLONE_NEW*`) of the namespaces that this process makes itself, after it has joined the others: the cgroup
     * namespace always, and all of them if clone(2) could not (a joined user namespace must own the new ones; a time
     * namespace takes effect for children only).
     */
    readonly unshare: number
  }
>()("runfx/Init") {}
