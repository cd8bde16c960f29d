/** The environment of a program: what is named, and nothing else of the caller's. */
import * as Redacted from "effect/Redacted"
import process from "node:process"
import type { Container } from "../../config/Container.ts"
import type { Description } from "../Description.ts"
import { proxyVariables } from "../network/door.ts"
import { isAllow } from "./networks.ts"

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** The environment that a description asks for. */
export const envOf = ({ env = {}, inherit = [], network, tmp }: Description): Container["process"]["env"] => {
  const all: Array<readonly [string, string | Redacted.Redacted<string>]> = [
    ["PATH", path],
    ["HOME", tmp === false ? "/" : "/tmp"],
    ...(isAllow(network) ? proxyVariables : []),
    ...inherit.flatMap((name) => process.env[name] === undefined ? [] : [[name, process.env[name]] as const]),
    ...Object.entries(env)
  ]
  return [...new Map(all)].map(([name, value]) =>
    Redacted.isRedacted(value) ? Redacted.make(`${name}=${Redacted.value(value)}`) : `${name}=${value}`
  )
}
