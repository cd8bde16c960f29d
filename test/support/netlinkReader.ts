/** A second reader of netlink messages, written from the headers alone, and the bytes of which they are made. */
import { assert } from "@effect/vitest"
import type { Request } from "../../src/native/Rtnetlink.ts"

export interface Tree {
  readonly [type: string]: string | Tree
}

export interface Parsed {
  readonly length: number
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly fixed: string
  readonly attributes: Tree
}

const fixedSize: Readonly<Record<number, number>> = { 16: 16, 17: 16, 18: 16, 20: 8, 22: 8, 24: 12, 26: 12 }

/** Paths of attributes that hold others; a number behind the colon: after so many bytes. */
const nests: Readonly<Record<string, number>> = { "16/18": 0, "16/18/2": 0, "16/18/2/1": 16 }
const texts = new Set(["16/3", "16/18/1", "16/18/2/1/3"])

const parseTree = (bytes: Buffer, path: string): Tree => {
  const out: Record<string, string | Tree> = {}
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt16LE(at)
    assert.isAtLeast(length, 4)
    assert.isAtMost(at + length, bytes.length)
    const type = bytes.readUInt16LE(at + 2)
    const payload = bytes.subarray(at + 4, at + length)
    const here = `${path}/${type}`
    const skip = nests[here]
    out[String(type)] = skip === undefined
      ? texts.has(here) ? payload.toString().replace(/\0$/, "") : payload.toString("hex")
      : {
        ...parseTree(payload.subarray(skip), here),
        ...(skip > 0 ? { fixed: payload.subarray(0, skip).toString("hex") } : {})
      }
    at += (length + 3) & ~3
  }
  return out
}

export const parse = (bytes: Uint8Array): Parsed => {
  const buffer = Buffer.from(bytes)
  const type = buffer.readUInt16LE(4)
  const start = 16 + fixedSize[type]!
  return {
    length: buffer.readUInt32LE(0),
    type,
    flags: buffer.readUInt16LE(6),
    seq: buffer.readUInt32LE(8),
    fixed: buffer.subarray(16, start).toString("hex"),
    attributes: parseTree(buffer.subarray(start), String(type))
  }
}

/** What iproute2 6.1 sends for the same wish, taken from `strace -e write=3 ip …`. */
export const iproute2: ReadonlyArray<readonly [string, Request, string]> = [
  [
    "ip link add br0 type bridge",
    { _tag: "BridgeAdd", name: "br0" },
    "38000000100005061a2b056b00000000000000000000000000000000000000000800030062723000100012000a0001006272696467650000"
  ],
  [
    "ip link add h0 txqueuelen 77 type veth peer name p0 txqueuelen 77",
    { _tag: "VethAdd", name: "h0", peer: "p0", txQueueLength: 77 },
    "64000000100005061b2b056b000000000000000000000000000000000000000008000d004d00000007000300683000003400120008000100" +
    "7665746828000200240001000000000000000000000000000000000008000d004d0000000700030070300000"
  ],
  [
    "ip link set dev h0 master br0",
    { _tag: "LinkSet", link: 4, master: 2 },
    "28000000100005001b2b056b000000000000000004000000000000000000000008000a0002000000"
  ],
  [
    "ip link set dev h0 up",
    { _tag: "LinkSet", link: 4, up: true },
    "20000000100005001b2b056b0000000000000000040000000100000001000000"
  ],
  [
    "ip link set dev p0 name eth0",
    { _tag: "LinkSet", link: 3, name: "eth0" },
    "2c000000100005001b2b056b0000000000000000030000000000000000000000090003006574683000000000"
  ],
  [
    "ip link set dev eth0 address 02:00:00:00:00:01",
    { _tag: "LinkSet", link: 3, mac: "02:00:00:00:00:01" },
    "2c000000100005001c2b056b00000000000000000300000000000000000000000a0001000200000000010000"
  ],
  [
    "ip link set dev eth0 mtu 1400",
    { _tag: "LinkSet", link: 3, mtu: 1400 },
    "28000000100005001c2b056b00000000000000000300000000000000000000000800040078050000"
  ],
  [
    "ip link set dev eth0 alias runfx",
    { _tag: "LinkSet", link: 3, alias: "runfx" },
    "2c000000100005001c2b056b00000000000000000300000000000000000000000900140072756e6678000000"
  ],
  [
    "ip addr add 10.9.0.2/24 dev eth0",
    { _tag: "AddressAdd", link: 3, address: "10.9.0.2/24" },
    "28000000140005061c2b056b000000000218000003000000080002000a090002080001000a090002"
  ],
  [
    "ip -6 addr add fd00::2/64 dev eth0 nodad",
    { _tag: "AddressAdd", link: 3, address: "fd00::2/64", nodad: true },
    "40000000140005061c2b056b000000000a4002000300000014000200fd000000000000000000000000000002" +
    "14000100fd000000000000000000000000000002"
  ],
  [
    "ip route add default via 10.9.0.1 dev eth0",
    { _tag: "RouteAdd", gateway: "10.9.0.1", link: 3 },
    "2c000000180005061c2b056b0000000002000000fe03000100000000080005000a0900010800040003000000"
  ],
  [
    "ip route add 10.7.0.0/16 dev eth0 src 10.9.0.2",
    { _tag: "RouteAdd", destination: "10.7.0.0/16", source: "10.9.0.2", link: 3 },
    "34000000180005061d2b056b0000000002100000fe03fd0100000000080001000a070000080007000a0900020800040003000000"
  ],
  [
    "ip -6 route add fd01::/64 via fd00::1 dev eth0",
    { _tag: "RouteAdd", destination: "fd01::/64", gateway: "fd00::1", link: 3 },
    "4c000000180005061d2b056b000000000a400000fe0300010000000014000100fd010000000000000000000000000000" +
    "14000500fd0000000000000000000000000000010800040003000000"
  ],
  [
    "ip link del h0",
    { _tag: "LinkDelete", link: 4 },
    "20000000110005001d2b056b0000000000000000040000000000000000000000"
  ]
]

export const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")
const u16 = (value: number): Buffer => Buffer.from([value & 255, value >> 8])
export const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
const padded = (buffer: Buffer): Buffer => Buffer.concat([buffer, Buffer.alloc((4 - (buffer.length % 4)) % 4)])

export const attribute = (type: number, payload: Buffer): Buffer =>
  padded(Buffer.concat([u16(payload.length + 4), u16(type), payload]))

export const message = (type: number, flags: number, seq: number, body: Buffer): Buffer =>
  Buffer.concat([u32(16 + body.length), u16(type), u16(flags), u32(seq), u32(99), padded(body)])

export const link = {
  _tag: "Link",
  index: 3,
  name: "h0",
  flags: 0x1003,
  mtu: 1400,
  mac: "02:00:00:00:00:01",
  master: 4,
  kind: "veth",
  alias: "ours"
} as const
