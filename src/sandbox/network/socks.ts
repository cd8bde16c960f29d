/**
 * SOCKS 5 without authentication, and SOCKS 4 with names (4a): the request, and its answers. Only connections are made.
 *
 * @see RFC 1928, SOCKS 4A by Ying-Da Lee
 */
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { formatAddress } from "../../native/inet.ts"
import { type Destination, hostOf } from "./hosts.ts"
import { take } from "./sockets.ts"

/** What a program has asked for, and how it is answered. */
export interface Ask {
  /** Where it wants to go; absent if that is none. */
  readonly to?: Destination
  readonly accept: Uint8Array
  readonly refuse: (why: "refused" | "failed" | "malformed") => Uint8Array
}

const CONNECT = 1

const reply4 = (code: number): Uint8Array => Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0)

const reply5 = (code: number): Uint8Array => Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0)

/** Not allowed by ruleset; host unreachable; command not supported. */
const codes5 = { refused: 2, failed: 4, malformed: 7 } as const

const asked = (host: string | undefined, port: number): { readonly to?: Destination } =>
  host === undefined || port === 0 ? {} : { to: { host, port } }

/** A text that ends with a zero. */
const text = (socket: Socket): Effect.Effect<string, "ended"> =>
  Effect.gen(function*() {
    let all = ""
    while (all.length < 256) {
      const [byte] = yield* take(socket, 1)
      if (byte === 0) return all
      all += String.fromCharCode(byte!)
    }
    return yield* Effect.fail("ended" as const)
  })

/** A request of SOCKS 4, behind its first byte. */
export const ask4 = (socket: Socket): Effect.Effect<Ask, "ended"> =>
  Effect.gen(function*() {
    const head = yield* take(socket, 7)
    yield* text(socket)
    const address = head.subarray(3)
    // 0.0.0.x: a name follows
    const byName = address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] !== 0
    const host = byName ? yield* text(socket) : formatAddress(address)
    return {
      ...head[0] === CONNECT ? asked(hostOf(host), head.readUInt16BE(1)) : {},
      accept: reply4(90),
      refuse: () => reply4(91)
    }
  })

const host5 = (socket: Socket, type: number): Effect.Effect<string | undefined, "ended"> =>
  Effect.gen(function*() {
    if (type === 1) return formatAddress(yield* take(socket, 4))
    if (type === 4) return hostOf(formatAddress(yield* take(socket, 16)))
    if (type !== 3) return yield* Effect.fail("ended" as const)
    const [length] = yield* take(socket, 1)
    return length === 0 ? undefined : hostOf((yield* take(socket, length!)).toString("latin1"))
  })

/** A request of SOCKS 5, behind its first byte. */
export const ask5 = (socket: Socket): Effect.Effect<Ask, "ended"> =>
  Effect.gen(function*() {
    const [count] = yield* take(socket, 1)
    const methods = count === 0 ? Buffer.of() : yield* take(socket, count!)
    const open = methods.includes(0)
    socket.write(Uint8Array.of(5, open ? 0 : 0xff))
    if (!open) return yield* Effect.fail("ended" as const)
    const [version, command, , type] = yield* take(socket, 4)
    if (version !== 5) return yield* Effect.fail("ended" as const)
    const host = yield* host5(socket, type!)
    const port = (yield* take(socket, 2)).readUInt16BE(0)
    return {
      ...command === CONNECT ? asked(host, port) : {},
      accept: reply5(0),
      refuse: (why) => reply5(codes5[why])
    }
  })
