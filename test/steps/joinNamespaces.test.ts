import { assert, describe, it } from "@effect/vitest"
import { CLONE } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { joinNamespaces } from "../../src/steps/joinNamespaces.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const joins = withInit({
  joins: [
    { type: "user", path: "/ns/user" },
    { type: "net", path: "/ns/net" },
    { type: "mnt", path: "/ns/mnt" }
  ]
})

/** Hands out 7, 8, 9; refuses some setns calls. */
const kernel = (refuse: (call: Call & { readonly _tag: "setns" }, earlier: number) => string | undefined) => {
  let next = 7
  const tried = new Map<number, number>()
  return (call: Call): unknown => {
    if (call._tag === "openat") return next++
    if (call._tag !== "setns") return undefined
    const earlier = tried.get(call.fd) ?? 0
    tried.set(call.fd, earlier + 1)
    return refuse(call, earlier)
  }
}

const opens = ["/ns/user", "/ns/net", "/ns/mnt"].map((path) => `openat(AT_FDCWD, "${path}", O_RDONLY|O_CLOEXEC, 00)`)
const closes = ["close(7)", "close(8)", "close(9)"]

describe("joinNamespaces", () => {
  it("does nothing where there is nothing to join", () => {
    assert.deepStrictEqual(succeed(joinNamespaces, withInit()).trace, [])
  })

  it("opens all, enters the user namespace last, with the type, and closes all", () => {
    assert.deepStrictEqual(succeed(joinNamespaces, joins, kernel(() => undefined)).trace, [
      ...opens,
      "setns(8, CLONE_NEWNET)",
      "setns(9, CLONE_NEWNS)",
      "setns(7, CLONE_NEWUSER)",
      ...closes
    ])
  })

  it("tries again in the user namespace what was not permitted before", () => {
    const refuseFirst = kernel(({ nstype }, earlier) => nstype === CLONE.NEWNET && earlier === 0 ? "EPERM" : undefined)
    assert.deepStrictEqual(succeed(joinNamespaces, joins, refuseFirst).trace, [
      ...opens,
      "setns(8, CLONE_NEWNET)",
      "setns(9, CLONE_NEWNS)",
      "setns(7, CLONE_NEWUSER)",
      "setns(8, CLONE_NEWNET)",
      ...closes
    ])
  })

  it("names the namespace that stays refused, and closes all", () => {
    const refuse = kernel(({ nstype }) => nstype === CLONE.NEWNET ? "EPERM" : undefined)
    const { advice, message, tag, trace } = fail(joinNamespaces, joins, refuse)
    assert.strictEqual(tag, "NamespaceJoinError")
    assert.strictEqual(message, "can't join the net namespace /ns/net: EPERM (Operation not permitted)")
    assert.include(advice, "CAP_SYS_ADMIN")
    assert.deepStrictEqual(trace.slice(-3), closes)
  })

  it("does not wait for a user namespace that is not joined", () => {
    const alone = withInit({ joins: [{ type: "net", path: "/ns/net" }] })
    const { trace } = fail(joinNamespaces, alone, kernel(() => "EPERM"))
    assert.deepStrictEqual(trace.slice(1), ["setns(7, CLONE_NEWNET)", "close(7)"])
  })

  it("fails at once where a path is not a namespace of its type", () => {
    const { advice, trace } = fail(joinNamespaces, joins, kernel(() => "EINVAL"))
    assert.strictEqual(advice, "/ns/net must be a namespace of the type net")
    assert.deepStrictEqual(trace, [...opens, "setns(8, CLONE_NEWNET)", ...closes])
  })

  it("enters none where one can't be opened, and closes those that were", () => {
    const { message, trace } = fail(
      joinNamespaces,
      joins,
      (call) => call._tag === "openat" ? (call.path === "/ns/net" ? "ENOENT" : 7) : undefined
    )
    assert.strictEqual(message, "can't open the net namespace /ns/net: ENOENT (No such file or directory)")
    assert.deepStrictEqual(trace, [...opens.slice(0, 2), "close(7)"])
  })

  describe("of a process", () => {
    const joined = withInit({
      joins: [{ type: "mnt", path: "/proc/42/ns/mnt" }],
      joined: { pid: 42, startTime: 1000n }
    })
    const stat = (startTime: number, state = "S") =>
      Buffer.from(`42 (init) ${state} 1 ${Array(17).fill(0).join(" ")} ${startTime} 0\n`)
    const proc = (text: Uint8Array) => {
      const files = new Map([[8, [text]], [9, [Buffer.from("NSpid:\t7\n")]]])
      return (call: Call): unknown =>
        call._tag === "openat"
          ? call.path.endsWith("stat") ? 8 : call.path === "/proc/self/status" ? 9 : 7
          : call._tag === "read"
          ? files.get(call.fd)?.shift() ?? Buffer.of()
          : undefined
    }

    it("enters where it is who it was once all is open", () => {
      const { trace } = succeed(joinNamespaces, joined, proc(stat(1000)))
      assert.deepStrictEqual(trace.filter((line) => /ns|stat"/.test(line)), [
        "openat(AT_FDCWD, \"/proc/42/ns/mnt\", O_RDONLY|O_CLOEXEC, 00)",
        "openat(AT_FDCWD, \"/proc/42/stat\", O_RDONLY|O_CLOEXEC|O_NONBLOCK, 00)",
        "setns(7, CLONE_NEWNS)"
      ])
    })

    it.for([["another has its pid by now", stat(1001)], ["it has ended", stat(1000, "Z")]] as const)(
      "enters nothing where %s",
      ([, text]) => {
        const { advice, message, trace } = fail(joinNamespaces, joined, proc(text))
        assert.strictEqual(message, "can't open the mnt namespace /proc/42/ns/mnt: ESRCH (No such process)")
        assert.include(advice, "has ended")
        assert.isFalse(trace.some((line) => line.startsWith("setns")))
        assert.strictEqual(trace.at(-1), "close(7)")
      }
    )
  })
})
