/**
 * The proxy of a sandbox on a kernel in memory: it decides as the real one does, by the same rules and the application's own
 * functions, and connects to nobody.
 */
import * as Effect from "effect/Effect"
import type { Answer } from "../../native/Surroundings.ts"
import { admit, type Policy } from "./access.ts"
import { tellerOf } from "./Connection.ts"
import type { Connection } from "./Connection.ts"
import { authorityOf } from "./hosts.ts"

/** A public address. Without a `resolve`, each name leads to it: there are no name servers. */
const somewhere = ["93.184.216.34"]

/** Decides, and reports what came of it. */
export const answerBy = (
  { report, resolve = () => somewhere, ...policy }: Policy & { readonly report: (connection: Connection) => void }
): Answer =>
(text) =>
  Effect.gen(function*() {
    const tell = yield* tellerOf(report)
    const { host, port } = authorityOf(text) ?? {}
    if (host === undefined || port === undefined) {
      return tell(undefined, undefined, { outcome: "refused", reason: "CONNECT takes a host and a port" })
    }
    const request = { host, port, protocol: "connect" } as const
    // the machine in memory has no address of the internet
    return yield* Effect.match(admit({ ...policy, resolve, own: () => [] }, request), {
      onSuccess: ([address]) =>
        tell("connect", request, { outcome: "allowed", ...address === undefined ? {} : { address } }),
      onFailure: ({ outcome, reason }) => tell("connect", request, { outcome, reason })
    })
  })
