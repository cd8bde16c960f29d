/** What the difference of two plans says of one change that a user makes: that change, once, and what comes of it. */
import { assert, describe, it } from "@effect/vitest"
import type { Container } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { seccompProfiles } from "../../src/config/seccompProfiles.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { standard } from "../../src/pipelines/standard.ts"
import type { RunOptions } from "../../src/runtime/options.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { bound } from "../../src/sandbox/decode/mounts.ts"
import { documentChanges } from "../../src/testing/documents.ts"
import { Check, PlanDiff } from "../../src/testing/Testing.ts"

const base = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"], hostname: "web", env: ["A=1", "B=2"] })
const directory = { directory: true } as const
const machine = {
  cgroup: "v2" as const,
  files: {
    "/srv/web/bin/server": { mode: 0o755 },
    "/srv/web/dev": directory,
    "/srv/web/proc": directory,
    "/srv/web/sys": directory,
    "/srv/web/data": directory,
    "/run/runfx": { directory: true, mode: 0o700 }
  }
}

const planOf = (container: Container, more: Partial<RunOptions> = {}) => {
  const checked = Check.run(Runtime.create({ id: "web", stateRoot: "/run/runfx", container, ...more }), { machine })
  Check.succeeded(checked)
  return Check.plan(checked)
}

const before = planOf(base)

const difference = (change: Partial<Container>, more?: Partial<RunOptions>): ReadonlyArray<string> =>
  PlanDiff.render(PlanDiff.diff(before, planOf({ ...base, ...change }, more))).split("\n")

const withProcess = (change: Partial<Container["process"]>) => difference({ process: { ...base.process, ...change } })

const state = ["parent: create/createState", "  ~ what is in </run/runfx/web/.state.json.<random>.0>"]

