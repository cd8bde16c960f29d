/** The switches of IPv6 that sysctls and links share. */
import type { Machine } from "./Machine.ts"
import { isReady, linksOf } from "./Network.ts"
import * as Routes from "./Routes.ts"

// -- /proc/sys/net/ipv6/conf ------------------------------------------------------------------------------------------

/** The links of a namespace. */
export const linkNames = (m: Machine, ns: number): ReadonlyArray<string> => linksOf(m, ns).map(({ name }) => name)

/** `disable_ipv6` of a link by name; `undefined` if there is no such link. */
export const ipv6IsOff = (m: Machine, ns: number, name: string): boolean | undefined => {
  const link = linksOf(m, ns).find((other) => other.name === name)
  return link === undefined ? undefined : link.ipv6Off === true
}

/** Turns IPv6 of links off or on (addrconf_disable_ipv6); `all` means every link, also future ones. */
export const turnIpv6 = (m: Machine, ns: number, name: string, off: boolean): void => {
  for (const link of linksOf(m, ns)) {
    if ((name !== "all" && name !== link.name) || (link.ipv6Off === true) === off) continue
    const { ipv6Off: _, ...on } = link
    m.links.set(link.id, off ? { ...on, ipv6Off: true } : on)
    Routes.familiesChanged(m, link.id, isReady(m, link))
  }
  if (name === "all") m.sysctls.set(`${ns}:net/ipv6/conf/default/disable_ipv6`, off ? "1" : "0")
}
