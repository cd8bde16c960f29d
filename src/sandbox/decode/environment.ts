/** The environment of a program: what is named, and nothing else of the caller's. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Container } from "../../config/Container.ts"
import { Surroundings } from "../../native/Surroundings.ts"
import type { Description } from "../Description.ts"
import { proxyVariables } from "../network/door.ts"
import { isAllow } from "./networks.ts"

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** A home that is the sandbox's own. */
export const ownHome = "/home/sandbox"

/** The environment that a description asks for. */
export const envOf = (description: Description): Effect.Effect<Container["process"]["env"]> =>
  Effect.map(Surroundings, (surroundings) => variablesOf(description, surroundings))

const variablesOf = (
  { env = {}, home = false, inherit = [], network, tmp }: Description,
  { env: own }: Surroundings
): Container["process"]["env"] => {
  const all: Array<readonly [string, string | Redacted.Redacted<string>]> = [
    ["PATH", path],
    ["HOME", home !== false ? ownHome : tmp === false ? "/" : "/tmp"],
    ...(isAllow(network) ? proxyVariables : []),
    ...inherit.flatMap((name) => own[name] === undefined ? [] : [[name, own[name]] as const]),
    ...Object.entries(env)
  ]
  return [...new Map(all)].map(([name, value]) =>
    Redacted.isRedacted(value) ? Redacted.make(`${name}=${Redacted.value(value)}`) : `${name}=${value}`
  )
}
