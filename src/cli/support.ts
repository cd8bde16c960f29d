/**
 * What several subcommands share.
 */
import * as Effect from "effect/Effect"
import process from "node:process"
import type { Container, Process } from "../config/Container.ts"
import type { Event } from "../engine/Events.ts"
import { AF, CLD, RLIMIT, SIG, SOCK } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { bridge } from "../runtime/containerOf.ts"
import { list } from "../runtime/list.ts"
import { OptionError } from "../runtime/OptionError.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { nofileFor, startedNofile } from "../runtime/started.ts"
import { describeShortage } from "../steps/cgroup/shortage.ts"

/**
 * Checks that there is a terminal for `--console-socket`, if that is given: who listens there would get a connection and
 * nothing else.
 */
export const takesTerminal = (
  path: string | undefined,
  { terminal }: Pick<Process, "terminal">
): Effect.Effect<void, OptionError> =>
  path === undefined || terminal
    ? Effect.void
    : Effect.fail(
      new OptionError({
        option: "--console-socket",
        value: path,
        rule: "the program has no terminal to pass on: add --tty (process.terminal in a configuration), or leave it out"
      })
    )

/** Connects `--console-socket`, if it is given. */
export const consoleSocket = (
  path: string | undefined,
  process: Pick<Process, "terminal">
): Effect.Effect<{ readonly consoleSocket?: number }, SyscallError | OptionError, Kernel> =>
  path === undefined ? Effect.succeed({}) : Effect.gen(function*() {
    yield* takesTerminal(path, process)
    const fd = yield* sys.socket({ domain: AF.UNIX, type: SOCK.STREAM | SOCK.CLOEXEC, protocol: 0 })
    yield* Effect.mapError(sys.connect({ fd, path }), ({ message }) =>
      new OptionError({
        option: "--console-socket",
        value: path,
        rule: `${message}: it must be a unix socket, and the program that takes the terminal must already listen on it`
      }))
    return { consoleSocket: fd }
  })

/** The limit of descriptors that the program inherits: as it was when this command was started. */
export const inherited: Effect.Effect<Pick<Runtime.ProcessHandles, "nofile">, SyscallError, Kernel> = Effect.suspend(
  () => {
    const soft = startedNofile(process.env, process.pid)
    if (soft === undefined) return Effect.succeed({})
    return Effect.map(
      sys.prlimit64({ pid: 0, resource: RLIMIT.NOFILE, limit: null }),
      (own) => ({ nofile: nofileFor(own, soft) })
    )
  }
)

/**
 * The sockets of socket activation, which are for the program: descriptors from 3 on, and the variables that announce
 * them. `LISTEN_PID` names the process that they are for; if that is another one, there are none.
 *
 * @see sd_listen_fds(3)
 */
export const activation = (
  environment: Readonly<Record<string, string | undefined>>,
  pid: number
): { readonly count: number; readonly env: ReadonlyArray<string> } => {
  const { LISTEN_FDNAMES: names, LISTEN_FDS: count = "", LISTEN_PID: of } = environment
  if (of !== String(pid) || !/^[1-9]\d{0,5}$/.test(count)) return { count: 0, env: [] }
  // the container's first process: the last step has the number of the program, if that is another one
  const env = [`LISTEN_FDS=${count}`, "LISTEN_PID=1", ...(names === undefined ? [] : [`LISTEN_FDNAMES=${names}`])]
  return { count: Number(count), env }
}

/**
 * Reports what the program itself can't know: its container reached a limit, or the kernel killed it for a call that its
 * seccomp filter forbids.
 */
export const tellEnd = (
  id: string,
  { shortage, status }: Runtime.Ended,
  seccomp?: Container["seccomp"]
): Effect.Effect<void> =>
  Effect.gen(function*() {
    if (shortage !== undefined) yield* Effect.logWarning(`container ${id}: ${describeShortage(shortage)}`)
    const forbidden = seccomp !== undefined && status.code !== CLD.EXITED && status.status === SIG.SYS
    if (forbidden) yield* Effect.logWarning(`container ${id}: its program made a call that the seccomp filter forbids`)
  })

/**
 * Refuses a detached program with a terminal whose other end this command holds: it would hang up at once.
 */
export const refuseUnheldTerminal = (
  { terminal }: Pick<Process, "terminal">,
  { consoleSocket }: Pick<Runtime.ProcessHandles, "consoleSocket">
): Effect.Effect<void, OptionError> =>
  terminal && consoleSocket === undefined
    ? Effect.fail(
      new OptionError({
        option: "--detach",
        value: "with a terminal",
        rule: "no process would hold the terminal's other end, and the terminal would hang up at once: " +
          "give --console-socket, or leave out --tty (process.terminal in a configuration) or --detach"
      })
    )
    : Effect.void

/** The events of the parent, as they come. */
export const journal = (): {
  readonly events: Array<Event>
  readonly listen: (event: Event) => Effect.Effect<void>
} => {
  const events: Array<Event> = []
  return { events, listen: (event) => Effect.sync(() => void events.push(event)) }
}

/** FNV-1a, 32 bits: spreads ids over addresses. `node:crypto` has better hashes, but takes some milliseconds to load. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/**
 * An address of the bridge's network for a container: chosen by its id, or the next free one if another container has it
 * already, even if that has stopped.
 */
export const freeAddress = (stateRoot: string, id: string): Effect.Effect<string, never, Kernel> =>
  Effect.gen(function*() {
    // if they can't be listed, their addresses can't be avoided
    const others = yield* Effect.orElseSucceed(list(stateRoot), () => [])
    const taken = new Set(
      others.flatMap((other) => "state" in other ? other.state.container.networks.map(({ address }) => address) : [])
    )
    const [a, b] = bridge.gateway.split(".")
    // neither the network's own address, nor the gateway, nor the broadcast address
    const size = 2 ** 16 - 3
    let index = hashOf(id) % size
    while (taken.has(`${a}.${b}.${index + 2 >> 8}.${index + 2 & 255}/${bridge.prefix}`)) index = (index + 1) % size
    return `${a}.${b}.${index + 2 >> 8}.${index + 2 & 255}`
  })

/** An id of 48 random bits, for a container without a given one. It is no secret. */
export const chosenId = (): string => Math.floor(Math.random() * 2 ** 48).toString(16).padStart(12, "0")
