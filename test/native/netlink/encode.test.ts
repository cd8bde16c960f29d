/** Requests as bytes, beside those of iproute2 and a second reader. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { encode, needsIndex, problem, withIndex } from "../../../src/native/netlink/messages.ts"
import type { Request } from "../../../src/native/Rtnetlink.ts"
import { iproute2, parse, u32 } from "../../support/netlinkReader.ts"

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
