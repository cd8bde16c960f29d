import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { CLD, CLONE } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { Channel, ClonedProcess } from "../../../src/steps/parent/facts.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"
import { writeIdMaps } from "../../../src/steps/parent/writeIdMaps.ts"
import { and, container, succeed } from "../../support/steps.ts"

const map = (hostId: number, size = 1) => [{ containerId: 0, hostId, size }]

/** What the step writes, and the programs that it starts, for a caller with uid 1000 and gid 2000. */
const written = (uidMappings: ReturnType<typeof map>, gidMappings: ReturnType<typeof map>, uid = 1000) => {
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
  const context = [[Channel, channel], [ClonedProcess, { pid: 42, pidfd: 7, events: [] }], [Fork, fork]] as const
  const given = context.reduce(
    (all, [key, service]) => and(all, key as Context.Key<unknown, unknown>, service),
    Context.make(Launch, launch) as Context.Context<never>
  )
  let open = ""
  const out: Array<string> = []
  const { trace } = succeed(writeIdMaps, given, (call) => {
    if (call._tag === "getresuid") return { real: uid, effective: uid, saved: uid }
    if (call._tag === "getresgid") return { real: 2000, effective: 2000, saved: 2000 }
    if (call._tag === "waitid") return { pid: 77, uid: 0, code: CLD.EXITED, status: 0 }
    if (call._tag === "openat") {
      open = call.path
      return 9
    }
    if (call._tag !== "write") return undefined
    out.push(`${open}: ${Buffer.from(call.data).toString().trim()}`)
    return call.data.length
  })
  return { out, executed: trace.filter((line) => line.startsWith("execve")) }
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
    assert.deepStrictEqual(written(map(1000, 10), map(2000, 20), 0).out, [
      "/proc/42/uid_map: 0 1000 10",
      "/proc/42/gid_map: 0 2000 20"
    ])
  })

  it("has the helpers map what is not the caller's own", () => {
    const { executed, out } = written(map(100_000, 10), map(2000, 20))
    assert.deepStrictEqual(executed, [
      "execve(\"/usr/bin/newuidmap\", [\"/usr/bin/newuidmap\", \"42\", \"0\", \"100000\", \"10\"], /* 0 variables */)",
      "execve(\"/usr/bin/newgidmap\", [\"/usr/bin/newgidmap\", \"42\", \"0\", \"2000\", \"20\"], /* 0 variables */)"
    ])
    assert.deepStrictEqual(out, [])
  })
})
