/**
 * What several subcommands share.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import process from "node:process"
import type { Event } from "../engine/Events.ts"
import { AF, SOCK } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { bridge } from "../runtime/containerOf.ts"
import { type FlowError, type LoadedFlow, loadFlow } from "../runtime/flow.ts"
import * as Runtime from "../runtime/Runtime.ts"

/** Loads `--flow`, where it is given. */
export const flowOption = (file: string | undefined): Effect.Effect<Partial<LoadedFlow>, FlowError> =>
  file === undefined ? Effect.succeed({}) : loadFlow(file)

/** Connects `--console-socket`, where it is given. */
export const consoleSocket = (
  path: string | undefined
): Effect.Effect<{ readonly consoleSocket?: number }, SyscallError, Kernel> =>
  path === undefined ? Effect.succeed({}) : Effect.gen(function*() {
    const fd = yield* sys.socket({ domain: AF.UNIX, type: SOCK.STREAM | SOCK.CLOEXEC, protocol: 0 })
    yield* sys.connect({ fd, path })
    return { consoleSocket: fd }
  })

/** Writes `--pid-file`, where it is given. */
export const writePid = (file: string | undefined, pid: number): void => {
  if (file !== undefined) writeFileSync(file, String(pid))
}

/** The events of the parent, as they come. */
export const journal = (): {
  readonly events: Array<Event>
  readonly listen: (event: Event) => Effect.Effect<void>
} => {
  const events: Array<Event> = []
  return { events, listen: (event) => Effect.sync(() => void events.push(event)) }
}

/** The time of each step, parent and init one after the other, in milliseconds. */
export const timings = (events: ReadonlyArray<Event>): string =>
  events
    .flatMap((event) => event._tag === "Completed" || event._tag === "Failed" ? [event] : [])
    .map(({ milliseconds, pipeline, step }) =>
      `${milliseconds.toFixed(3).padStart(10)} ms  ${pipeline.padEnd(12)} ${step}\n`
    )
    .join("")

/**
 * An address of the bridge's network for a container: chosen by its id, the next free one where a container that runs has
 * it already.
 */
export const freeAddress = (stateRoot: string, id: string): Effect.Effect<string, never, Kernel> =>
  Effect.gen(function*() {
    // what can't be listed can't be avoided either; the kernel then has the last word
    const others = yield* Effect.orElseSucceed(Runtime.list(stateRoot), () => [])
    const taken = new Set(
      others.flatMap((other) => "state" in other ? other.state.container.networks.map(({ address }) => address) : [])
    )
    const [a, b] = bridge.gateway.split(".")
    // neither the network's own address, nor the gateway, nor the broadcast address
    const size = 2 ** 16 - 3
    let index = createHash("sha256").update(id).digest().readUInt32BE() % size
    while (taken.has(`${a}.${b}.${index + 2 >> 8}.${index + 2 & 255}/${bridge.prefix}`)) index = (index + 1) % size
    return `${a}.${b}.${index + 2 >> 8}.${index + 2 & 255}`
  })

/** An id for a container that was given none. */
export const chosenId = (): string =>
  createHash("sha256").update(`${process.pid} ${process.hrtime.bigint()}`).digest("hex").slice(0, 12)
