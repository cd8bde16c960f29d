import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Rollback } from "../../../src/engine/Step.ts"
import { CLD, CLONE, POLL, SIG } from "../../../src/native/constants.ts"
import { Fork, make as makeFork } from "../../../src/native/Fork.ts"
import { type Call, Kernel } from "../../../src/native/Kernel.ts"
import { initialUserNamespace } from "../../../src/steps/caller/authority.ts"
import { Channel, ClonedProcess } from "../../../src/steps/parent/facts.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"
import { writeIdMaps } from "../../../src/steps/parent/writeIdMaps.ts"
import { capabilities } from "../../support/callers.ts"
import { scripted } from "../../support/scripted.ts"
import { and, container, succeed } from "../../support/steps.ts"

const map = (hostId: number, size = 1) => [{ containerId: 0, hostId, size }]

const ended = { pid: 77, uid: 0, code: CLD.EXITED, status: 0 }

/** A run for a caller with uid 1000 and gid 2000: what the step writes, and what it would undo. */
const scene = (
  uidMappings: ReturnType<typeof map>,
  gidMappings: ReturnType<typeof map>,
  { helper = ended, held = 0n, answers = () => undefined }: {
    readonly helper?: typeof ended | null
    readonly held?: bigint
    readonly answers?: (call: Call) => unknown
  } = {}
) => {
  // a child is run in its place: what it would execute is in the trace
  const fork = makeFork((_, child) =>
    Effect.map(
      Effect.forkChild(child, { startImmediately: true }),
      (fiber) => ({ pid: 77, fiber, catchUp: Effect.void, forget: Effect.void })
    ), () => Effect.void)
  const launch = {
    record: { container: { ...container, uidMappings, gidMappings } },
    namespaces: { clone: CLONE.NEWUSER, joins: [], unshare: 0 },
    patience: 1000
  } as unknown as Launch["Service"]
  const channel = { parent: 5, child: 6, closeParent: Effect.void, closeChild: Effect.void }
  const undo: Array<Effect.Effect<unknown, unknown>> = []
  const rollback = { add: (one: Effect.Effect<unknown, unknown>) => void undo.push(one) }
  const context = [
    [Channel, channel],
    [ClonedProcess, { pid: 42, pidfd: 7, deadline: 0, events: [] }],
    [Fork, fork],
    [Rollback, rollback]
  ] as const
  const given = context.reduce(
    (all, [key, service]) => and(all, key as Context.Key<unknown, unknown>, service),
    Context.make(Launch, launch) as Context.Context<never>
  )
  let open = ""
  const out: Array<string> = []
  const answer = (call: Call): unknown => {
    const answered = answers(call)
    if (answered !== undefined) return answered
    if (call._tag === "getresuid") return { real: 1000, effective: 1000, saved: 1000 }
    if (call._tag === "capget") return { effective: held, permitted: held, inheritable: 0n }
    if (call._tag === "statx") return { ino: initialUserNamespace }
    if (call._tag === "read") return Buffer.from("")
    if (call._tag === "getresgid") return { real: 2000, effective: 2000, saved: 2000 }
    if (call._tag === "waitid") return helper
    if (call._tag === "pidfd_open") return 11
    if (call._tag === "poll") return call.fds.map((fd) => fd === channel.parent || helper === null ? 0 : POLL.IN)
    if (call._tag === "openat") {
      open = call.path
      return 9
    }
    if (call._tag !== "write") return undefined
    out.push(`${open}: ${Buffer.from(call.data).toString().trim()}`)
    return call.data.length
  }
  return { given, answer, out, undo }
}

/** What the step writes, and the programs that it starts. */
const written = (...args: Parameters<typeof scene>) => {
  const { answer, given, out } = scene(...args)
  const { trace } = succeed(writeIdMaps, given, answer)
  return { out, trace, executed: trace.filter((line) => line.startsWith("execve")) }
}

