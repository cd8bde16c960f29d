import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as net from "node:net"
import * as inet from "../../src/native/inet.ts"

const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")

describe("inet", () => {
  it("reads addresses strictly", () => {
    const good: ReadonlyArray<readonly [string, 4 | 6, string]> = [
      ["10.9.0.1", 4, "0a090001"],
      ["0.0.0.0", 4, "00000000"],
      ["255.255.255.255", 4, "ffffffff"],
      ["::", 6, "00".repeat(16)],
      ["::1", 6, `${"00".repeat(15)}01`],
      ["fd00::", 6, `fd00${"00".repeat(14)}`],
      ["2001:db8:0:1:2:3:4:5", 6, "20010db8000000010002000300040005"],
      ["1::2:3:4:5:6:7", 6, "00010000000200030004000500060007"],
      ["64:ff9b::192.0.2.33", 6, "0064ff9b0000000000000000c0000221"],
      ["::ffff:10.0.0.1", 4, "0a000001"],
      ["::FFFF:a00:1", 4, "0a000001"]
    ]
    for (const [text, family, bytes] of good) {
      const read = inet.parseAddress(text)
      assert.deepStrictEqual([text, read?.family, hex(read?.bytes)], [text, family, bytes])
    }
    const bad = [
      "",
      "10",
      "10.0.0",
      "10.0.0.256",
      "010.0.0.1",
      "1.2.3.4.5",
      "0x1.2.3.4",
      " 1.2.3.4",
      "1.2.3.4 ",
      ":",
      ":::"
    ]
      .concat(
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "1:2:3:4:5:6:7::8",
        "::12345",
        "fe80::1%eth0",
        "1.2.3.4::"
      )
      .concat("::1.2.3.4:5", "g::", "localhost", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4")
    for (const text of bad) assert.strictEqual(inet.parseAddress(text), undefined, text)
  })

  it("agrees with node:net on what is an address", () => {
    const part = fc.oneof(
      fc.integer({ min: 0, max: 300 }).map(String),
      fc.string({ maxLength: 4, unit: "grapheme-ascii" })
    )
    const v6 = fc.array(fc.oneof(fc.constantFrom("", "0", "ffff", "1234", "00ab", "1.2.3.4", "12345")), {
      maxLength: 9
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
          v6.map((parts) => parts.join(":")),
          fc.ipV4(),
          fc.ipV6()
        ),
        (text) => {
          const expected = text.includes("%") ? 0 : net.isIP(text)
          assert.strictEqual(inet.parseAddress(text) !== undefined, expected !== 0, text)
        }
      ),
      { numRuns: 2000 }
    )
  })

  it("writes canonical text, which reads back the same", () => {
    assert.strictEqual(inet.formatAddress(inet.parseAddress("2001:DB8:0:0:1:0:0:1")!.bytes), "2001:db8::1:0:0:1")
    assert.strictEqual(inet.formatAddress(inet.parseAddress("1:0:2:3:4:5:6:7")!.bytes), "1:0:2:3:4:5:6:7")
    assert.strictEqual(inet.formatAddress(new Uint8Array(16)), "::")
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ maxLength: 8 }), (bytes, zeros) => {
        for (const at of zeros) bytes[at % 16] = 0
        const read = inet.parseAddress(inet.formatAddress(bytes))!
        assert.strictEqual(hex(read.bytes), hex(read.family === 4 ? bytes.subarray(12) : bytes))
      })
    )
  })

  it("reads prefixes, and knows the network and its host bits", () => {
    for (
      const text of [
        "10.0.0.1",
        "10.0.0.1/33",
        "10.0.0.1/",
        "10.0.0.1/024",
        "10.0.0.1/-1",
        "fd00::/129",
        "/8",
        "::ffff:1.2.3.4/95",
        "10.0.0.1/8/8"
      ]
    ) {
      assert.strictEqual(inet.parseCidr(text), undefined, text)
    }
    assert.strictEqual(inet.parseCidr("::ffff:10.0.0.1/120")?.prefix, 24)
    for (
      const [text, network] of [
        ["10.1.2.3/0", "0.0.0.0/0"],
        ["10.1.255.3/20", "10.1.240.0/20"],
        ["10.1.2.3/32", "10.1.2.3/32"],
        ["fd00::ffff/121", "fd00::ff80/121"]
      ] as const
    ) {
      const cidr = inet.parseCidr(text)!
      assert.strictEqual(inet.formatCidr(inet.networkOf(cidr)), network)
      assert.strictEqual(inet.hasHostBits(cidr), text !== network)
    }
  })
})
