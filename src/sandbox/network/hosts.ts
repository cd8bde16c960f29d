/**
 * Hosts as a stranger names them: a name, or an address, in the one form in which it is compared and looked up. What a
 * resolver might read in another way than the rules do is no host.
 */
import { domainToASCII } from "node:url"
import { formatAddress, parseAddress } from "../../native/inet.ts"

/** A host and a port. */
export interface Destination {
  /** A name in lower case and ASCII, without a dot at its end, or an address in its canonical form. */
  readonly host: string
  readonly port: number
}

const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/

/** Resolvers take a name that ends so for an address: 127.1, 0x7f000001, 2130706433. */
const numeric = /^(?:[0-9]+|0x[0-9a-f]*)$/

const longest = 253

/** Of ASCII, what no name has: the function below would leave it out, or decode it. */
const strange = /[^A-Za-z0-9._\-\u0080-\uffff]/

/** A name in the form in which it is compared; `undefined` for what is none. */
export const nameOf = (text: string): string | undefined => {
  if (strange.test(text)) return undefined
  const ascii = /[^\0-\x7f]/.test(text) ? domainToASCII(text) : text.toLowerCase()
  const name = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii
  const labels = name.split(".")
  if (name.length > longest || !labels.every((one) => label.test(one)) || numeric.test(labels.at(-1)!)) return undefined
  return name
}

/** An address in its canonical form; one of IPv4 in IPv6 is that of IPv4. */
export const addressOf = (text: string): string | undefined => {
  const address = parseAddress(text)
  return address === undefined ? undefined : formatAddress(address.bytes)
}

/** A name or an address, as SOCKS has it. */
export const hostOf = (text: string): string | undefined => addressOf(text) ?? nameOf(text)

/** A port in decimal; `undefined` for what is none. */
export const portOf = (text: string): number | undefined => {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  return port > 0 && port <= 0xffff ? port : undefined
}

const bracketed = /^\[([0-9a-fA-F:.]+)\](?::([0-9]+))?$/

/** `host:port`, `[address]:port`, or without a port; `undefined` for anything else. */
export const authorityOf = (text: string): { readonly host: string; readonly port?: number } | undefined => {
  const inBrackets = bracketed.exec(text)
  const [written, port] = inBrackets === null ? text.split(":") : [inBrackets[1]!, inBrackets[2]]
  // an address of IPv6 is in brackets, else its end would look like a port
  if (inBrackets === null && (written === undefined || text.split(":").length > 2)) return undefined
  const host = inBrackets === null ? hostOf(written!) : addressOf(written!)
  if (host === undefined) return undefined
  if (port === undefined) return { host }
  const number = portOf(port)
  return number === undefined ? undefined : { host, port: number }
}

/** A host and a port as they are written, with brackets where there must be some. */
export const written = ({ host, port }: Destination): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
