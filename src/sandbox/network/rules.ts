/** What a list of hosts allows. */
import { type Cidr, parseAddress, parseCidr } from "../../native/inet.ts"
import { holds } from "./addresses.ts"
import { type Destination, nameOf, portOf } from "./hosts.ts"

/** What one entry of a list allows. */
export interface Rule {
  readonly of:
    | { readonly _tag: "Name"; readonly name: string }
    /** All names below one, however deep; not itself. */
    | { readonly _tag: "Below"; readonly name: string }
    | { readonly _tag: "Any" }
    | { readonly _tag: "Addresses"; readonly network: Cidr }
  readonly ports: ReadonlyArray<number>
}

/** HTTPS and HTTP. */
const usualPorts: ReadonlyArray<number> = [443, 80]

/** What an entry must be. */
export const ruleForm =
  "must be a host as \"example.org\", \"example.org:443\", \"*.example.org\", \"10.0.0.7:5432\", \"10.0.0.0/8\" or \"[fd00::7]:443\""

const placeOf = (text: string): Rule["of"] | undefined => {
  if (text === "*") return { _tag: "Any" }
  const below = text.startsWith("*.")
  const address = parseAddress(text)
  if (address !== undefined) {
    return { _tag: "Addresses", network: { ...address, prefix: address.bytes.length * 8 } }
  }
  const network = parseCidr(text)
  if (network !== undefined) return { _tag: "Addresses", network }
  const name = nameOf(below ? text.slice(2) : text)
  return name === undefined ? undefined : { _tag: below ? "Below" : "Name", name }
}

/** An address of IPv6 in brackets, or anything else without a colon; and a port. */
const entry = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::(.*))?$/s

/** Reads an entry; `undefined` for what is none. */
export const ruleOf = (text: string): Rule | undefined => {
  // without brackets, an address of IPv6 has no port
  const bare = text.includes("::") || text.split(":").length > 2 ? placeOf(text) : undefined
  if (bare?._tag === "Addresses") return { of: bare, ports: usualPorts }
  const [, inBrackets, plain, port] = entry.exec(text) ?? []
  const of = placeOf(inBrackets ?? plain ?? "")
  if (of === undefined || inBrackets !== undefined && of._tag !== "Addresses") return undefined
  if (port === undefined) return { of, ports: usualPorts }
  const number = portOf(port)
  return number === undefined ? undefined : { of, ports: [number] }
}

/** Whether rules name an address themselves, with a port. */
export const nameAddress = (rules: ReadonlyArray<Rule>, { host, port }: Destination): boolean => {
  const address = parseAddress(host)
  return address !== undefined &&
    rules.some(({ of, ports }) => of._tag === "Addresses" && holds(of.network, address) && ports.includes(port))
}

const fits = ({ of }: Rule, host: string): boolean => {
  switch (of._tag) {
    case "Any":
      return true
    case "Name":
      return host === of.name
    case "Below":
      return host.endsWith(`.${of.name}`)
    case "Addresses":
      return false
  }
}

/** Whether rules allow a destination. An address is allowed only if it is named itself. */
export const allow = (rules: ReadonlyArray<Rule>, to: Destination): boolean =>
  parseAddress(to.host) === undefined
    ? rules.some((rule) => rule.ports.includes(to.port) && fits(rule, to.host))
    : nameAddress(rules, to)
