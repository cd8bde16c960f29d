/** The proxy as HTTP has it: tunnels and plain requests, and what it refuses. */
import { assert, describe, it } from "@effect/vitest"
import * as http from "node:http"
import type { Connection } from "../../../src/sandbox/network/Connection.ts"
import { closed, connected, listening, type Proxy, said, toLocal, withEcho, withProxy } from "../../support/proxy.ts"
import { until } from "../../support/until.ts"

const asked = (seen: ReadonlyArray<Connection>) =>
  seen.map(({ address, at: _at, ...rest }) => ({ ...rest, ...address === undefined ? {} : { address } }))

describe("CONNECT", () => {
  it("makes a tunnel to an allowed name, with the ends of both sides", () =>
    withEcho(({ port }) =>
      withProxy([`example.org:${port}`, `127.0.0.1:${port}`], toLocal, async (proxy) => {
        const socket = connected(proxy.port)
        let all = ""
        socket.setEncoding("latin1").on("data", (text) => void (all += String(text)))
        socket.write(`CONNECT Example.org.:${port} HTTP/1.1\r\nHost: else.example\r\n\r\nfirst,`)
        await until(() => all.includes("FIRST,"))
        socket.end("last.")
        await closed(socket)
        assert.strictEqual(all, "HTTP/1.1 200 Connection established\r\n\r\nFIRST,LAST.BYE")
        assert.deepStrictEqual(asked(proxy.seen), [
          { outcome: "allowed", protocol: "connect", host: "example.org", port, address: "127.0.0.1" }
        ])
      })
    ))

  it("refuses what no entry allows, and says so", () =>
    withProxy(["example.org"], toLocal, async (proxy) => {
      const answer = await said(proxy.port, "CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
      assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
      assert.include(answer, "evil.example:443 is not allowed")
      assert.deepStrictEqual(asked(proxy.seen), [
        {
          outcome: "refused",
          protocol: "connect",
          host: "evil.example",
          port: 443,
          reason: "evil.example:443 is not allowed"
        }
      ])
    }))

  it.each([["127.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], ["0.0.0.0"], ["no address"]])(
    "refuses a name that leads to %s",
    (address) =>
      withProxy(["example.org"], { resolve: () => [address] }, async (proxy) => {
        assert.include(await said(proxy.port, "CONNECT example.org:443 HTTP/1.1\r\n\r\n"), "403 Forbidden")
        assert.match(proxy.seen[0]!.reason!, /^example.org leads to .* and is not named itself$/)
      })
  )

  it("refuses a name that leads to an address of this machine, unless the list names that", async () => {
    const here = { resolve: () => ["2001:4860:0:0::7"], own: () => ["2001:4860::7"] }
    const ask = "CONNECT example.org:443 HTTP/1.1\r\n\r\n"
    await withProxy(["example.org"], here, async (proxy) => {
      assert.include(await said(proxy.port, ask), "403 Forbidden")
      assert.strictEqual(
        proxy.seen[0]!.reason,
        "example.org leads to 2001:4860::7, which is an address of this machine, and is not named itself"
      )
    })
    await withProxy(["example.org", "[2001:4860::7]:443"], here, async (proxy) => {
      await said(proxy.port, ask)
      assert.notStrictEqual(proxy.seen[0]!.outcome, "refused")
    })
  })

  it("resolves a name once, and goes where it has looked", () =>
    withEcho(async ({ port }) => {
      let times = 0
      const resolve = () => [["127.0.0.1"], ["127.0.0.2"]][times++]!
      await withProxy([`example.org:${port}`, `127.0.0.1:${port}`], { resolve }, async (proxy) => {
        const socket = connected(proxy.port)
        socket.write(`CONNECT example.org:${port} HTTP/1.1\r\n\r\n`)
        await until(() => proxy.seen.length > 0)
        socket.destroy()
        assert.deepStrictEqual([times, proxy.seen[0]!.address], [1, "127.0.0.1"])
      })
    }))

  it.each([
    "CONNECT example.org HTTP/1.1\r\n\r\n",
    "CONNECT http://example.org:443/ HTTP/1.1\r\n\r\n",
    "CONNECT user@example.org:443 HTTP/1.1\r\n\r\n",
    "CONNECT 127.1:443 HTTP/1.1\r\n\r\n",
    "CONNECT example.org:443:80 HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "GET https://example.org/ HTTP/1.1\r\n\r\n",
    "GET http://user:pass@example.org/ HTTP/1.1\r\n\r\n",
    "GET http://example.org\\@127.0.0.1/ HTTP/1.1\r\n\r\n",
    "GET http:///path HTTP/1.1\r\n\r\n",
    "POST http://example.org/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST http://example.org/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "GET http://example.org/ HTTP/1.1\r\nA : b\r\n\r\n",
    "nonsense\r\n\r\n",
    `GET http://example.org/ HTTP/1.1\r\nA: ${"a".repeat(20_000)}\r\n\r\n`,
    "\x16\x03\x01\x02\x00\x01"
  ])(
    "takes for no request: %j",
    (text) =>
      withProxy(["*"], { resolve: () => ["1.1.1.1"], patience: 500 }, async (proxy) => {
        const answer = await said(proxy.port, text)
        assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
        assert.deepStrictEqual(proxy.seen.map(({ outcome }) => outcome), ["refused"])
      })
  )
})

describe("a plain request", () => {
  const withServer = async (
    answer: http.RequestListener,
    use: (port: number, proxy: Proxy) => Promise<void>
  ): Promise<void> => {
    const server = http.createServer(answer)
    const port = await listening(server)
    try {
      await withProxy([`example.org:${port}`, `127.0.0.1:${port}`], toLocal, (proxy) => use(port, proxy))
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  it("arrives with its path as it is, for the host of its URL, and without what is the proxy's", () => {
    let got: http.IncomingMessage
    return withServer((request, response) => {
      got = request
      response.setHeader("X-Kept", ["1", "2"])
      response.setHeader("Keep-Alive", "timeout=5")
      response.end("hello")
    }, async (port, proxy) => {
      const lines = [
        `GET http://Example.org:${port}/a/../b//%2e%2e/?x=\\y HTTP/1.1`,
        "Host: evil.example",
        "Proxy-Authorization: Basic c2VjcmV0",
        "Proxy-Connection: keep-alive",
        "Connection: close, X-Mine",
        "X-Mine: 1",
        "X-Kept: a",
        "x-kept: b",
        "Upgrade: websocket"
      ]
      const answer = await said(proxy.port, `${lines.join("\r\n")}\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
      assert.match(answer, /\r\n\r\n(5\r\n)?hello/)
      assert.include(answer, "X-Kept: 1\r\nX-Kept: 2\r\n")
      assert.notInclude(answer, "Keep-Alive")
      assert.strictEqual(got.url, "/a/../b//%2e%2e/?x=\\y")
      assert.deepStrictEqual(got.rawHeaders, [
        "Host",
        `example.org:${port}`,
        "X-Kept",
        "a",
        "x-kept",
        "b",
        "Connection",
        "close"
      ])
    })
  })

  it.each(
    [
      ["with a length", "POST", "Content-Length: 5\r\n\r\nhello"],
      ["in parts", "POST", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"],
      ["in parts, of a GET", "GET", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
      ["whose length its headers disown", "POST", "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello"]
    ] as const
  )("has a body %s, and nothing behind it is another request", (_, method, rest) => {
    const bodies: Array<string> = []
    return withServer((request, response) => {
      let body = ""
      request.setEncoding("latin1").on("data", (text) => void (body += String(text))).on("end", () => {
        bodies.push(`${request.method} ${body}`)
        response.end("done")
      })
    }, async (port, proxy) => {
      const behind = `GET http://example.org:${port}/smuggled HTTP/1.1\r\nHost: x\r\n\r\n`
      await said(proxy.port, `${method} http://example.org:${port}/ HTTP/1.1\r\n${rest}`)
      assert.deepStrictEqual(bodies, [`${method} hello`])
      const answers = await said(proxy.port, `${method} http://example.org:${port}/ HTTP/1.1\r\n${rest}${behind}`)
      assert.match(answers, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nConnection: close\r\n[^]*done$/)
      assert.deepStrictEqual(bodies, [`${method} hello`, `${method} hello`])
      assert.strictEqual(proxy.seen.length, 2)
    })
  })

  it("breaks off where its answer does", () =>
    withServer((_, response) => {
      response.writeHead(200, { "Content-Length": "100" })
      response.write("half", () => response.destroy())
    }, async (port, proxy) => {
      const socket = connected(proxy.port)
      let error: NodeJS.ErrnoException | undefined
      socket.on("error", (one) => void (error = one)).resume()
      socket.write(`GET http://example.org:${port}/ HTTP/1.1\r\n\r\n`)
      await closed(socket)
      assert.strictEqual(error?.code, "ECONNRESET")
    }))
})
