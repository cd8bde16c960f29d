/** A proxy as a sandbox has it, servers behind it, and what a client hears. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as net from "node:net"
import { F } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import type { Connection } from "../../src/sandbox/network/Connection.ts"
import { type Options, serve } from "../../src/sandbox/network/Proxy.ts"
import { ruleOf } from "../../src/sandbox/network/rules.ts"

export interface Proxy {
  readonly port: number
  readonly seen: Array<Connection>
  readonly close: () => Promise<void>
}

export const listening = (server: net.Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port)))

/** A proxy on a socket as a sandbox hands it over. */
export const makeProxy = async (allow: ReadonlyArray<string>, more: Partial<Options> = {}): Promise<Proxy> => {
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

export const connected = (port: number, allowHalfOpen = false): net.Socket =>
  net.connect({ host: "127.0.0.1", port, allowHalfOpen }).on("error", () => {})

export const closed = (socket: net.Socket) =>
  new Promise<void>((resolve) => void (socket.closed ? resolve() : socket.once("close", resolve)))

/** Sends bytes, and tells all that comes until the other side has ended. */
export const said = async (port: number, ...parts: ReadonlyArray<string | Uint8Array>): Promise<string> => {
  const socket = connected(port)
  let all = ""
  socket.setEncoding("latin1").on("data", (text) => void (all += String(text)))
  for (const part of parts) socket.write(part)
  await closed(socket)
  return all
}

/** Runs with a server that answers what it got, in upper case, and a proxy. */
export const withEcho = async (
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

export const withProxy = async (
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

export const toLocal = { resolve: () => ["127.0.0.1"] }

export const answers: Readonly<Record<string, readonly [NonNullable<Options["ask"]>, string]>> = {
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
