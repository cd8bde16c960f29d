/**
 * A model that begins with this machine: what it tells of links, addresses and routes is what the machine tells.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as os from "node:os"
import { isDeepStrictEqual } from "node:util"
import { AT, O } from "../../src/native/constants.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import type { Answer } from "../../src/native/Rtnetlink.ts"
import { fromHost, ModelKernel } from "../../src/testing/Testing.ts"
import { isolate } from "../support/host.ts"
import { eventually } from "../support/until.ts"

/**
 * The same on the machine and on the model of it. Other tests make and remove links meanwhile: the machine is asked before
 * and after the model is made, until it answers the same.
 */
const both = <A>(effect: Effect.Effect<A, unknown, Kernel>) =>
  Effect.gen(function*() {
    const live = Effect.provide(effect, Linux.layer)
    let expected = yield* live
    for (let tries = 1;; tries++) {
      const actual = yield* Effect.provide(effect, ModelKernel.make(fromHost()).layer)
      const after = yield* live
      if (tries === 50 || isDeepStrictEqual(after, expected)) return { actual, expected }
      expected = after
    }
  })

const sorted = (answers: ReadonlyArray<Answer>): ReadonlyArray<string> =>
  answers.map((answer) => JSON.stringify(answer)).toSorted()

/** Parts that lists of the kernel's files do not tell: a kind, all flags but those of the state, a route's source. */
const plain = (answer: Answer): Answer =>
  answer._tag === "Link"
    ? { ...answer, kind: "", flags: answer.flags & 1 }
    : answer._tag === "Route"
    ? { ...answer, source: null }
    : answer

/** The addresses of each link. */
const allAddresses = Effect.flatMap(
  sys.rtnetlink({ request: { _tag: "LinkList" } }),
  Effect.forEach((link) =>
    sys.rtnetlink({ request: { _tag: "AddressList", link: link._tag === "Link" ? link.index : 0 } })
  )
)

describe("a model that begins with this machine", () => {
  it.effect("has its links", () =>
    Effect.gen(function*() {
      const { actual, expected } = yield* both(sys.rtnetlink({ request: { _tag: "LinkList" } }))
      assert.deepStrictEqual(actual.map(plain), expected.map(plain))
    }))

  it.effect("has the addresses of each link", () =>
    Effect.gen(function*() {
      const { actual, expected } = yield* both(allAddresses)
      assert.deepStrictEqual(actual.map(sorted), expected.map(sorted))
    }))

  it.effect("has its routes", () =>
    Effect.gen(function*() {
      const { actual, expected } = yield* both(sys.rtnetlink({ request: { _tag: "RouteList" } }))
      assert.isNotEmpty(expected)
      assert.deepStrictEqual(sorted(actual.map(plain)), sorted(expected.map(plain)))
    }))

  it.effect("has its parameters", () =>
    Effect.gen(function*() {
      const paths = [
        "kernel/hostname",
        "kernel/pid_max",
        "kernel/shmmax",
        "fs/nr_open",
        "net/ipv4/ip_forward",
        "net/core/somaxconn",
        "net/ipv4/tcp_rmem",
        "vm/swappiness"
      ]
      const read = (path: string) =>
        Effect.gen(function*() {
          const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: `/proc/sys/${path}`, flags: O.RDONLY, mode: 0 })
          const data = yield* sys.read({ fd, count: 4096 })
          yield* sys.close({ fd })
          return new TextDecoder().decode(data)
        })
      const { actual, expected } = yield* both(Effect.forEach(paths, read))
      assert.deepStrictEqual(actual, expected)
    }))

  // the last one: this process is in other namespaces from here on
  it.effect("has the addresses of links without a carrier, which Node does not tell", () =>
    Effect.gen(function*() {
      yield* isolate
      const commands = [
        "mount -t sysfs none /sys",
        "ip link add name one type bridge",
        "ip address add 10.88.0.1/16 dev one",
        "ip address add 10.88.0.2/16 dev one",
        "ip address add 192.168.7.129/25 dev one",
        "ip address add fd00:88::1/64 dev one",
        "ip link set one up",
        "ip link add name two type bridge",
        "ip address add 10.88.9.1/24 dev two",
        "ip link set two up",
        // a bridge loses its carrier with its last port
        ...["one", "two"].flatMap((
          name
        ) => [`ip link add p type veth peer name q`, `ip link set p master ${name} up`, "ip link delete p"])
      ]
      for (const command of commands) execFileSync("sh", ["-c", command])
      yield* eventually(() => ["one", "two"].every((name) => !(name in os.networkInterfaces())))
      const { actual, expected } = yield* both(allAddresses)
      assert.include(JSON.stringify(expected), "192.168.7.129/25")
      assert.deepStrictEqual(actual.map(sorted), expected.map(sorted))
    }))
})
