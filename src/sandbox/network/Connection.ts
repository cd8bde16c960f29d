/**
 * What the programs of a sandbox have asked of the network, and what came of it.
 *
 * @category networks
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Destination } from "./hosts.ts"

/** How a program has asked: CONNECT or a plain request of HTTP, or SOCKS. */
export type Protocol = "connect" | "http" | "socks"

/** A connection that a program of a sandbox has asked for. */
export interface Connection {
  /** In milliseconds since 1970. */
  readonly at: number
  /** `"allowed"`; `"refused"`, by the rules; `"failed"`, allowed, and nobody was there. */
  readonly outcome: "allowed" | "refused" | "failed"
  readonly protocol?: Protocol
  /** The host's name, or its address, as it was asked for; absent if nothing could be made of the request. */
  readonly host?: string
  readonly port?: number
  /** The address that it was connected to. */
  readonly address?: string
  /** Why it was refused, or has failed. */
  readonly reason?: string
}

/** Writes down what came of a request, and returns that. */
export type Teller = (
  protocol: Protocol | undefined,
  to: Destination | undefined,
  what: Pick<Connection, "outcome" | "address" | "reason">
) => Connection["outcome"]

/** A teller by the clock of the effect that makes it. */
export const tellerOf = (report: (connection: Connection) => void): Effect.Effect<Teller> =>
  Effect.map(Clock.clockWith(Effect.succeed), (clock): Teller => (protocol, to, what) => {
    report({
      at: clock.currentTimeMillisUnsafe(),
      ...protocol === undefined ? {} : { protocol },
      ...to === undefined ? {} : { host: to.host, port: to.port },
      ...what
    })
    return what.outcome
  })

/** Why there is no connection. */
export class NoConnection extends Data.TaggedError("NoConnection")<{
  readonly outcome: "refused" | "failed"
  readonly reason: string
  /** Where it was to go, if that could be read. */
  readonly to?: Destination
}> {
  override get message(): string {
    return this.reason
  }
}
