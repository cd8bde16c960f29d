/**
 * The addresses of the machine that this runs on, by link. getifaddrs(3) tells all, but Node leaves out a link without a
 * carrier, as a bridge that no container is connected to. Of these, /proc/net tells the IPv6 addresses, and the IPv4 ones
 * in two parts: which are local, and which networks are behind a link. A link that is down has no network, and no IPv4
 * address here.
 */
import * as os from "node:os"
import { type Cidr, formatAddress, formatCidr, networkOf, parseAddress, parseCidr } from "../../native/inet.ts"
import type { Given } from "../Routes.ts"
import { hostText } from "./hostUser.ts"

/** A network that is reached through a link without a gateway. */
interface Connected {
  readonly link: number
  readonly network: Cidr
}

const isIn = ({ bytes, family }: Pick<Cidr, "bytes" | "family">, { network }: Connected): boolean =>
  family === network.family && formatCidr(networkOf({ bytes, family, prefix: network.prefix })) === formatCidr(network)

/** The IPv4 addresses that are local, whatever link they are of. */
const localAddresses = (): ReadonlyArray<string> =>
  [...(hostText("/proc/net/fib_trie") ?? "").matchAll(/\|-- ([\d.]+)((?:\n +\/.*)+)/g)].flatMap(([, address, uses]) =>
    uses!.includes("/32 host LOCAL") ? [address!] : []
  )

/** The addresses of each link, by its index; each with its prefix. */
export const hostAddresses = (
  indexOf: (name: string) => number | undefined,
  routes: ReadonlyArray<Given>
): ReadonlyMap<number, ReadonlyArray<string>> => {
  const found = new Map<number, Set<string>>()
  const add = (link: number | undefined, address: string | null): void => {
    if (link === undefined || address === null) return
    const known = found.get(link) ?? new Set()
    found.set(link, known.add(address))
  }
  const seen = new Set<string>()
  for (const [name, addresses = []] of Object.entries(os.networkInterfaces())) {
    for (const { address, cidr } of addresses) {
      add(indexOf(name), cidr)
      seen.add(address)
    }
  }
  // the address, and in hexadecimal the link's index and the length of the prefix
  for (
    const [, address, index, length] of (hostText("/proc/net/if_inet6") ?? "").matchAll(/^(\w{32}) (\w+) (\w+) /gm)
  ) {
    const bytes = Uint8Array.from(Buffer.from(address!, "hex"))
    add(Number.parseInt(index!, 16), `${formatAddress(bytes)}/${Number.parseInt(length!, 16)}`)
  }
  const connected = routes.flatMap(({ destination, gateway, link }): ReadonlyArray<Connected> => {
    const network = destination === null || gateway !== null ? undefined : parseCidr(destination)
    return network === undefined ? [] : [{ link, network }]
  }).toSorted((one, other) => other.network.prefix - one.network.prefix)
  for (const text of localAddresses().filter((text) => !seen.has(text))) {
    const address = parseAddress(text)!
    const behind = connected.find((network) => isIn(address, network))
    if (behind !== undefined) add(behind.link, `${text}/${behind.network.prefix}`)
  }
  return new Map([...found].map(([link, addresses]) => [link, [...addresses]]))
}
