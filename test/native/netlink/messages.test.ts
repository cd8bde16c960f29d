import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { decode, encode, needsIndex, problem, withIndex } from "../../../src/native/netlink/messages.ts"
import type { Request } from "../../../src/native/Rtnetlink.ts"

// ── a second reader, written from the headers alone ──────────────────────────────────────────────────────────────────

interface Tree {
  readonly [type: string]: string | Tree
}
interface Parsed {
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

const parse = (bytes: Uint8Array): Parsed => {
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
const iproute2: ReadonlyArray<readonly [string, Request, string]> = [
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

describe("encode", () => {
  for (const [command, request, golden] of iproute2) {
    it(`says what \`${command}\` says`, () => {
      const { length, seq, ...ours } = parse(encode(request, 7))
      assert.strictEqual(length, encode(request, 7).length)
      assert.strictEqual(seq, 7)
      // the length and the sequence number are each sender's own: iproute2 ends no text with a NUL
      const { length: _, seq: __, ...theirs } = parse(Buffer.from(golden, "hex"))
      assert.deepStrictEqual(ours, theirs)
    })
  }

  it("puts the peer of a pair into another network namespace", () => {
    const peerOf = (request: Request) => parse(encode(request, 1)).attributes["18"]
    const base = { _tag: "VethAdd", name: "h0", peer: "eth0" } as const
    const fixed = "00".repeat(16)
    assert.deepStrictEqual(peerOf({ ...base, peerNetnsPid: 258 }), {
      1: "veth",
      2: { 1: { 3: "eth0", 19: "02010000", fixed } }
    })
    assert.deepStrictEqual(peerOf({ ...base, peerNetnsFd: 5 }), {
      1: "veth",
      2: { 1: { 3: "eth0", 28: "05000000", fixed } }
    })
  })

  it("takes a link up or down without touching its other flags, and changes values without touching either", () => {
    assert.strictEqual(
      parse(encode({ _tag: "LinkSet", link: 3, up: false }, 1)).fixed,
      `0000000003000000${"00000000"}01000000`
    )
    assert.strictEqual(
      parse(encode({ _tag: "LinkSet", link: 3, mtu: 1400 }, 1)).fixed,
      `0000000003000000${"00".repeat(8)}`
    )
  })

  it("addresses a link by name where the kernel looks names up itself", () => {
    for (const request of [{ _tag: "LinkGet", link: "eth0" }, { _tag: "LinkDelete", link: "eth0" }] as const) {
      const parsed = parse(encode(request, 1))
      assert.strictEqual(parsed.fixed, "00".repeat(16))
      assert.strictEqual(Buffer.from(encode(request, 1)).includes("eth0\0"), true)
    }
  })

  it("knows which requests need an index", () => {
    const need: ReadonlyArray<Request> = [
      { _tag: "AddressAdd", link: "a", address: "1.2.3.4/8" },
      { _tag: "AddressList", link: "a" },
      { _tag: "RouteAdd", link: "a", gateway: "1.2.3.4" },
      { _tag: "LinkSet", link: "a", name: "b" }
    ]
    for (const request of need) {
      assert.strictEqual(needsIndex(request), "a")
      assert.throws(() => encode(request, 1), /must be given by index/)
      assert.strictEqual(needsIndex(withIndex(request, 3)), undefined)
      encode(withIndex(request, 3), 1)
    }
    const direct: ReadonlyArray<Request> = [
      { _tag: "LinkSet", link: "a", up: true },
      { _tag: "LinkGet", link: "a" },
      { _tag: "RouteAdd", gateway: "1.2.3.4" },
      { _tag: "RouteList" }
    ]
    for (const request of direct) assert.strictEqual(needsIndex(request), undefined)
  })

  it("names what has no form in a message", () => {
    const bad: ReadonlyArray<readonly [Request, RegExp]> = [
      [{ _tag: "AddressAdd", link: 1, address: "10.0.0.1" }, /"10.0.0.1" is not an address in CIDR notation/],
      [{ _tag: "LinkSet", link: 1, mac: "02:00:00:00:01" }, /MAC/],
      [{ _tag: "LinkSet", link: 1, mtu: -1 }, /mtu -1/],
      [{ _tag: "LinkSet", link: 1.5, up: true }, /link 1.5/],
      [{ _tag: "BridgeAdd", name: "a\0b" }, /NUL/],
      [{ _tag: "LinkGet", link: "" }, /empty/],
      [{ _tag: "RouteAdd", link: 1 }, /needs a destination, a source or a gateway/],
      [{ _tag: "RouteAdd", destination: "10.0.0.0" }, /CIDR/],
      [{ _tag: "RouteAdd", source: "10.0.0.0/8" }, /not an IP address/],
      [{ _tag: "RouteAdd", destination: "10.0.0.0/8", gateway: "fd00::1" }, /one IP family/]
    ]
    for (const [request, pattern] of bad) {
      assert.match(problem(request) ?? "", pattern)
      assert.throws(() => encode(request, 1), RangeError)
    }
    // an IPv4-mapped address is an IPv4 address
    assert.strictEqual(problem({ _tag: "RouteAdd", destination: "10.0.0.0/8", gateway: "::ffff:10.0.0.1" }), undefined)
  })
})

// ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const get: Request = { _tag: "LinkGet", link: "h0" }
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")

const ack = "240000000200000107000000142d00000000000058000000100005060700000000000000"
/** `EINVAL` with the kernel's text, from Linux 6.18. */
const refused =
  "680000000200000207000000142d0000eaffffff30000000100005000700000000000000000000000000000000000000000000000700" +
  "0300683000000800040005000000210001006d7475206c657373207468616e20646576696365206d696e696d756d00000000"

const u16 = (value: number): Buffer => Buffer.from([value & 255, value >> 8])
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
const padded = (buffer: Buffer): Buffer => Buffer.concat([buffer, Buffer.alloc((4 - (buffer.length % 4)) % 4)])
const attribute = (type: number, payload: Buffer): Buffer =>
  padded(Buffer.concat([u16(payload.length + 4), u16(type), payload]))
const message = (type: number, flags: number, seq: number, body: Buffer): Buffer =>
  Buffer.concat([u32(16 + body.length), u16(type), u16(flags), u32(seq), u32(99), padded(body)])

const linkBody = Buffer.concat([
  Buffer.alloc(4),
  u32(3),
  u32(0x1003),
  u32(0),
  attribute(3, Buffer.from("h0\0")),
  attribute(4, u32(1400)),
  attribute(1, bytes("020000000001")),
  attribute(10, u32(4)),
  attribute(18 | 0x8000, attribute(1, Buffer.from("veth\0"))),
  attribute(20, Buffer.from("ours\0"))
])
const link = {
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

describe("decode", () => {
  it("reads an acknowledgement", () => {
    assert.deepStrictEqual(decode(bytes(ack), 7, get), { done: true, answers: [] })
  })

  it("reads an error with the kernel's words", () => {
    assert.deepStrictEqual(decode(bytes(refused), 7, get), {
      done: true,
      error: { errno: 22, detail: "mtu less than device minimum" },
      answers: []
    })
  })

  it("finds the kernel's words behind a request that is cut to its header", () => {
    const text = attribute(1, Buffer.from("why\0"))
    const capped = message(2, 0x300, 7, Buffer.concat([u32(-17 >>> 0), message(16, 5, 7, Buffer.alloc(0)), text]))
    assert.deepStrictEqual(decode(capped, 7, get).error, { errno: 17, detail: "why" })
    const done = message(3, 0x202, 7, Buffer.concat([u32(-1 >>> 0), text]))
    assert.deepStrictEqual(decode(done, 7, get).error, { errno: 1, detail: "why" })
  })

  it("reads a link and goes on to the acknowledgement", () => {
    const first = decode(message(16, 0, 7, linkBody), 7, get)
    assert.deepStrictEqual(first, { done: false, answers: [link] })
    const both = decode(Buffer.concat([message(16, 0, 7, linkBody), bytes(ack)]), 7, get)
    assert.deepStrictEqual(both, { done: true, answers: [link] })
  })

  it("reads a dump over several datagrams, up to its end", () => {
    const one = message(16, 2, 7, linkBody)
    assert.deepStrictEqual(decode(Buffer.concat([one, one]), 7, { _tag: "LinkList" }), {
      done: false,
      answers: [link, link]
    })
    assert.deepStrictEqual(decode(message(3, 2, 7, u32(0)), 7, { _tag: "LinkList" }), { done: true, answers: [] })
  })

  it("reads addresses, those of the link that was asked for", () => {
    const address = (index: number, last: number): Buffer =>
      message(
        20,
        2,
        7,
        Buffer.concat([Buffer.from([2, 24, 0, 0]), u32(index), attribute(1, Buffer.from([10, 0, 0, last]))])
      )
    const all = Buffer.concat([address(3, 1), address(4, 2)])
    assert.deepStrictEqual(decode(all, 7, { _tag: "AddressList", link: 4 }).answers, [
      { _tag: "Address", index: 4, address: "10.0.0.2/24" }
    ])
  })

  it("reads routes of IPv4 and IPv6, and leaves other families out", () => {
    const route = (family: number, prefix: number, ...attributes: ReadonlyArray<Buffer>): Buffer =>
      message(24, 2, 7, Buffer.concat([Buffer.from([family, prefix, 0, 0, 252, 3, 0, 1]), u32(0), ...attributes]))
    const all = Buffer.concat([
      route(2, 0, attribute(5, Buffer.from([10, 0, 0, 1])), attribute(4, u32(3)), attribute(15, u32(1000))),
      route(10, 64, attribute(1, bytes(`fd00${"00".repeat(14)}`))),
      route(28, 20, attribute(1, Buffer.alloc(4)))
    ])
    assert.deepStrictEqual(decode(all, 7, { _tag: "RouteList" }).answers, [
      { _tag: "Route", destination: null, gateway: "10.0.0.1", source: null, index: 3, table: 1000 },
      { _tag: "Route", destination: "fd00::/64", gateway: null, source: null, index: null, table: 252 }
    ])
  })

  it("skips notifications, refuses answers to other requests", () => {
    assert.deepStrictEqual(decode(message(16, 0, 0, linkBody), 7, get), { done: false, answers: [] })
    const other = decode(bytes(ack), 8, get)
    assert.deepStrictEqual(other.error, { errno: 74, detail: "an answer to request 7, expected 8" })
    assert.strictEqual(other.done, true)
  })

  it("reports a list that changed while it was read", () => {
    assert.strictEqual(decode(message(16, 0x12, 7, linkBody), 7, { _tag: "LinkList" }).error?.errno, 4)
  })

  it("never throws, and says what is wrong with bytes that are no answer", () => {
    assert.match(decode(bytes("0500"), 7, get).error?.detail ?? "", /needs 4 bytes, 2 are left/)
    assert.match(decode(bytes("0400000002000000"), 7, get).error?.detail ?? "", /says that it has 4 bytes/)
    const whole = Buffer.concat([message(16, 2, 7, linkBody), bytes(refused)])
    for (let cut = 1; cut < whole.length; cut++) {
      const at = decode(whole.subarray(0, cut), 7, get)
      // a cut between two messages can't be told from a dump that goes on
      if (cut !== message(16, 2, 7, linkBody).length) assert.strictEqual(at.done, true, String(cut))
    }
    // an error whose request claims a length of nearly 4 GiB
    const long = Buffer.from(bytes(refused))
    long.writeUInt32LE(0xfffffff0, 20)
    assert.deepStrictEqual(decode(long, 7, get).error, { errno: 22 })
  })

  it("survives any bytes and any damage to real ones", () => {
    const real = [message(16, 2, 7, linkBody), bytes(refused), bytes(ack), message(3, 0x202, 7, u32(0))]
    const damaged = fc.tuple(
      fc.constantFrom(...real),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 })
    ).map(([message, changes]) => {
      const out = Buffer.from(message)
      for (const [at, byte] of changes) out[at % out.length] = byte
      return out
    })
    const requests = iproute2.map(([, request]) => request)
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged),
        fc.constantFrom(...requests),
        (datagram, request) => {
          const { answers, done, error } = decode(datagram, 7, request)
          assert.isBoolean(done)
          assert.isArray(answers)
          if (error !== undefined) assert.isAbove(error.errno, 0)
        }
      ),
      { numRuns: 5000 }
    )
  })
})

