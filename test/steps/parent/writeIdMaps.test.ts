import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Rollback } from "../../../src/engine/Step.ts"
import { CLD, CLONE, POLL, SIG } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { type Call, Kernel } from "../../../src/native/Kernel.ts"
import { Channel, ClonedProcess } from "../../../src/steps/parent/facts.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"
import { writeIdMaps } from "../../../src/steps/parent/writeIdMaps.ts"
import { scripted } from "../../support/scripted.ts"
import { and, container, succeed } from "../../support/steps.ts"

const map = (hostId: number, size = 1) => [{ containerId: 0, hostId, size }]

const ended = { pid: 77, uid: 0, code: CLD.EXITED, status: 0 }

/** A run for a caller with uid 1000 and gid 2000: what the step writes, and what it would undo. */
const scene = (
  uidMappings: ReturnType<typeof map>,
  gidMappings: ReturnType<typeof map>,
  { helper = ended, uid = 1000 }: { readonly helper?: typeof ended | null; readonly uid?: number } = {}
) => {
  // a child is run in its place: what it would execute is in the trace
  const fork: Fork["Service"] = {
    spawn: (_, child) => Effect.as(Effect.exit(child), 77)
  }
  const launch = {
    container: { ...container, uidMappings, gidMappings },
    namespaces: { clone: CLONE.NEWUSER, joins: [], unshare: 0 },
    patience: 1000
  } as Partial<Launch["Service"]> as Launch["Service"]
  const channel = { parent: 5, child: 6, closeParent: Effect.void, closeChild: Effect.void }
  const undo: Array<Effect.Effect<unknown, unknown>> = []
  const rollback = { add: (one: Effect.Effect<unknown, unknown>) => void undo.push(one) }
  const context = [
    [Channel, channel],
    [ClonedProcess, { pid: 42, pidfd: 7, events: [] }],
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
    if (call._tag === "getresuid") return { real: uid, effective: uid, saved: uid }
    if (call._tag === "getresgid") return { real: 2000, effective: 2000, saved: 2000 }
    if (call._tag === "waitid") return helper
    if (call._tag === "pidfd_open") return 11
    if (call._tag === "poll") return call.fds.map(() => helper === null ? 0 : POLL.IN)
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

  it("writes both as root, and leaves setgroups alone", () => {
    assert.deepStrictEqual(written(map(1000, 10), map(2000, 20), { uid: 0 }).out, [
      "/proc/42/uid_map: 0 1000 10",
      "/proc/42/gid_map: 0 2000 20"
    ])
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
