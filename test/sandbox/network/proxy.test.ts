/** The proxy beside a hostile program: what it lets through, what it refuses, and what it can't be made to do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as http from "node:http"
import * as net from "node:net"
import { F } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import type { Connection } from "../../../src/sandbox/network/Connection.ts"
import { type Options, serve } from "../../../src/sandbox/network/Proxy.ts"
import { ruleOf } from "../../../src/sandbox/network/rules.ts"
import { until } from "../../support/until.ts"

interface Proxy {
  readonly port: number
  readonly seen: Array<Connection>
  readonly close: () => Promise<void>
}

const listening = (server: net.Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port)))

/** A proxy on a socket as a sandbox hands it over. */
const makeProxy = async (allow: ReadonlyArray<string>, more: Partial<Options> = {}): Promise<Proxy> => {
  const origin = net.createServer()
  const port = await listening(origin)
  const handle = (origin as unknown as { readonly _handle: { readonly fd: number } })._handle
  const scope = Scope.makeUnsafe()
  const seen: Array<Connection> = []
  await Effect.runPromise(
    sys.fcntl({ fd: handle.fd, command: F.DUPFD_CLOEXEC, argument: 3 }).pipe(
      Effect.flatMap((fd) =>
        serve(fd, { rules: allow.map((entry) => ruleOf(entry)!), report: (one) => void seen.push(one), ...more })
      ),
      Effect.provideService(Scope.Scope, scope),
      Effect.provide(Linux.layer)
    )
  )
  origin.close()
  return { port, seen, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const connected = (port: number, allowHalfOpen = false): net.Socket =>
  net.connect({ host: "127.0.0.1", port, allowHalfOpen }).on("error", () => {})

const closed = (socket: net.Socket) =>
  new Promise<void>((resolve) => void (socket.closed ? resolve() : socket.once("close", resolve)))

/** Sends bytes, and tells all that comes until the other side has ended. */
const said = async (port: number, ...parts: ReadonlyArray<string | Uint8Array>): Promise<string> => {
  const socket = connected(port)
  let all = ""
  socket.setEncoding("latin1").on("data", (text) => void (all += String(text)))
  for (const part of parts) socket.write(part)
  await closed(socket)
  return all
}

/** Runs with a server that answers what it got, in upper case, and a proxy. */
const withEcho = async (
  use: (echo: { readonly port: number; readonly sockets: Array<net.Socket> }) => Promise<void>
) => {
  const sockets: Array<net.Socket> = []
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.setEncoding("latin1").on("error", () => {})
    socket.on("data", (text) => void socket.write(String(text).toUpperCase())).on("end", () => socket.end("BYE"))
  })
  const port = await listening(server)
  try {
    await use({ port, sockets })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

const withProxy = async (
  allow: ReadonlyArray<string>,
  more: Partial<Options>,
  use: (proxy: Proxy) => Promise<void>
) => {
  const proxy = await makeProxy(allow, more)
  try {
    await use(proxy)
  } finally {
    await proxy.close()
  }
}

const toLocal = { resolve: () => ["127.0.0.1"] }

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

const answers: Readonly<Record<string, readonly [NonNullable<Options["ask"]>, string]>> = {
  "true": [() => true, "200"],
  "a promise of true": [() => Promise.resolve(true), "200"],
  "an effect of true": [() => Effect.succeed(true), "200"],
  "false": [() => false, "403"],
  "something else": [() => "yes" as never, "403"],
  "an error": [() => {
    throw new Error("of the application")
  }, "403"],
  "a rejected promise": [() => Promise.reject(new Error("of the application")), "403"],
  "a defect": [() => Effect.die("of the application"), "403"]
}

describe("the application", () => {
  it.each(Object.keys(answers))(
    "is asked for what is not on the list, and answers %s",
    (name) =>
      withEcho(({ port }) => {
        const [ask, status] = answers[name]!
        return withProxy([`127.0.0.1:${port}`], { ...toLocal, ask }, async (proxy) => {
          const socket = connected(proxy.port)
          let all = ""
          socket.setEncoding("latin1").on("data", (text) => void (all += String(text)))
          socket.write(`CONNECT else.example:${port} HTTP/1.1\r\n\r\n`)
          await until(() => all.includes("\r\n\r\n"))
          socket.destroy()
          assert.strictEqual(all.split(" ")[1], status)
        })
      })
  )
})

describe("a program that means harm", () => {
  it("says nothing, or one byte now and then: it is not waited for", () =>
    withProxy(["*"], { ...toLocal, patience: 300 }, async (proxy) => {
      const [silent, slow, socks] = [connected(proxy.port), connected(proxy.port), connected(proxy.port)]
      for (const socket of [silent, slow, socks]) socket.resume()
      socks.write(Uint8Array.of(5))
      const text = "GET http://example.org/ HTTP/1.1\r\n".repeat(100)
      let at = 0
      const timer = setInterval(() => void (slow.destroyed || slow.write(text[at++]!)), 20)
      await Promise.all([silent, slow, socks].map(closed))
      clearInterval(timer)
      assert.deepStrictEqual(proxy.seen.map(({ outcome }) => outcome), ["refused", "refused", "refused"])
    }))

  it("opens a thousand connections: as many as there may be are looked at, and later ones again", () =>
    withEcho(({ port }) =>
      withProxy([`127.0.0.1:${port}`], {}, async (proxy) => {
        const many = Array.from({ length: 1000 }, () => connected(proxy.port).resume())
        await until(() => many.filter((one) => one.closed).length >= 872)
        assert.deepStrictEqual(proxy.seen.map(({ reason }) => reason), ["more than 128 connections at a time"])
        for (const one of many) one.destroy()
        const tunnel = `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`
        let answer = ""
        while (!answer.includes("200")) {
          const socket = connected(proxy.port)
          answer = await new Promise((resolve) => {
            socket.once("data", (data) => resolve(String(data))).once("close", () => resolve(""))
            socket.write(tunnel)
          })
          socket.destroy()
        }
      })
    ))

  it("never reads: the server is read no further", async () => {
    const sent = { bytes: 0 }
    const server = net.createServer((socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) sent.bytes += 65_536
      }
      socket.on("drain", more).on("error", () => {})
      more()
    })
    const port = await listening(server)
    await withProxy([`127.0.0.1:${port}`], {}, async (proxy) => {
      const socket = connected(proxy.port)
      socket.pause()
      socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
      await until(() => sent.bytes > 0)
      // until nothing moves any more
      let before = -1
      while (before !== sent.bytes) {
        before = sent.bytes
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      // what the kernel's buffers of four sockets take
      assert.isBelow(sent.bytes, 64 * 1024 * 1024)
      socket.destroy()
    })
    server.close()
  })

  it("is cut off when the proxy ends, and nobody answers any more", () =>
    withEcho(async ({ port, sockets }) => {
      const proxy = await makeProxy([`127.0.0.1:${port}`])
      const [tunnel, idle] = [connected(proxy.port).resume(), connected(proxy.port).resume()]
      tunnel.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
      await until(() => sockets.length === 1)
      await proxy.close()
      await Promise.all([tunnel, idle, sockets[0]!].map(closed))
      const late = connected(proxy.port)
      const error = await new Promise<NodeJS.ErrnoException>((resolve) => late.once("error", resolve))
      assert.strictEqual(error.code, "ECONNREFUSED")
    }))
})
