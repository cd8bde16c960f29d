/**
 * Requests of HTTP to a proxy: CONNECT, and plain ones with a whole URL. Node's own parser reads them, and each is written
 * again for the server from what was understood of it, over a connection of its own: so there is nothing behind a request
 * that one of the two could take for another one.
 *
 * @see RFC 9110, RFC 9112 section 3.2 and 11.2
 */
import * as Effect from "effect/Effect"
import * as http from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import { authorityOf, type Destination, written } from "./hosts.ts"
import { silence } from "./sockets.ts"

/** What a program has sent. */
export type Head =
  | { readonly _tag: "Connect"; readonly to: Destination }
  | { readonly _tag: "Plain"; readonly to: Destination; readonly path: string; readonly exchange: Exchange }
  /** It is no request for a proxy. */
  | { readonly _tag: "Malformed"; readonly reason: string }

/** A request, and the answer to it. */
interface Exchange {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
}

/** Bytes of a request's, or an answer's, line and headers. */
const largestHead = 16 * 1024

/** What is between two neighbours only, or is the proxy's to say. */
const ofOneHop = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

const malformed = (reason: string): Head => ({ _tag: "Malformed", reason })

const connectHead = ({ url = "" }: http.IncomingMessage): Head => {
  const to = authorityOf(url)
  return to?.port === undefined
    ? malformed("CONNECT takes a host and a port")
    : { _tag: "Connect", to: { host: to.host, port: to.port } }
}

/** The parts of a URL as they are: a parser for URLs would make another path of it. */
const absolute = /^http:\/\/([^/?#]*)(\/[^#]*|\?[^#]*)?$/i

const plainHead = (request: http.IncomingMessage, response: http.ServerResponse): Head => {
  const [, authority = "", rest = "/"] = absolute.exec(request.url ?? "") ?? []
  const to = authorityOf(authority)
  if (to === undefined) return malformed("a request to a proxy has a whole URL, http://host/path; others take CONNECT")
  const path = rest.startsWith("?") ? `/${rest}` : rest
  return { _tag: "Plain", to: { host: to.host, port: to.port ?? 80 }, path, exchange: { request, response } }
}

/** Reads the head of one request of a connection. A second one is not read; a tunnel in its place breaks the connection off. */
export interface Reader {
  readonly read: (socket: Socket) => Effect.Effect<Head>
}

/** A reader of requests, for all connections of a proxy. */
export const makeReader = (): Reader => {
  const waiting = new WeakMap<object, (head: Head) => void>()
  const server = http.createServer({ maxHeaderSize: largestHead, requireHostHeader: false, insecureHTTPParser: false })
  // the proxy has clocks of its own
  server.requestTimeout = 0
  server.headersTimeout = 0
  server.timeout = silence
  server.maxHeadersCount = 200
  // a program that sends a second one early gets the first answer, and may ask again over another connection
  server.maxRequestsPerSocket = 1
  const tell = (socket: Socket, head: Head): boolean => {
    const resume = waiting.get(socket)
    waiting.delete(socket)
    if (resume === undefined) socket.destroy()
    else resume(head)
    return resume !== undefined
  }
  server.on("request", (request, response) => void tell(request.socket, plainHead(request, response)))
  server.on("connect", (request, socket, rest) => {
    if (rest.length > 0) socket.unshift(rest)
    tell(socket as Socket, connectHead(request))
  })
  server.on("clientError", (error, socket) => {
    tell(socket as Socket, malformed(`no request of HTTP: ${(error as NodeJS.ErrnoException).code ?? error.message}`))
  })
  return {
    read: (socket) =>
      Effect.callback((resume) => {
        waiting.set(socket, (head) => resume(Effect.succeed(head)))
        socket.once("close", () => tell(socket, malformed("the connection has ended")))
        server.emit("connection", socket)
      })
  }
}

const statusOf = { malformed: "400 Bad Request", refused: "403 Forbidden", failed: "502 Bad Gateway" } as const

/** What a program reads that gets no connection. */
export const refusal = (why: keyof typeof statusOf, reason: string): string => {
  const text = `${reason}\n`
  return `HTTP/1.1 ${statusOf[why]}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

/** What a program reads whose tunnel is there. */
export const established = "HTTP/1.1 200 Connection established\r\n\r\n"

/** Headers of a message that are meant for its receiver, as names and values by turns. */
const passedOn = ({ headers, rawHeaders }: http.IncomingMessage): Array<string> => {
  const named = new Set((headers.connection ?? "").toLowerCase().split(",").map((one) => one.trim()))
  return rawHeaders.flatMap((name, index) => {
    const key = name.toLowerCase()
    return index % 2 === 1 || ofOneHop.has(key) || named.has(key) ? [] : [name, rawHeaders[index + 1]!]
  })
}

/** How long a message is, by the one way that its parser has found. */
const framing = ({ headers }: http.IncomingMessage): ReadonlyArray<string> =>
  headers["transfer-encoding"] !== undefined
    ? ["Transfer-Encoding", "chunked"]
    : headers["content-length"] !== undefined
    ? ["Content-Length", headers["content-length"]]
    : []

const hostHeader = (to: Destination): string => to.port === 80 ? written(to).replace(/:80$/, "") : written(to)

/** Passes a plain request on, over a connection to its server, and its answer back. Done when both are over. */
export const forward = (
  { exchange: { request, response }, path, to }: Extract<Head, { readonly _tag: "Plain" }>,
  server: Socket
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const client = request.socket
    const done = () => resume(Effect.void)
    const broken = () => {
      client.resetAndDestroy()
      server.destroy()
    }
    /** Not by a pipeline: that would end the far side as if all had come. */
    const pass = (from: http.IncomingMessage, to: Writable) => {
      from.on("error", () => {}).once("close", () => void (from.complete || broken()))
      from.pipe(to)
    }
    client.once("close", () => {
      server.destroy()
      done()
    })
    server.setTimeout(silence, broken)
    const onward = http.request({
      createConnection: () => server,
      method: request.method ?? "GET",
      path,
      maxHeaderSize: largestHead,
      headers: ["Host", hostHeader(to), ...passedOn(request), ...framing(request), "Connection", "close"] as never
    })
    onward.on("error", broken)
    onward.on("response", (answer) => {
      response.shouldKeepAlive = false
      const length = answer.headers["transfer-encoding"] === undefined ? framing(answer) : []
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, [...passedOn(answer), ...length])
      pass(answer, response)
    })
    pass(request, onward)
    return Effect.sync(broken)
  })
