/**
 * IPv4 and IPv6 addresses as text and as bytes.
 *
 * Strict: dotted decimal without leading zeros, no zone ids, no shorthand such as `10/8`. An IPv4-mapped IPv6 address
 * (`::ffff:10.0.0.1`) counts as the IPv4 address that it stands for.
 *
 * @see inet_pton(3), RFC 4291 section 2.2, RFC 5952
 * @category networks
 * @since 0.1.0
 */

/** An address: 4 bytes for IPv4, 16 for IPv6, in network order. */
export interface Address {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
}

/** An address with a prefix length, as `10.0.0.1/24`. The bits after the prefix are kept as written. */
export interface Cidr extends Address {
  /** 0 to 32 or 0 to 128. */
  readonly prefix: number
}

const decimal = /^(?:0|[1-9][0-9]{0,2})$/
const hextet = /^[0-9a-fA-F]{1,4}$/

const parseV4 = (text: string): ReadonlyArray<number> | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4 || !parts.every((part) => decimal.test(part))) return undefined
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

/** The bytes of colon-separated groups; the last may be a dotted IPv4 address. */
const parseGroups = (text: string, isEnd: boolean): ReadonlyArray<number> | undefined => {
  if (text === "") return []
  const groups = text.split(":")
  const bytes: Array<number> = []
  for (const [index, group] of groups.entries()) {
    if (hextet.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const dotted = isEnd && index === groups.length - 1 ? parseV4(group) : undefined
    if (dotted === undefined) return undefined
    bytes.push(...dotted)
  }
  return bytes
}

const parseV6 = (text: string): ReadonlyArray<number> | undefined => {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  if (halves.length === 1) {
    const bytes = parseGroups(text, true)
    return bytes?.length === 16 ? bytes : undefined
  }
  const head = parseGroups(halves[0]!, false)
  const tail = parseGroups(halves[1]!, true)
  // `::` stands for at least one group
  if (head === undefined || tail === undefined || head.length + tail.length > 14) return undefined
  return [...head, ...Array.from({ length: 16 - head.length - tail.length }, () => 0), ...tail]
}

const isMapped = (bytes: ReadonlyArray<number>): boolean =>
  bytes[10] === 0xff && bytes[11] === 0xff && bytes.slice(0, 10).every((byte) => byte === 0)

/** Reads an address; `undefined` if the text is not an address. */
export const parseAddress = (text: string): Address | undefined => {
  const v4 = parseV4(text)
  if (v4 !== undefined) return { family: 4, bytes: Uint8Array.from(v4) }
  const v6 = parseV6(text)
  if (v6 === undefined) return undefined
  return isMapped(v6)
    ? { family: 4, bytes: Uint8Array.from(v6.slice(12)) }
    : { family: 6, bytes: Uint8Array.from(v6) }
}

/** Reads an address with a prefix length; `undefined` if the text is not that. */
export const parseCidr = (text: string): Cidr | undefined => {
  const slash = text.indexOf("/")
  if (slash < 0) return undefined
  const written = text.slice(0, slash)
  const length = text.slice(slash + 1)
  const address = parseAddress(written)
  if (address === undefined || !decimal.test(length)) return undefined
  // the prefix of a mapped address counts its 96 leading bits
  const prefix = Number(length) - (address.family === 4 && written.includes(":") ? 96 : 0)
  return prefix >= 0 && prefix <= address.bytes.length * 8 ? { ...address, prefix } : undefined
}

/** The network of an address: all bits after the prefix are cleared. */
export const networkOf = ({ bytes, family, prefix }: Cidr): Cidr => ({
  family,
  prefix,
  bytes: bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))))
})

/** Whether a bit after the prefix is set: `10.0.0.1/24` has one, `10.0.0.0/24` has none. */
export const hasHostBits = (cidr: Cidr): boolean =>
  networkOf(cidr).bytes.some((byte, index) => byte !== cidr.bytes[index])

/** The canonical text of an address of 4 or 16 bytes. @see RFC 5952 */
export const formatAddress = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".")
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!)
  let start = 0
  let length = 0
  for (let from = 0; from < 8; from++) {
    let to = from
    while (to < 8 && groups[to] === 0) to++
    if (to - from > length) [start, length] = [from, to - from]
  }
  const hex = (part: ReadonlyArray<number>): string => part.map((group) => group.toString(16)).join(":")
  // a single zero group is written out
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`
}

/** The canonical text of an address with its prefix length. */
export const formatCidr = (cidr: Cidr): string => `${formatAddress(cidr.bytes)}/${cidr.prefix}`
