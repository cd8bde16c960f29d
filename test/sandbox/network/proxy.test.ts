/** The proxy between an application that decides and a program that means harm. */
import { assert, describe, it } from "@effect/vitest"
import * as net from "node:net"
import { answers, closed, connected, listening, makeProxy, toLocal, withEcho, withProxy } from "../../support/proxy.ts"
import { until } from "../../support/until.ts"

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
