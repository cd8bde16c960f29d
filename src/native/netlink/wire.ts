/**
 * The layout of netlink messages: headers and attributes, written and read within bounds.
 *
 * All integers are in the machine's byte order; both machines that runfx knows, x86-64 and arm64, are little-endian.
 *
 * @see netlink(7), rtnetlink(7), `linux/netlink.h`
 */

/** Size of `struct nlmsghdr`. */
export const headerSize = 16

/** Messages and attributes start at multiples of four bytes. */
const align = (length: number): number => Math.ceil(length / 4) * 4

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + align(part.length), 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += align(part.length)
  }
  return out
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Four bytes of an unsigned integer. */
export const u32 = (value: number): Uint8Array => {
  const out = new Uint8Array(4)
  viewOf(out).setUint32(0, value, true)
  return out
}

/** Text with the NUL that ends it in C. */
export const cString = (text: string): Uint8Array => Buffer.from(`${text}\0`)

/** One attribute: `struct rtattr` and its payload. Its length field does not count the padding. */
export const attribute = (type: number, payload: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4 + payload.length)
  const view = viewOf(out)
  view.setUint16(0, out.length, true)
  view.setUint16(2, type, true)
  out.set(payload, 4)
  return out
}

/** An attribute that holds others, after a fixed part if there is one. */
export const nested = (type: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => attribute(type, concat(parts))

/** `struct ifinfomsg`. */
export const ifinfomsg = (fields: { index?: number; flags?: number; change?: number } = {}): Uint8Array => {
  const out = new Uint8Array(16)
  const view = viewOf(out)
  view.setInt32(4, fields.index ?? 0, true)
  view.setUint32(8, fields.flags ?? 0, true)
  view.setUint32(12, fields.change ?? 0, true)
  return out
}

/** `struct ifaddrmsg`. */
export const ifaddrmsg = (fields: { family: number; prefix: number; flags: number; index: number }): Uint8Array => {
  const out = new Uint8Array(8)
  out.set([fields.family, fields.prefix, fields.flags, 0])
  viewOf(out).setUint32(4, fields.index, true)
  return out
}

/** `struct rtmsg`. */
export const rtmsg = (fields: {
  family: number
  destinationLength: number
  table: number
  protocol: number
  scope: number
  type: number
}): Uint8Array => {
  const out = new Uint8Array(12)
  out.set([
    fields.family,
    fields.destinationLength,
    0,
    0,
    fields.table,
    fields.protocol,
    fields.scope,
    fields.type
  ])
  return out
}

/** A whole message: `struct nlmsghdr`, the fixed part, the attributes. */
export const message = (
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  ...parts: ReadonlyArray<Uint8Array>
): Uint8Array => {
  const body = concat(parts)
  const out = new Uint8Array(headerSize + body.length)
  const view = viewOf(out)
  view.setUint32(0, out.length, true)
  view.setUint16(4, header.type, true)
  view.setUint16(6, header.flags, true)
  view.setUint32(8, header.sequence, true)
  out.set(body, headerSize)
  return out
}

/** Invalid bytes. The readers throw it, and `decode` catches it. */
export class Malformed extends Error {}

/** A view of bytes that refuses to read past its end. */
export class Reader {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = viewOf(bytes)
  }

  #check(offset: number, size: number, what: string): number {
    if (offset + size <= this.bytes.length) return offset
    throw new Malformed(`${what} at byte ${offset} needs ${size} bytes, ${this.bytes.length - offset} are left`)
  }

  u8(offset: number, what: string): number {
    return this.#view.getUint8(this.#check(offset, 1, what))
  }

  u16(offset: number, what: string): number {
    return this.#view.getUint16(this.#check(offset, 2, what), true)
  }

  u32(offset: number, what: string): number {
    return this.#view.getUint32(this.#check(offset, 4, what), true)
  }

  i32(offset: number, what: string): number {
    return this.#view.getInt32(this.#check(offset, 4, what), true)
  }

  /** The part from `offset` to `offset + size`. */
  slice(offset: number, size: number, what: string): Reader {
    this.#check(offset, size, what)
    return new Reader(this.bytes.subarray(offset, offset + size))
  }

  /** The part from `offset` to the end. */
  from(offset: number, what: string): Reader {
    return this.slice(offset, Math.max(0, this.bytes.length - offset), what)
  }

  /** Text up to a NUL or the end. */
  text(): string {
    const end = this.bytes.indexOf(0)
    return new TextDecoder().decode(end < 0 ? this.bytes : this.bytes.subarray(0, end))
  }
}

/** One message of a datagram. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** What follows the header. */
  readonly body: Reader
}

/** The messages of a datagram, in order. Throws {@link Malformed}. */
export const messagesOf = function*(datagram: Uint8Array): Generator<Message> {
  const reader = new Reader(datagram)
  for (let offset = 0; offset < datagram.length;) {
    const length = reader.u32(offset, "a message")
    if (length < headerSize) throw new Malformed(`a message at byte ${offset} says that it has ${length} bytes`)
    const whole = reader.slice(offset, length, "a message")
    yield {
      type: whole.u16(4, "a message"),
      flags: whole.u16(6, "a message"),
      sequence: whole.u32(8, "a message"),
      body: whole.from(headerSize, "a message")
    }
    offset += align(length)
  }
}

/** The attributes from `offset` on, by type; if a type is there twice, the last counts. Throws {@link Malformed}. */
export const attributesOf = (reader: Reader, offset: number): ReadonlyMap<number, Reader> => {
  const out = new Map<number, Reader>()
  // fewer than four bytes at the end are padding
  for (let at = align(offset); at + 4 <= reader.bytes.length;) {
    const length = reader.u16(at, "an attribute")
    if (length < 4) throw new Malformed(`an attribute at byte ${at} says that it has ${length} bytes`)
    // the two highest bits of the type are marks: NLA_F_NESTED, NLA_F_NET_BYTEORDER
    out.set(reader.u16(at + 2, "an attribute") & 0x3fff, reader.slice(at + 4, length - 4, "an attribute"))
    at += align(length)
  }
  return out
}