describe("the difference after", () => {
  it("another hostname is that, in the state and in the call", () =>
    assert.deepStrictEqual(difference({ hostname: "web2" }), [
      ...state,
      "      container.hostname: \"web\" → \"web2\"",
      "init: standard/setHostname",
      "  ~ sethostname(\"web2\")",
      "      name: \"web\" → \"web2\""
    ]))

  it("another variable is its name, and another value none: values are not in a plan", () => {
    const [head, call, ...rest] = withProcess({ env: ["A=1", "B=3", "C=4"] })
    assert.deepStrictEqual([head, rest.length], ["init: standard/exec", 1])
    assert.match(call!, /^ {2}~ execve\("\/bin\/server", .*4 variables/)
    assert.match(rest[0]!, /^ {6}envp: is new: "C/)
    assert.deepStrictEqual(withProcess({ env: ["A=1", "B=3"] }), [""])
  })

  it("another limit is the number, and the file of the group", () =>
    assert.deepStrictEqual(
      PlanDiff.render(PlanDiff.diff(
        planOf({ ...base, cgroup: { ...base.cgroup!, pids: { limit: 64n } } }),
        planOf({ ...base, cgroup: { ...base.cgroup!, pids: { limit: 65n } } })
      )).split("\n"),
      [
        ...state,
        "      container.cgroup.pids.limit: 64 → 65",
        "parent: create/limitCgroup",
        "  ~ write(</sys/fs/cgroup/runfx-web/pids.max>, \"65\")",
        "      data: \"64\" → \"65\""
      ]
    ))

  it("a mount is its line in the state, and the calls that make it", () => {
    const [, , , ...rest] = difference({ mounts: [...base.mounts, bound("/srv", "/data", true)] })
    assert.strictEqual(rest[0], "init: standard/mountFilesystems")
    assert.match(rest[1]!, /^ {2}\+ open_tree\(AT_FDCWD, "\/srv"/)
    assert.include(rest.map((line) => line.split("(")[0]), "  + move_mount")
    assert.isAtMost(rest.length, 6)
    // a call that only looks is counted, unless all are asked for
    assert.match(rest.join("\n"), /\+ \d+ calls that only look/)
  })

  it("a capability that is gone is its number in the sets, and the calls that drop it", () => {
    const { capabilities } = base.process
    const kept = Object.fromEntries(
      Object.entries(capabilities!).map((
        [set, all]: [string, ReadonlyArray<number>]
      ) => [set, all.filter((one) => one !== 5)])
    )
    assert.deepStrictEqual(withProcess({ capabilities: kept as unknown as NonNullable<typeof capabilities> }), [
      ...state,
      "      container.process.capabilities.bounding[]: is gone: 5",
      "      container.process.capabilities.effective[]: is gone: 5",
      "      container.process.capabilities.permitted[]: is gone: 5",
      "init: standard/dropBoundingSet",
      "  ~ prctl(PR_CAPBSET_DROP, 5, 0, 0, 0)",
      "      was prctl(PR_CAPBSET_READ, 5, 0, 0, 0)",
      "init: standard/dropCapabilities",
      "  ~ capset(0x20000400, 0x20000400, 0x0)",
      "      was capset(0x20000420, 0x20000420, 0x0)"
    ])
  })

  it("another user is the user, and the calls that become it", () => {
    const lines = withProcess({ user: { _tag: "Ids", uid: 1000, gid: 1000, additionalGids: [] } })
    assert.deepStrictEqual(lines.slice(0, 4), [
      ...state,
      "      container.process.user.uid: 0 → 1000",
      "      container.process.user.gid: 0 → 1000"
    ])
    assert.include(lines.join("\n"), "  ~ setresuid(1000, 1000, 1000)\n      was setresuid(0, 0, 0)")
    assert.isAtMost(lines.length, 16)
  })

  it("a filter is its beginning, and the trampoline that loads it", () => {
    const lines = difference({ seccomp: seccompProfiles.default })
    assert.match(lines[2]!, /^ {6}container\.seccomp: is new: \{"defaultAction":"SCMP_ACT_ERRNO".*…$/)
    assert.isAtMost(Math.max(...lines.map((line) => line.length)), 160)
    assert.include(lines, "init: standard/writeTrampoline")
    assert.isAtMost(lines.length, 16)
  })

  it("another order of steps is the step that has moved", () => {
    const flow: NonNullable<RunOptions["flow"]> = (preset) =>
      Pipeline.move(preset as typeof standard, "setDomainname", { before: "setHostname" })
    const named = { ...base, domainname: "example" }
    assert.deepStrictEqual(
      PlanDiff.render(PlanDiff.diff(planOf(named), planOf(named, { flow }))).split("\n"),
      ["init: standard/setHostname", "  has moved: it was after remountReadonly, and is after setDomainname"]
    )
  })
})

describe("the difference of two documents", () => {
  const changes = (one: unknown, other: unknown) => documentChanges(JSON.stringify(one), JSON.stringify(other, null, 2))

  it("is none if they mean the same", () => {
    assert.deepStrictEqual(changes({ a: 1, b: [{ c: "x" }] }, { b: [{ c: "x" }], a: 1 }), [])
    assert.deepStrictEqual(changes({ own: JSON.stringify({ a: 1, b: 2 }) }, { own: "{\"b\":2,\"a\":1}" }), [])
  })
  it("is where they differ, also in a document that one holds", () => {
    assert.deepStrictEqual(
      changes({ own: JSON.stringify({ a: { $bigint: "1" } }) }, { own: "{\"a\":{\"$bigint\":\"2\"}}" }),
      [
        { path: "own.a", expected: 1n, actual: 2n }
      ]
    )
    assert.deepStrictEqual(changes({ list: [1, 2, 3] }, { list: [1, 3] }), [
      { path: "list[]", expected: 2, actual: undefined }
    ])
    assert.deepStrictEqual(changes({ list: [1, 2] }, { list: [1, 5] }), [
      { path: "list[1]", expected: 2, actual: 5 }
    ])
    assert.deepStrictEqual(changes({ list: [1, 2] }, { list: [2, 1] }), [
      { path: "list", expected: [1, 2], actual: [2, 1] }
    ])
  })
  it("is not looked for in other texts", () => {
    assert.isUndefined(documentChanges("64", "65"))
    assert.isUndefined(documentChanges("{ no document", "{}"))
  })
})
