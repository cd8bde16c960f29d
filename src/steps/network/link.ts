/**
 * Looks up interfaces, and removes those that runfx has made.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Answer, Link, Request } from "../../native/Rtnetlink.ts"

/** What the kernel reports about an interface. */
export type LinkInfo = Answer & { readonly _tag: "Link" }

/**
 * An interface on the host that we made. Its index distinguishes it from a later one of the same name: the kernel does not choose
 * an index twice while the host runs.
 */
export interface HostLink {
  readonly name: string
  readonly index: number
  /** `IFLA_INFO_KIND`. */
  readonly kind: string
}

/** Makes a request that has no answer but success. */
export const request = (request: Request): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.asVoid(sys.rtnetlink({ request }))

const isLink = (answer: Answer): answer is LinkInfo => answer._tag === "Link"

/** All interfaces of this network namespace. */
export const links: Effect.Effect<ReadonlyArray<LinkInfo>, SyscallError, Kernel> = Effect.map(
  sys.rtnetlink({ request: { _tag: "LinkList" } }),
  (answers) => answers.filter(isLink)
)

/** One interface; fails with `ENODEV` if there is none. */
export const linkOf = (link: Link): Effect.Effect<LinkInfo, SyscallError, Kernel> =>
  Effect.flatMap(sys.rtnetlink({ request: { _tag: "LinkGet", link } }), (answers) => {
    const found = answers.find(isLink)
    return found === undefined
      ? Effect.die(new Error(`RTM_GETLINK of ${link} answered nothing`))
      : Effect.succeed(found)
  })

/** For an interface that may not exist: the failure `ENODEV` becomes `undefined`. */
export const ifThere = <A, R>(
  effect: Effect.Effect<A, SyscallError, R>
): Effect.Effect<A | undefined, SyscallError, R> =>
  Effect.catch(effect, (error) => error.code === "ENODEV" ? Effect.succeed(undefined) : Effect.fail(error))

/** The interface that we made, if it still exists with its index; `undefined` if it is gone. */
export const stillOurs = (link: HostLink): Effect.Effect<LinkInfo | undefined, SyscallError, Kernel> =>
  Effect.map(ifThere(linkOf(link.index)), (found) => found?.kind === link.kind ? found : undefined)

/** Deletes an interface that we made, if it is still there. */
export const removeLink = (link: HostLink): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(stillOurs(link), (found) =>
    found === undefined
      ? Effect.void
      // it may disappear between the two calls, with its network namespace
      : Effect.asVoid(ifThere(request({ _tag: "LinkDelete", link: found.index }))))
