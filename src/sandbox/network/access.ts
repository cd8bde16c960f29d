/**
 * From a name that a program asks for to a connection: the rules, the application's own function, the addresses that the
 * name leads to, and a connection to one of exactly these. The name is resolved once: a second time it could lead to
 * another address than the one that was checked.
 *
 * @category networks
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Resolver } from "node:dns/promises"
import { connect, type Socket } from "node:net"
import { ownAddresses, specialUseOf } from "./addresses.ts"
import { NoConnection, type Protocol } from "./Connection.ts"
import { addressOf, type Destination, written } from "./hosts.ts"
import { allow, nameAddress, type Rule } from "./rules.ts"

/** What a program asks for. */
export interface Request extends Destination {
  readonly protocol: Protocol
}

/** A value that may come later. */
export type Answer<A> = A | PromiseLike<A> | Effect.Effect<A, unknown>

/** Who may be reached, and how that is found out. */
export interface Policy {
  readonly rules: ReadonlyArray<Rule>
  /** Asked for what no rule allows. */
  readonly ask?: (request: Request) => Answer<boolean>
  /** The addresses of a name. */
  readonly resolve?: (name: string) => Answer<ReadonlyArray<string>>
  /** The addresses of this machine, in their canonical form; those of its interfaces if absent. */
  readonly own?: () => ReadonlyArray<string>
}

/** How long the application may think: it may have to ask a person. */
const thinking = 120_000

/** How long names may take to be resolved. */
const resolving = 10_000

/** How long each address is tried, and how many are. */
const connecting = 5000
const mostAddresses = 8

const refused = (to: Destination, reason: string) => new NoConnection({ outcome: "refused", reason, to })
const failed = (to: Destination, reason: string) => new NoConnection({ outcome: "failed", reason, to })

const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** What a function of the application answers, whichever way. */
const answerOf = <A>(ask: () => Answer<A>): Effect.Effect<A, unknown> =>
  Effect.suspend(() => {
    const answer = ask()
    if (Effect.isEffect(answer)) return answer as Effect.Effect<A, unknown>
    return Effect.tryPromise({ try: () => Promise.resolve(answer as A), catch: (error) => error })
  })

/** Fails if there is no answer in time, and turns a defect into a failure: what can't be decided is not allowed. */
const sure = <A>(answer: Effect.Effect<A, unknown>, milliseconds: number, otherwise: (why: string) => NoConnection) =>
  answer.pipe(
    Effect.timeoutOrElse({
      duration: milliseconds,
      orElse: () => Effect.fail(`no answer within ${milliseconds / 1000} seconds`)
    }),
    Effect.catchDefect(Effect.fail),
    Effect.mapError((error) => otherwise(textOf(error)))
  )

/** Fails if neither the rules nor the application allow it. */
const judge = ({ ask, rules }: Policy, request: Request): Effect.Effect<void, NoConnection> => {
  if (allow(rules, request)) return Effect.void
  const otherwise = refused(request, `${written(request)} is not allowed`)
  if (ask === undefined) return Effect.fail(otherwise)
  const answer = sure(
    answerOf(() => ask(request)),
    thinking,
    (why) => refused(request, `${written(request)} is not allowed: the application was asked: ${why}`)
  )
  return Effect.flatMap(answer, (allowed) => allowed === true ? Effect.void : Effect.fail(otherwise))
}

/** Asks the servers of the host's configuration, without a thread: slow ones can't hold up the application's files. */
const askServers = (name: string): Effect.Effect<ReadonlyArray<string>, unknown> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Resolver({ timeout: 3000, tries: 2 })),
    (resolver) =>
      Effect.gen(function*() {
        const both = yield* Effect.all(
          [Effect.tryPromise(() => resolver.resolve4(name)), Effect.tryPromise(() => resolver.resolve6(name))].map(
            Effect.result
          ),
          { concurrency: 2 }
        )
        const found = both.flatMap((one) => one._tag === "Success" ? one.success : [])
        const [first] = both
        return found.length === 0 && first?._tag === "Failure" ? yield* Effect.fail(first.failure.cause) : found
      }),
    (resolver) => Effect.sync(() => resolver.cancel())
  )

/** The addresses that a request may be connected to: none that its name must not lead to. */
const addressesOf = (policy: Policy, request: Request): Effect.Effect<ReadonlyArray<string>, NoConnection> =>
  Effect.gen(function*() {
    const { host, port } = request
    if (addressOf(host) !== undefined) return [host]
    const { resolve } = policy
    const asked = resolve === undefined ? askServers(host) : answerOf(() => resolve(host))
    const found = yield* sure(asked, resolving, (why) => failed(request, `${host} can't be resolved: ${why}`))
    const list = Array.isArray(found) ? found.slice(0, mostAddresses).map(String) : []
    const own = new Set((policy.own ?? ownAddresses)())
    const uses = list.map((text) => {
      const address = addressOf(text) ?? text
      return { address, use: specialUseOf(text) ?? (own.has(address) ? "an address of this machine" : undefined) }
    })
    const open = uses.filter(({ address, use }) =>
      use === undefined || nameAddress(policy.rules, { host: address, port })
    )
    if (open.length > 0) return open.map(({ address }) => address)
    const [first] = uses
    return yield* first === undefined
      ? failed(request, `${host} has no address`)
      : refused(request, `${host} leads to ${first.address}, which is ${first.use}, and is not named itself`)
  })

/** One try; the socket is the scope's. */
const dial = (host: string, port: number): Effect.Effect<Socket, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => connect({ host, port, allowHalfOpen: true, noDelay: true }).unref()),
    (socket) => Effect.sync(() => void socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, string>((resume) => {
        const fail = (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message))
        socket.once("error", fail).once("connect", () => {
          socket.off("error", fail).on("error", () => {})
          resume(Effect.void)
        })
        return Effect.sync(() => void socket.destroy())
      })
    ),
    Effect.timeoutOrElse({ duration: connecting, orElse: () => Effect.fail("ETIMEDOUT") })
  )

/** The addresses that a program may be connected to, if it asks for a host: at least one. */
export const admit = (policy: Policy, request: Request): Effect.Effect<ReadonlyArray<string>, NoConnection> =>
  Effect.andThen(judge(policy, request), addressesOf(policy, request))

/** A connection that is allowed, and the address that it leads to. */
export const open = (
  policy: Policy,
  request: Request
): Effect.Effect<{ readonly socket: Socket; readonly address: string }, NoConnection, Scope.Scope> =>
  Effect.gen(function*() {
    const problems: Array<string> = []
    for (const address of yield* admit(policy, request)) {
      const tried = yield* Effect.result(dial(address, request.port))
      if (tried._tag === "Success") return { socket: tried.success, address }
      problems.push(`${address}: ${tried.failure}`)
    }
    return yield* failed(request, `nobody answers: ${problems.join(", ")}`)
  })
