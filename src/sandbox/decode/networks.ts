/** Networks of a sandbox in the form of the model. */
import { type Problem, problem } from "../../config/ConfigError.ts"
import type { Network } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import type { Allow, Description, Veth } from "../Description.ts"

type Given = NonNullable<Description["network"]>

/** Whether it is a list of hosts. */
export const isAllow = (network: Description["network"]): network is Allow =>
  typeof network === "object" && "allow" in network

/** Whether it is a bridge of the host. */
const isVeth = (network: Description["network"]): network is Veth => typeof network === "object" && "bridge" in network

/** Whether names are resolved in it as on the host. */
export const hasResolver = (network: Description["network"]): boolean => network === "host" || isVeth(network)

const vethOf = ({ createBridge, name = "eth0", ...rest }: Veth): Network => ({
  ...rest,
  strategy: "veth",
  name,
  ...given({ createBridge: createBridge === undefined ? undefined : { address: createBridge } })
})

/** The networks that a description asks for, of which the loopback interface is one. */
export const networksOf = (network: Given, loopback: ReadonlyArray<Network>): ReadonlyArray<Network> => {
  if (network === "none" || network === "host") return []
  return isVeth(network) ? [...loopback, vethOf(network)] : loopback
}

/** What a caller without privileges can't have of it. */
export const networkProblems = (network: Given, rules: boolean): ReadonlyArray<Problem> =>
  isVeth(network) && !rules
    ? [
      problem(
        "network.bridge",
        network.bridge,
        "takes root's rights over the host's network: use { allow: […] } without them"
      )
    ]
    : []
