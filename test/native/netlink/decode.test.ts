/** Answers of the kernel, and what it never sends. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { decode } from "../../../src/native/netlink/messages.ts"
import type { Request } from "../../../src/native/Rtnetlink.ts"
import { attribute, bytes, iproute2, link, message, u32 } from "../../support/netlinkReader.ts"

const get: Request = { _tag: "LinkGet", link: "h0" }

const ack = "240000000200000107000000142d00000000000058000000100005060700000000000000"

/** `EINVAL` with the kernel's text, from Linux 6.18. */
const refused =
  "680000000200000207000000142d0000eaffffff30000000100005000700000000000000000000000000000000000000000000000700" +
  "0300683000000800040005000000210001006d7475206c657373207468616e20646576696365206d696e696d756d00000000"

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
