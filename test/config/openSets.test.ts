/**
 * What a configuration says that this version does not know: left out and told if the specification leaves the set open,
 * refused if the container would be another one without it. And what engines write out of habit, which means nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decode } from "../../src/config/Config.ts"
import { render } from "../../src/config/ConfigError.ts"
import type { Container } from "../../src/config/Container.ts"
import { MPOL } from "../../src/native/constants.ts"
import { initConfig, type Json, oci } from "./documents.ts"

const decoded = (text: string) => Result.getOrThrow(decode(text, "/bundle"))
const taken = (text: string): Container => decoded(text).container
const lines = (text: string): ReadonlyArray<string> =>
  Result.match(decode(text, "/bundle"), { onFailure: ({ message }) => message.split("\n"), onSuccess: () => [] })
const memory = (fields: Json) => oci({ linux: { resources: { memory: fields } } })
const seccomp = (fields: Json) => oci({ linux: { seccomp: fields } })

describe("an open set", () => {
  it("of capabilities: one of a later kernel is a warning, once, and the others are as they were", () => {
    const sets = { bounding: ["CAP_KILL", "CAP_FUTURE"], permitted: ["CAP_FUTURE"], ambient: ["CHOWN", "cap_kill"] }
    const { container, notices } = decoded(oci({ process: { capabilities: sets } }))
    assert.deepStrictEqual(notices.map((one) => [one.level, render(one)]), [[
      "warning",
      "process.capabilities = [\"CAP_FUTURE\",\"CHOWN\",\"cap_kill\"]: has no effect: runfx knows no such capability"
    ]])
    const none: ReadonlyArray<number> = []
    assert.deepStrictEqual(container.process.capabilities, {
      bounding: [5],
      effective: none,
      inheritable: none,
      permitted: none,
      ambient: none
    })
  })

  it("of architectures: one of a later machine is a warning", () => {
    const { container, notices } = decoded(
      seccomp({ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_FUTURE64"] })
    )
    assert.deepStrictEqual(notices.map((one) => [one.level, one.path, one.value]), [
      ["warning", "linux.seccomp.architectures[1]", "SCMP_ARCH_FUTURE64"]
    ])
    assert.deepStrictEqual(container.seccomp?.architectures, ["SCMP_ARCH_X86_64"])
  })

  it.each<[what: string, parts: Parameters<typeof oci>[0], path: string]>([
    ["a property of a later version", { linux: { future: { a: 1 } } }, "linux.future"],
    ["a limit of a later version", { linux: { resources: { future: 1 } } }, "linux.resources.future"],
    ["a limit of a later version, within one that is known", {
      linux: { resources: { cpu: { future: 1 } } }
    }, "linux.resources.cpu.future"]
  ])("of properties: %s is a warning", (_, parts, path) => {
    assert.deepStrictEqual(decoded(oci(parts)).notices.map((one) => [one.level, one.path]), [["warning", path]])
  })

  it.each<[what: string, parts: Parameters<typeof oci>[0], line: RegExp]>([
    ["a namespace", { linux: { namespaces: [{ type: "future" }] } }, /^linux\.namespaces\[0\]\.type = "future": /],
    ["a limit of the process", {
      process: { rlimits: [{ type: "RLIMIT_FUTURE", soft: 1, hard: 1 }] }
    }, /^process\.rlimits\[0\]\.type = /],
    ["a policy", { process: { scheduler: { policy: "SCHED_FUTURE" } } }, /^process\.scheduler\.policy = /],
    ["a class of i/o", { process: { ioPriority: { class: "IOPRIO_CLASS_X" } } }, /^process\.ioPriority\.class = /],
    ["a personality", { linux: { personality: { domain: "FUTURE" } } }, /^linux\.personality\.domain = /],
    ["a memory policy", { linux: { memoryPolicy: { mode: "MPOL_X", nodes: "0" } } }, /^linux\.memoryPolicy\.mode = /],
    ["an action", { linux: { seccomp: { defaultAction: "SCMP_ACT_X" } } }, /^linux\.seccomp\.defaultAction = /],
    ["a flag of the filter", {
      linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_X"] } }
    }, /^linux\.seccomp\.flags\[0\] = /],
    ["a text that is no architecture", {
      linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", architectures: ["x86"] } }
    }, /^linux\.seccomp\.architectures\[0\] = "x86": must be an architecture/]
  ])("it is not, where the container would be another one: %s is refused", (_, parts, line) => {
    assert.match(lines(oci(parts))[0] ?? "", line)
  })

  it("is none for libcontainer, whose format is closed", () => {
    assert.match(lines(initConfig({ capabilities: ["FUTURE"] }))[0] ?? "", /^config\.capabilities\[0\] = "FUTURE"/)
  })
})

describe("what engines and other tools write", () => {
  it("an empty user is root", () => {
    const user = { _tag: "Ids" as const, uid: 0, gid: 0, additionalGids: [] }
    assert.deepStrictEqual(taken(oci({ process: { user: {} } })).process.user, user)
    assert.deepStrictEqual(taken(oci({ process: { user: { uid: 7 } } })).process.user, { ...user, uid: 7 })
  })

  it.each(["copy", "nocopy"])("%s of a volume is what podman has done, not an option of the mount", (option) => {
    const mount = (options: ReadonlyArray<string>) =>
      oci({ mounts: [{ destination: "/data", type: "bind", source: "/volume", options }] })
    assert.deepStrictEqual(taken(mount(["rbind", option])).mounts, taken(mount(["rbind"])).mounts)
    assert.match(lines(mount(["rbind", "copi"]))[0] ?? "", /^mounts\[0\]\.options = \["copi"\]: a bind mount takes no /)
  })

  it.each<Json>([{}, { defaultAction: "" }, { architectures: ["SCMP_ARCH_X86"] }, { syscalls: null, flags: [] }])(
    "a filter without action and rules is none: %j",
    (filter) => {
      assert.notProperty(taken(seccomp(filter)), "seccomp")
    }
  )

  it("a filter with rules needs an action", () => {
    const syscalls = [{ names: ["read"], action: "SCMP_ACT_ALLOW" }]
    assert.match(lines(seccomp({ syscalls }))[0] ?? "", /^linux\.seccomp\.defaultAction = "": must be one of/)
  })

  it.each([-1, 2n ** 64n - 1n, 18446744073709552000n])("a swappiness of %s is none", (swappiness) => {
    assert.deepStrictEqual(taken(memory({ swappiness })).cgroup?.memory, {})
  })
  it.each([-2, 101, 2n ** 63n])("a swappiness of %s is refused", (swappiness) => {
    assert.match(
      lines(memory({ swappiness }))[0] ?? "",
      /^linux\.resources\.memory\.swappiness = .*: must be from 0 to 100/
    )
  })

  it("a program that reads and writes doubles makes 18446744073709552000 of no limit", () => {
    const rlimits = [{ type: "RLIMIT_CORE", soft: 18446744073709552000n, hard: 18446744073709552000n }]
    const [limit] = taken(oci({ process: { rlimits } })).process.rlimits
    assert.deepStrictEqual(limit, { resource: 4, soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n })
    assert.isNotEmpty(lines(oci({ process: { rlimits: [{ ...rlimits[0], hard: 2n ** 64n }] } })))
  })

  it.each(["limit", "swap", "reservation", "kernel", "kernelTCP"])("%s is a size, or -1", (field) => {
    assert.match(lines(memory({ [field]: -2 }))[0] ?? "", /must be a size in bytes, or -1 for no limit$/)
    assert.deepStrictEqual(lines(memory({ [field]: -1 })), [])
  })

  it("weighted interleave is a memory policy", () => {
    const { memoryPolicy } = taken(oci({ linux: { memoryPolicy: { mode: "MPOL_WEIGHTED_INTERLEAVE", nodes: "0" } } }))
    assert.deepStrictEqual(memoryPolicy, { mode: MPOL.WEIGHTED_INTERLEAVE, nodes: [0] })
  })

  it("parameters of the user namespace need one", () => {
    const sysctl = { "user.max_net_namespaces": "5" }
    assert.match(lines(oci({ linux: { sysctl } }))[0] ?? "", /needs a private user namespace$/)
    const mappings = [{ containerID: 0, hostID: 100_000, size: 10 }]
    const namespaces = ["user", "mount", "uts"].map((type) => ({ type }))
    assert.deepStrictEqual(
      lines(oci({ linux: { sysctl, namespaces, uidMappings: mappings, gidMappings: mappings } })),
      []
    )
  })
})
