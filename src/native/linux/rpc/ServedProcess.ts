/**
 * A process that a server serves, as a journey knows it.
 *
 * Its accessors are a class's: V8 makes a hidden class for each object literal that has accessors, and keeps it, with all that
 * they refer to, until its next collection of the whole heap.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Call, SyscallError } from "../../Kernel.ts"
import { exitOf } from "../failed.ts"
import type { Scratch } from "../Scratch.ts"
import type { Numbers } from "../syscallNumbers.ts"
import type { Handlers, Raw } from "../Syscalls.ts"
import type { Batch } from "./Batch.ts"
import type { Come } from "./BlockingCalls.ts"
import { type Client, gone, pending } from "./Client.ts"
import type { History } from "./History.ts"
import type { KeptParts } from "./Kept.ts"
import type { OpenFiles } from "./OpenFiles.ts"
import type { Process } from "./Process.ts"
import type { Server } from "./ServerGroup.ts"
import { ServerPool } from "./ServerPool.ts"

/** What journeys know of earlier ones. */
export interface Learned {
  readonly numbers: Numbers
  readonly history: History
  readonly kept: KeptParts
}

/** The process of a server. */
export class ServedProcess implements Process {
  readonly numbers: Numbers
  readonly history: History
  readonly kept: KeptParts
  readonly #server: Server
  readonly #come: Come
  /** Whether it makes a list. */
  #makes = false

  constructor(server: Server, { history, kept, numbers }: Learned, come: Come) {
    this.#server = server
    this.numbers = numbers
    this.history = history
    this.kept = kept
    this.#come = come
  }

  get files(): OpenFiles {
    return this.#server.files
  }

  set files(files: OpenFiles) {
    this.#server.files = files
  }

  get memory(): Scratch {
    return this.#server.slot.memory
  }

  get batch(): Batch {
    return this.#server.slot.batch
  }

  get link(): number | undefined {
    return this.#server.slot.link.fd
  }

  get isServed(): boolean {
    return this.#server.slot.server.current === this.#server
  }

  get isBusy(): boolean {
    const { server, waiter } = this.#server.slot
    return this.#makes || server.current === this.#server && waiter !== undefined
  }

  get idle(): Effect.Effect<void> {
    const { slot } = this.#server
    const isLeft = () => slot.server.current !== this.#server || !slot.client.isBusy
    return isLeft() ? Effect.void : Effect.orDie(this.#come(this.#server, () => isLeft() ? Exit.void : { slot }))
  }

  get isFiltered(): boolean {
    return this.#server.slot.client.isFiltered
  }

  get leave(): Effect.Effect<never> {
    return Effect.orDie(Effect.suspend(() =>
      this.#come(this.#server, () => {
        throw gone
      })
    ))
  }

  handle(call: Call, raw: Raw): Exit.Exit<unknown, SyscallError> {
    const { client, handlers } = ServerPool.slotOf(this.#server)
    const handler = handlers[call._tag as keyof Handlers] as (call: Call) => unknown
    return exitOf(call, () => client.by(raw, handler, call))
  }

  make(address: number, count: number, waits: boolean): Effect.Effect<number | undefined, SyscallError> {
    return this.#made(address, count, (client) => client.begin(waits))
  }

  send(address: number, count: number): void {
    const { client, memory } = ServerPool.slotOf(this.#server)
    const { used } = memory
    client.sendList(address, count)
    memory.used = used
  }

  get sent(): Effect.Effect<number | undefined, SyscallError> {
    return this.#made(0, 0, (client) => client.resume())
  }

  /** What a list comes to. */
  #made(
    address: number,
    count: number,
    start: (client: Client) => void
  ): Effect.Effect<number | undefined, SyscallError> {
    const server = this.#server
    let begun = false
    const next = () => {
      const { client } = ServerPool.slotOf(server)
      if (begun) client.resume()
      else start(client)
      begun = true
      try {
        // in a list, a failed call is an answer
        return exitOf({ _tag: "getpid" }, () => client.makeList(address, count))
      } catch (cause) {
        if (cause === gone) return Exit.succeed(undefined)
        if (cause !== pending) throw cause
        return { slot: server.slot }
      }
    }
    const made = Effect.suspend(() => {
      this.#makes = true
      return this.#come(server, next)
    })
    return Effect.ensuring(made, Effect.sync(() => void (this.#makes = false)))
  }
}
