/** The proxy as SOCKS has it. */
import { assert, describe, it } from "@effect/vitest"
import { closed, connected, said, toLocal, withEcho, withProxy } from "../../support/proxy.ts"
import { until } from "../../support/until.ts"

describe("SOCKS", () => {
  const name = Buffer.from("example.org")
  const portBytes = (port: number) => [port >> 8, port & 0xff]
  const five = (port: number, type: number, address: Iterable<number>, command = 1) =>
    Buffer.from([5, 2, 2, 0, 5, command, 0, type, ...address, ...portBytes(port)])
  const accepted = "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"

  it.each(
    [
      ["5 by name", (port: number) => five(port, 3, [name.length, ...name]), accepted],
      ["5 by address", (port: number) => five(port, 1, [127, 0, 0, 1]), accepted],
      [
        "5 by an address of IPv4 in IPv6",
        (port: number) => five(port, 4, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]),
        accepted
      ],
      [
        "4",
        (port: number) => Buffer.from([4, 1, ...portBytes(port), 127, 0, 0, 1, 109, 101, 0]),
        "\x00\x5a\0\0\0\0\0\0"
      ],
      [
        "4a",
        (port: number) => Buffer.from([4, 1, ...portBytes(port), 0, 0, 0, 1, 0, ...name, 0]),
        "\x00\x5a\0\0\0\0\0\0"
      ]
    ] as const
  )(
    "%s connects",
    (_, request, answer) =>
      withEcho(({ port }) =>
        withProxy([`example.org:${port}`, `127.0.0.1:${port}`], toLocal, async (proxy) => {
          const socket = connected(proxy.port)
          let all = ""
          socket.setEncoding("latin1").on("data", (text) => void (all += String(text)))
          // byte by byte, and with what follows right behind
          for (const byte of [...request(port), ...Buffer.from("hi")]) socket.write(Uint8Array.of(byte))
          await until(() => all.endsWith("HI"))
          socket.end()
          await closed(socket)
          assert.strictEqual(all, `${answer}HIBYE`)
          assert.deepStrictEqual(proxy.seen.map(({ outcome, protocol }) => [outcome, protocol]), [["allowed", "socks"]])
        })
      )
  )

  it.each(
    [
      ["a name that is not allowed", five(443, 3, [4, ...Buffer.from("evil")]), "\x05\x00\x05\x02"],
      ["an address that is not named", five(443, 1, [1, 1, 1, 1]), "\x05\x00\x05\x02"],
      ["a port to listen on", five(443, 1, [1, 1, 1, 1], 2), "\x05\x00\x05\x07"],
      ["datagrams", five(443, 1, [1, 1, 1, 1], 3), "\x05\x00\x05\x07"],
      ["a name without letters", five(443, 3, [0]), "\x05\x00\x05\x07"],
      ["a name with a zero", five(443, 3, [12, ...name, 0]), "\x05\x00\x05\x07"],
      ["a login", Buffer.from([5, 1, 2]), "\x05\xff"],
      ["a name of SOCKS 4 without end", Buffer.from([4, 1, 1, 187, 0, 0, 0, 1, 0, ...Buffer.alloc(300, 97)]), ""]
    ] as const
  )("refuses %s", (_, request, answer) =>
    withProxy(["example.org"], toLocal, async (proxy) => {
      assert.strictEqual((await said(proxy.port, request)).slice(0, 4), answer)
      assert.deepStrictEqual(proxy.seen.map(({ outcome }) => outcome), ["refused"])
    }))
})