describe("encode and the second reader", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/)
  const number = fc.integer({ min: 1, max: 0x7fffffff })
  const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((octets) =>
    Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join(":")
  )
  const le = (value: number): string => u32(value).toString("hex")

  it("agree on every link change", () => {
    const optional = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
    fc.assert(fc.property(
      number,
      fc.record({
        up: optional(fc.boolean()),
        name: optional(name),
        mac: optional(mac),
        mtu: optional(number),
        master: optional(number),
        netnsPid: optional(number)
      }),
      (index, changes) => {
        const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
        const { attributes, fixed } = parse(encode({ _tag: "LinkSet", link: index, ...given }, 9))
        const expected: Record<string, string> = {}
        if (changes.name !== undefined) expected["3"] = changes.name
        if (changes.mac !== undefined) expected["1"] = changes.mac.replaceAll(":", "")
        if (changes.mtu !== undefined) expected["4"] = le(changes.mtu)
        if (changes.master !== undefined) expected["10"] = le(changes.master)
        if (changes.netnsPid !== undefined) expected["19"] = le(changes.netnsPid)
        assert.deepStrictEqual(attributes, expected)
        assert.strictEqual(
          fixed,
          `00000000${le(index)}${le(changes.up === true ? 1 : 0)}${le(changes.up === undefined ? 0 : 1)}`
        )
      }
    ))
  })

  it("agree on every address", () => {
    fc.assert(fc.property(number, fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat({ max: 32 }), (index, ip, prefix) => {
      fc.pre(!ip.includes(".") || !ip.includes(":"))
      const { attributes, fixed } = parse(encode({ _tag: "AddressAdd", link: index, address: `${ip}/${prefix}` }, 1))
      const family = ip.includes(":") ? 10 : 2
      assert.strictEqual(fixed, Buffer.concat([Buffer.from([family, prefix, 0, 0]), u32(index)]).toString("hex"))
      assert.strictEqual(attributes["1"], attributes["2"])
      assert.lengthOf(attributes["1"] as string, family === 2 ? 8 : 32)
    }))
  })
})
