/**
 * The proxy's own way from a name to an address, by servers of this program's own: it has a network namespace for itself, and
 * an /etc/resolv.conf that names 127.0.0.1. It writes what came of each name, and what was asked, as JSON.
 */
import * as Effect from "effect/Effect"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { createServer } from "node:net"
import { open } from "../../src/sandbox/network/access.ts"
import { ruleOf } from "../../src/sandbox/network/rules.ts"

/** Addresses of the wide world, which are this namespace's own here. */
const [world4, world6] = [[93, 184, 215, 14], [0x26, 0x06, 0x28, 0x00, 0x02, 0x1f, ...Array<number>(9).fill(0), 1]]

const A = 1
const AAAA = 28

type Answers = Readonly<Record<number, ReadonlyArray<ReadonlyArray<number>>>>

/** What a name leads to at its first, second… question; the last one again from then on. Nothing at all: no answer. */
const zone: Readonly<Record<string, ReadonlyArray<Answers>>> = {
  "world.test": [{ [A]: [world4] }],
  "six.test": [{ [AAAA]: [world6] }],
  "both.test": [{ [A]: [[10, 0, 0, 1]], [AAAA]: [world6] }],
  "private.test": [{ [A]: [[10, 0, 0, 1], [169, 254, 169, 254]] }],
  "mapped.test": [{ [AAAA]: [[...Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1]] }],
  "changes.test": [{ [A]: [world4] }, { [A]: [[127, 0, 0, 1]] }],
  "empty.test": [{}],
  "silent.test": []
}

const asked: Record<string, number> = {}

const nameIn = (question: Buffer): string => {
  const labels: Array<string> = []
  for (let at = 12; question[at] !== 0; at += question[at]! + 1) {
    labels.push(question.toString("latin1", at + 1, at + 1 + question[at]!))
  }
  return labels.join(".").toLowerCase()
}

/** @see RFC 1035 */
const answerTo = (question: Buffer): Buffer | undefined => {
  const name = nameIn(question)
  const end = 12 + name.length + 2
  const type = question.readUInt16BE(end)
  const key = `${name} ${type}`
  const times = asked[key] = (asked[key] ?? 0) + 1
  const known = zone[name]
  const now = known?.[Math.min(times, known.length) - 1]
  if (known !== undefined && now === undefined) return undefined
  const records = (now?.[type] ?? []).map((data) =>
    Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data])
  )
  const head = Buffer.from(question.subarray(0, 12))
  // an answer, of a server that looks further; NXDOMAIN for what is not known
  head.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(records.length, 6)
  head.writeUInt32BE(0, 8)
  return Buffer.concat([head, question.subarray(12, end + 4), ...records])
}

const names = createSocket("udp4").on("message", (question, from) => {
  const answer = answerTo(question)
  if (answer !== undefined) names.send(answer, from.port, from.address)
})
names.bind(53, "127.0.0.1")
await once(names, "listening")
const server = createServer((socket) => void socket.end())
server.listen(443, "::")
await once(server, "listening")

// the addresses of the wide world are those of an interface here, which must not count
const policy = { rules: [ruleOf("*")!], own: () => [] }
const outcome = (host: string) =>
  Effect.scoped(open(policy, { host, port: 443, protocol: "connect" })).pipe(
    Effect.match({
      onFailure: ({ outcome, reason }) => ({ outcome, reason }),
      onSuccess: ({ address }) => ({ outcome: "allowed", address })
    })
  )

const all = [...Object.keys(zone), "unknown.test"]
const found = await Effect.runPromise(Effect.forEach(all, outcome, { concurrency: "unbounded" }))
process.stdout.write(
  JSON.stringify({ found: Object.fromEntries(all.map((name, index) => [name, found[index]])), asked })
)
process.exit(0)