describe("writeIdMaps", () => {
  it("denies setgroups before a caller without privileges maps the own group, and maps each id to its own", () => {
    assert.deepStrictEqual(written(map(1000), map(2000)).out, [
      "/proc/42/uid_map: 0 1000 1",
      "/proc/42/setgroups: deny",
      "/proc/42/gid_map: 0 2000 1"
    ])
  })

  it("writes both with the capabilities for it, whatever the uid is, and leaves setgroups alone", () => {
    assert.deepStrictEqual(written(map(1000, 10), map(2000, 20), { held: capabilities("SETUID", "SETGID") }).out, [
      "/proc/42/uid_map: 0 1000 10",
      "/proc/42/gid_map: 0 2000 20"
    ])
  })

  it("writes to the process itself where /proc shows the numbers of an outer pid namespace", () => {
    let path = ""
    const texts: Record<string, string> = {
      "/proc/self/status": "NSpid:\t900\t5\n",
      "/proc/self/fdinfo/11": "Pid:\t942\nNSpid:\t942\t42\n"
    }
    const { trace } = written(map(1000), map(2000), {
      answers: (call) => {
        if (call._tag === "openat") path = call.path
        if (call._tag !== "read") return undefined
        const text = texts[path] ?? ""
        path = ""
        return Buffer.from(text)
      }
    })
    const opened = trace.filter((line) => line.startsWith("openat") && line.includes("_map"))
    assert.deepStrictEqual(opened.map((line) => line.split("\"")[1]), ["/proc/942/uid_map", "/proc/942/gid_map"])
  })

  it("root without CAP_SETGID denies setgroups before it maps its own group", () => {
    const { out } = written(map(1000), map(2000), { held: capabilities("SETUID") })
    assert.include(out, "/proc/42/setgroups: deny")
  })

  it("has the helpers map what is not the caller's own", () => {
    const { executed, out, trace } = written(map(100_000, 10), map(2000, 20))
    assert.deepStrictEqual(executed, [
      "execve(\"/usr/bin/newuidmap\", [\"/usr/bin/newuidmap\", \"42\", \"0\", \"100000\", \"10\"], /* 0 variables */)",
      "execve(\"/usr/bin/newgidmap\", [\"/usr/bin/newgidmap\", \"42\", \"0\", \"2000\", \"20\"], /* 0 variables */)"
    ])
    assert.deepStrictEqual(out, [])
    // each is waited for by a handle, which is closed
    assert.strictEqual(trace.filter((line) => line.startsWith("poll([11], POLLIN")).length, 2)
    assert.strictEqual(trace.filter((line) => line === "close(11)").length, 2)
  })

  /** Runs the step, and what it would undo; gives the error, if any, and the calls of the latter. */
  const undone = (...args: Parameters<typeof scene>) => {
    const { answer, given, undo } = scene(...args)
    const { calls, kernel } = scripted(answer)
    const error = Effect.runSync(Effect.flip(Effect.andThen(
      Effect.provideContext(writeIdMaps.run, Context.add(given, Kernel, kernel)) as Effect.Effect<unknown, Error>,
      Effect.fail(undefined)
    )))
    const before = calls.length
    for (const one of undo) Effect.runSyncExit(one)
    return { error, calls: calls.slice(before) }
  }

  const refusedTo = (
    hostId: number,
    size: number,
    { held, noNewPrivileges = 0, status = 0, uidMap = "0 0 4294967295" }: {
      readonly held: bigint
      readonly uidMap?: string
      readonly noNewPrivileges?: number
      readonly status?: number
    }
  ) => {
    let read = false
    const { advice } = undone(map(hostId, size), map(2000), {
      held,
      helper: { ...ended, status },
      answers: (call) => {
        if (call._tag === "write") return "EPERM"
        if (call._tag === "prctl") return noNewPrivileges
        if (call._tag === "openat") read = false
        if (call._tag !== "read") return undefined
        read = !read
        return Buffer.from(read ? uidMap : "")
      }
    }).error as { readonly advice?: string }
    return advice
  }

  it("a map that is refused is explained by the rule that it breaks", () => {
    const both = capabilities("SETUID", "SETGID")
    assert.include(refusedTo(0, 1, { held: both }), "CAP_SETFCAP")
    assert.notInclude(refusedTo(0, 1, { held: both | capabilities("SETFCAP") }), "lacks")
    assert.include(refusedTo(1000, 10, { held: both, uidMap: "0 1000 1" }), "does not have the uid 1000 to 1009")
    assert.include(refusedTo(1000, 1, { held: 0n }), "security module")
  })

  it("a helper that is refused is not blamed on /etc/subuid where it could not work at all", () => {
    assert.include(refusedTo(100_000, 10, { held: 0n, status: 1 }), "/etc/subuid")
    assert.include(refusedTo(100_000, 10, { held: 0n, status: 1, noNewPrivileges: 1 }), "no_new_privs")
    assert.include(refusedTo(100_000, 10, { held: 0n, status: 127 }), "install newuidmap")
  })

  it("waits for a helper as long as the caller has patience, and kills it then", () => {
    const { calls, error } = undone(map(100_000, 10), map(2000), { helper: null })
    assert.strictEqual(
      error?.message,
      "/usr/bin/newuidmap 42 0 100000 10 did not end within 1000 ms, and is killed"
    )
    assert.deepInclude(calls, { _tag: "pidfd_send_signal", pidfd: 11, signal: SIG.KILL })
    assert.deepInclude(calls, { _tag: "close", fd: 11 })
  })

  it("kills none that has ended", () => {
    assert.deepStrictEqual(undone(map(100_000, 10), map(1)), { error: undefined, calls: [] })
  })
})
