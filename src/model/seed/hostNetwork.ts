/** The links and routes of the machine that this runs on. */
import { readdirSync, readlinkSync } from "node:fs"
import { basename } from "node:path"
import { formatAddress } from "../../native/inet.ts"
import type { Given } from "../Routes.ts"
import type { Builder } from "./Builder.ts"
import { hostAddresses } from "./hostAddresses.ts"
import { isDirectoryOnHost } from "./hostMounts.ts"
import { hostText } from "./hostUser.ts"
import { link } from "./objects.ts"

export const hostLinks = (make: Builder, ns: number): void => {
  let names: ReadonlyArray<string> = []
  try {
    names = readdirSync("/sys/class/net")
  } catch {
    // without sysfs, assume lo only
  }
  const number = (name: string, file: string, otherwise: number): number =>
    Number(hostText(`/sys/class/net/${name}/${file}`)?.trim() ?? otherwise)
  const indices = new Map(
    (names.length === 0 ? ["lo"] : names).map((name) => [name, number(name, "ifindex", 1)] as const)
      .filter(([, index]) => Number.isInteger(index))
  )
  const indexOf = (name: string) => indices.get(name)
  const addresses = hostAddresses(indexOf, hostRoutes(indexOf))
  for (const [name, index] of indices) {
    const bridge = isDirectoryOnHost(`/sys/class/net/${name}`) &&
      hostText(`/sys/class/net/${name}/bridge/bridge_id`) !== undefined
    const master = nameOfLink(`/sys/class/net/${name}/master`)
    const alias = hostText(`/sys/class/net/${name}/ifalias`)?.trim()
    link(make, ns, index, name, {
      kind: bridge ? "bridge" : "",
      txQueueLength: number(name, "tx_queue_len", 1000),
      ...master === undefined ? {} : { master: number(master, "ifindex", 0) },
      ...alias === undefined || alias === "" ? {} : { alias },
      ...hostText(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)?.trim() === "1" ? { ipv6Off: true } : {},
      up: (number(name, "flags", 1) & 1) === 1,
      mtu: number(name, "mtu", 1500),
      mac: hostText(`/sys/class/net/${name}/address`)?.trim() ?? "00:00:00:00:00:00",
      addresses: addresses.get(index) ?? []
    })
  }
  make.change(ns, "net", { nextIndex: Math.max(1, ...indices.values()) + 1 })
}

const nameOfLink = (path: string): string | undefined => {
  try {
    return basename(readlinkSync(path))
  } catch {
    return undefined
  }
}

/** The routes of the main tables. IPv4 routes have no preferred source, because /proc does not list it. */
export const hostRoutes = (indexOf: (name: string) => number | undefined): ReadonlyArray<Given> => {
  const linkOf = (name: string | undefined): number | undefined => name === undefined ? undefined : indexOf(name)
  const rows = (path: string): ReadonlyArray<ReadonlyArray<string>> =>
    (hostText(path) ?? "").split("\n").map((line) => line.trim().split(/\s+/)).filter((row) => row.length > 1)
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
  // RTF_UP, and neither RTF_REJECT nor RTF_LOCAL (linux/route.h, linux/ipv6_route.h)
  const isUsual = (flags: string | undefined): boolean => (Number.parseInt(flags ?? "0", 16) & 0x8000_0201) === 1
  const four = rows("/proc/net/route").slice(1).flatMap(
    ([name, to, by, flags, , , , mask]): ReadonlyArray<Given> => {
      const link = linkOf(name)
      if (link === undefined || !isUsual(flags)) return []
      // in the machine's byte order; all supported machines are little-endian
      const text = (hex: string): string => formatAddress(bytes(hex).toReversed())
      const prefix = Number.parseInt(mask!, 16).toString(2).replaceAll("0", "").length
      return [{
        family: 4,
        destination: prefix === 0 ? null : `${text(to!)}/${prefix}`,
        gateway: by === "00000000" ? null : text(by!),
        link
      }]
    }
  )
  const six = rows("/proc/net/ipv6_route").flatMap((row): ReadonlyArray<Given> => {
    const link = linkOf(row[9])
    const [to, length] = [row[0]!, Number.parseInt(row[1]!, 16)]
    // multicast routes are added with the addresses
    if (link === undefined || !isUsual(row[8]) || to.startsWith("ff")) return []
    return [{
      family: 6,
      destination: length === 0 ? null : `${formatAddress(bytes(to))}/${length}`,
      gateway: /^0+$/.test(row[4]!) ? null : formatAddress(bytes(row[4]!)),
      link
    }]
  })
  return [...four, ...six]
}
