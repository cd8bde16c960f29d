/** What the programs of a sandbox reach, and what they don't: run here as root, and in another process as a user. */
import assert from "node:assert/strict"
import * as http from "node:http"
import * as net from "node:net"
import * as promises from "../../src/promise.ts"
import type { Scenario } from "./scenario.ts"

/** Tries all ways out of a network, and tells what each came to: the name of an errno, or `open`. */
const ways = `
import errno, socket, sys
host, abstract = int(sys.argv[1]), sys.argv[2]
def way(name, use):
    try:
        use()
        print(name, "open")
    except OSError as error:
        print(name, errno.errorcode.get(error.errno, type(error).__name__))
def stream(family, address):
    def use():
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(5)
            one.connect(address)
    return use
def datagram(family, address):
    return lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", address)
def made(*kind):
    return lambda: socket.socket(*kind)
way("the host's loopback", stream(socket.AF_INET, ("127.0.0.1", host)))
way("the host's loopback of IPv6", stream(socket.AF_INET6, ("::1", host)))
way("an address", stream(socket.AF_INET, ("192.0.2.1", 443)))
way("an address of IPv6", stream(socket.AF_INET6, ("2001:db8::1", 443)))
way("a datagram", datagram(socket.AF_INET, ("192.0.2.1", 53)))
way("a datagram of IPv6", datagram(socket.AF_INET6, ("2001:db8::1", 53)))
way("a broadcast", datagram(socket.AF_INET, ("255.255.255.255", 9)))
way("a name", lambda: socket.getaddrinfo("example.org", 443))
way("a raw socket", made(socket.AF_INET, socket.SOCK_RAW, 1))
way("packets", made(socket.AF_PACKET, socket.SOCK_RAW, 3))
way("the hypervisor", made(40, socket.SOCK_STREAM, 0))
way("an abstract socket of the host", stream(socket.AF_UNIX, "\\0" + abstract))
`

const listening = (server: net.Server, at: number | string = 0): Promise<number> =>
  new Promise((resolve) => {
    const told = () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    }
    if (typeof at === "string") server.listen(at, told)
    else server.listen(at, "127.0.0.1", told)
  })

/** Runs with a server of HTTP on this host's loopback interface, and the list that allows it as example.org. */
const withServer = async (
  use: (port: number, network: Omit<promises.Allow, "allow"> & { readonly allow: Array<string> }) => Promise<void>
) => {
  const server = http.createServer(({ headers, url }, response) => void response.end(`${headers.host}${url}`))
  const port = await listening(server)
  try {
    await use(port, {
      allow: [`example.org:${port}`, `*.example.org:${port}`, `127.0.0.1:${port}`],
      resolve: () => ["127.0.0.1"]
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Sends requests by the proxy that the variables name, and tells the status and the answer of each. */
const ask = (...urls: ReadonlyArray<string>): ReadonlyArray<string> => [
  "python3",
  "-c",
  `
import sys, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        print(200, urllib.request.urlopen(url, timeout=20).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
    except OSError as error:
        print(error)
`,
  ...urls
]

/** Scenarios of networks with a list of hosts. */
export const networks: Readonly<Record<string, Scenario>> = {
  "a host on the list is reached by the variables, and no other one": ({ stateRoot }) =>
    withServer(async (port, network) => {
      const seen: Array<promises.Connection> = []
      const urls = [
        `http://example.org:${port}/a`,
        `http://b.example.org:${port}/`,
        "http://evil.example/",
        "https://x.org/"
      ]
      const { connections, exitCode, stderr, stdout } = await promises.run(ask(...urls), {
        stateRoot,
        network: { ...network, onConnection: (one) => void seen.push(one) }
      })
      assert.deepEqual(stdout.split("\n").slice(0, 3), [
        `200 example.org:${port}/a`,
        `200 b.example.org:${port}/`,
        "403 evil.example:80 is not allowed"
      ], stderr)
      assert.match(stdout, /\n<urlopen error Tunnel connection failed: 403 Forbidden>\n$/)
      assert.equal(exitCode, 0)
      assert.deepEqual(connections.map(({ host, outcome, protocol }) => [outcome, protocol, host]), [
        ["allowed", "http", "example.org"],
        ["allowed", "http", "b.example.org"],
        ["refused", "http", "evil.example"],
        ["refused", "connect", "x.org"]
      ])
      assert.deepEqual(seen, connections)
    }),
  "nothing else leaves the sandbox": ({ stateRoot }) =>
    withServer(async (port, network) => {
      const name = `runfx-${process.pid}-${port}`
      const abstract = net.createServer()
      await listening(abstract, `\0${name}`)
      const { stderr, stdout } = await promises.run(["python3", "-c", ways, String(port), name], { stateRoot, network })
      abstract.close()
      const found = Object.fromEntries(
        stdout.trim().split("\n").map((line) => [
          line.slice(0, line.lastIndexOf(" ")),
          line.slice(line.lastIndexOf(" ") + 1)
        ])
      )
      assert.equal(Object.keys(found).length, 12, stderr)
      assert.deepEqual(Object.entries(found).filter(([, what]) => what === "open"), [])
      assert.equal(found["the host's loopback"], "ECONNREFUSED")
      assert.equal(found["an address"], "ENETUNREACH")
      assert.equal(found["a raw socket"], "EPERM")
      assert.equal(found["an abstract socket of the host"], "ECONNREFUSED")
    }),
  "who is executed later reaches the same, and asks the application": ({ stateRoot }) =>
    withServer(async (port, network) => {
      const asked: Array<string> = []
      const process = await promises.spawn(["sleep", "infinity"], {
        stateRoot,
        network: { ...network, ask: ({ host }) => asked.push(host) > 0 && host === "asked.example" }
      })
      const { stdout } = await process.exec(
        ask(`http://example.org:${port}/`, `http://asked.example:${port}/`, `http://evil.example:${port}/`)
      )
      assert.deepEqual(stdout.trim().split("\n"), [
        `200 example.org:${port}/`,
        `200 asked.example:${port}/`,
        `403 evil.example:${port} is not allowed`
      ])
      assert.deepEqual(asked, ["asked.example", "evil.example"])
      await process.close()
      assert.equal((await process.exit.catch(() => undefined))?.exitCode ?? null, null)
    }),
  "a function of the application that fails is told": ({ stateRoot }) =>
    withServer(async (port, network) => {
      const run = promises.run(ask(`http://example.org:${port}/`), {
        stateRoot,
        network: {
          ...network,
          onConnection: () => {
            throw new Error("of the application")
          }
        }
      })
      await assert.rejects(run, {
        name: "SandboxError",
        code: "CALLBACK",
        message: /onConnection has failed: of the app/
      })
    }),
  "a list is checked, each entry by its place": async ({ stateRoot }) => {
    await assert.rejects(
      promises.run("true", { stateRoot, network: { allow: ["example.org", "https://example.org/"] } }),
      { name: "InvalidSandboxError", message: /^network\.allow\[1\] = "https:\/\/example\.org\/": must be a host as/ }
    )
  }
}
