import { assert, describe, it } from "@effect/vitest"
import { openPort } from "../../src/steps/openPort.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const context = withInit({ port: { number: 3128, socket: 9 } })

describe("openPort", () => {
  it("does nothing where no port is asked for", () => {
    assert.deepStrictEqual(succeed(openPort, withInit()).trace, [])
  })

  it("hands over a socket that listens on the loopback interface, and keeps none", () => {
    const { trace } = succeed(openPort, context, ({ _tag }) => _tag === "socket" ? 20 : undefined)
    assert.deepStrictEqual(trace, [
      "socket(AF_INET, SOCK_CLOEXEC|SOCK_STREAM, 0)",
      "bind(20, \"127.0.0.1\", 3128)",
      "listen(20, 64)",
      "sendmsg(9, \"port\", [20], MSG_NOSIGNAL)",
      "close(20)",
      "close(9)"
    ])
  })

  it("closes the socket where it can't listen", () => {
    const { code, trace } = fail(
      openPort,
      context,
      ({ _tag }) => _tag === "socket" ? 20 : _tag === "bind" ? "EADDRNOTAVAIL" : undefined
    )
    assert.deepStrictEqual([code, trace.at(-1)], ["EADDRNOTAVAIL", "close(20)"])
    assert.include(openPort.advice?.EADDRNOTAVAIL, "loopback")
  })
})
