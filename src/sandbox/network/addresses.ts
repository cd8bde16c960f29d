/**
 * What addresses are for. A name that somebody else's server resolves may lead to the application's own machine, to its
 * neighbours, or to the service that hands a cloud's machine its secrets: nothing of that is what a name stands for.
 *
 * @see RFC 6890, the registries of special-purpose addresses of IANA
 */
import { networkInterfaces } from "node:os"
import { type Address, type Cidr, formatAddress, networkOf, parseAddress, parseCidr } from "../../native/inet.ts"

/** Whether a network has an address. */
export const holds = (network: Cidr, { bytes, family }: Address): boolean => {
  if (network.family !== family) return false
  const { bytes: first } = networkOf(network)
  return networkOf({ bytes, family, prefix: network.prefix }).bytes.every((byte, index) => byte === first[index])
}

const blocks = (table: Readonly<Record<string, string>>): ReadonlyArray<readonly [Cidr, string]> =>
  Object.entries(table).map(([network, use]) => [parseCidr(network)!, use])

/** The first that has an address counts. */
const special = blocks({
  "0.0.0.0/8": "an address of no host",
  "10.0.0.0/8": "a private address",
  "100.64.0.0/10": "a private address of a provider",
  "127.0.0.0/8": "a loopback address",
  // of the internet by its number, and of the machine's host in truth: Azure's WireServer, which has its secrets
  "168.63.129.16/32": "the address of a cloud's own service",
  "169.254.0.0/16": "a link-local address",
  "172.16.0.0/12": "a private address",
  "192.0.0.0/24": "a reserved address",
  "192.0.2.0/24": "an address for documents",
  "192.88.99.0/24": "an address of a relay",
  "192.168.0.0/16": "a private address",
  "198.18.0.0/15": "an address for measurements",
  "198.51.100.0/24": "an address for documents",
  "203.0.113.0/24": "an address for documents",
  "224.0.0.0/4": "a multicast address",
  "240.0.0.0/4": "a reserved address",
  "::/128": "an address of no host",
  "::1/128": "a loopback address",
  "fc00::/7": "a unique local address",
  "fe80::/10": "a link-local address",
  "ff00::/8": "a multicast address",
  "2001::/23": "a reserved address",
  "2001:db8::/32": "an address for documents",
  "2002::/16": "an address of a relay",
  "3fff::/20": "an address for documents"
})

/** All that is given to hosts of the internet so far. */
const global6 = parseCidr("2000::/3")!

/** Addresses of IPv4 for hosts that have IPv6 only. @see RFC 6052 */
const translated = parseCidr("64:ff9b::/96")!

/** What an address is for, if it is none of a host of the internet. */
const specialUse = (address: Address): string | undefined => {
  if (holds(translated, address)) return specialUse({ family: 4, bytes: address.bytes.slice(12) })
  const [, use] = special.find(([network]) => holds(network, address)) ?? []
  return use ?? (address.family === 6 && !holds(global6, address) ? "a reserved address" : undefined)
}

/** As {@link specialUse}, of an address as text; `"no address"` for any other text. */
export const specialUseOf = (text: string): string | undefined => {
  const address = parseAddress(text)
  return address === undefined ? "no address" : specialUse(address)
}

/**
 * The addresses of this machine's interfaces: what listens on one of them may count on a firewall, which holds back nobody who
 * comes from the machine itself.
 */
export const ownAddresses = (): ReadonlyArray<string> =>
  Object.values(networkInterfaces()).flatMap((all = []) =>
    all.flatMap(({ address }) => {
      const parsed = parseAddress(address)
      return parsed === undefined ? [] : [formatAddress(parsed.bytes)]
    })
  )
