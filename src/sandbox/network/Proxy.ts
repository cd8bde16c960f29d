/**
 * A proxy that answers the programs of a sandbox: the only way out of a network that has no other one.
 *
 * It runs on the application's event loop, and whatever comes to it is a stranger's: so the number of connections is
 * bounded, each head is bounded in size and time, what is passed on is never buffered beyond what a stream holds, and
 * nothing of it keeps the application from ending.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { createServer, type Socket } from "node:net"
import { open, type Policy, type Request } from "./access.ts"
import { type Connection, NoConnection, type Teller, tellerOf } from "./Connection.ts"
import * as Http from "./http.ts"
import { owned, part, relay, take } from "./sockets.ts"
import { type Ask, ask4, ask5 } from "./socks.ts"

/** What a proxy works with. */
export interface Options extends Policy {
  /** Is told of each connection that a program asks for. */
  readonly report: (connection: Connection) => void
  /** How long a program may take to say what it wants, in milliseconds. */
  readonly patience?: number
}

/** Connections at the same time. */
const mostConnections = 128

/** {@link Options.patience} if absent. */
const usualPatience = 10_000

/** Fails if a program does not say in time what it wants. */
const inTimeOf = ({ patience = usualPatience }: Options) => <A>(head: Effect.Effect<A, "ended">) =>
  head.pipe(
    Effect.mapError(() => new NoConnection({ outcome: "refused", reason: "the request was not complete" })),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new NoConnection({ outcome: "refused", reason: "the request did not come in time" }))
    })
  )

/** What one connection does; each way of asking has its own words for an answer. */
const makeHandler = (options: Options, tell: Teller) => {
  const reader = Http.makeReader()
  const inTime = inTimeOf(options)

  /** Opens a connection, and reports what came of it. */
  const reach = (request: Request) =>
    open(options, request).pipe(
      Effect.tap(({ address }) => Effect.sync(() => tell(request.protocol, request, { outcome: "allowed", address }))),
      Effect.map(({ socket }) => socket),
      Effect.tapError(({ outcome, reason }) => Effect.sync(() => tell(request.protocol, request, { outcome, reason })))
    )

  const speakSocks = (client: Socket, head: Effect.Effect<Ask, "ended">) =>
    Effect.gen(function*() {
      const ask = yield* inTime(head)
      if (ask.to === undefined) {
        tell("socks", undefined, { outcome: "refused", reason: "only connections to a host and a port are made" })
        return yield* part(client, ask.refuse("malformed"))
      }
      const server = yield* Effect.result(reach({ ...ask.to, protocol: "socks" }))
      if (server._tag === "Failure") return yield* part(client, ask.refuse(server.failure.outcome))
      client.write(ask.accept)
      yield* relay(client, server.success)
    })

  const speakHttp = (client: Socket) =>
    Effect.gen(function*() {
      const head = yield* inTime(reader.read(client))
      if (head._tag === "Malformed") {
        tell(undefined, undefined, { outcome: "refused", reason: head.reason })
        return yield* part(client, Http.refusal("malformed", head.reason))
      }
      const protocol = head._tag === "Connect" ? "connect" : "http"
      const server = yield* Effect.result(reach({ ...head.to, protocol }))
      if (server._tag === "Failure") {
        return yield* part(client, Http.refusal(server.failure.outcome, server.failure.reason))
      }
      if (head._tag === "Plain") return yield* Http.forward(head, server.success)
      client.write(Http.established)
      yield* relay(client, server.success)
    })

  return (socket: Socket): Effect.Effect<void> =>
    Effect.scoped(Effect.gen(function*() {
      const client = yield* owned(socket)
      const first = yield* inTime(take(client, 1))
      if (first[0] === 5) return yield* speakSocks(client, ask5(client))
      if (first[0] === 4) return yield* speakSocks(client, ask4(client))
      client.unshift(first)
      yield* speakHttp(client)
    })).pipe(
      // what Node refuses to write for a stranger
      Effect.catchDefect((defect) => Effect.fail(new NoConnection({ outcome: "failed", reason: String(defect) }))),
      Effect.catch(({ outcome, reason }) => Effect.sync(() => tell(undefined, undefined, { outcome, reason })))
    )
}

/** Answers on a socket that listens, which is closed with the scope, as are all connections. */
export const serve = (listener: number, options: Options): Effect.Effect<void, Error, Scope.Scope> =>
  Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntime<never, void, never>()
    const handle = makeHandler(options, yield* tellerOf(options.report))
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void run(handle(socket)))
    server.maxConnections = mostConnections
    let full = false
    server.on("drop", () => {
      // once until there is room again: a program that opens ten thousand must not fill the log
      if (full) return
      full = true
      options.report({
        at: Date.now(),
        outcome: "refused",
        reason: `more than ${mostConnections} connections at a time`
      })
    })
    server.on("connection", () => void (full = false))
    yield* Effect.acquireRelease(
      Effect.callback<void, Error>((resume) => {
        server.once("error", (error) => resume(Effect.fail(error)))
        server.listen({ fd: listener, exclusive: true }, () => {
          // no descriptor is free for a moment: the connection waits
          server.removeAllListeners("error").on("error", () => {})
          resume(Effect.void)
        })
        server.unref()
      }),
      () => Effect.sync(() => void server.close())
    )
  })
