import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { decode, decodeLibcontainer, decodeOci, decodeProcess, readProcess } from "../../src/config/Config.ts"
import { defaultRules, denyAll } from "../../src/config/devices.ts"
import * as OciSchema from "../../src/config/OciSchema.ts"
import { container } from "../support/ociDocuments.ts"
import { type Json, oci, write } from "./documents.ts"

const refusal = (text: string): ReadonlyArray<string> =>
  Result.match(decodeOci(text, "/bundle"), {
    onFailure: ({ message }) => message.split("\n"),
    onSuccess: () => []
  })

describe("a config.json", () => {
  it("needs little", () => {
    const minimal = write({
      ociVersion: "1.2.0-rc.1+dev",
      root: { path: "/r" },
      process: { args: ["a"], cwd: "/" }
    })
    const { cgroup, namespaces, process, rootfs } = container(minimal)
    assert.deepStrictEqual([rootfs, namespaces], ["/r", []])
    // as with runc and crun: none, and not all that the runtime has
    const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }
    assert.deepStrictEqual(process.capabilities, none)
    assert.deepStrictEqual(cgroup, { devices: [denyAll, ...defaultRules] })
  })

  it("may have null wherever Go writes an empty field so", () => {
    assert.deepStrictEqual(
      container(
        oci({
          mounts: null,
          hooks: null,
          process: { env: null, rlimits: null },
          linux: { devices: null, seccomp: null }
        })
      ),
      container(oci())
    )
  })

  it("brings up the loopback of a new network namespace only", () => {
    assert.deepStrictEqual(container(oci()).networks, [{ strategy: "loopback", name: "lo" }])
    assert.deepStrictEqual(container(oci({ linux: { namespaces: [{ type: "network", path: "/n" }] } })).networks, [])
  })

  it("maps an id-mapped mount as the container where it says nothing else", () => {
    const mappings = [{ containerID: 0, hostID: 1000, size: 10 }]
    const text = oci({
      mounts: [{ destination: "/m", source: "/m", options: ["bind", "idmap"] }],
      linux: {
        namespaces: ["user", "mount"].map((type) => ({ type })),
        uidMappings: mappings,
        gidMappings: mappings
      }
    })
    assert.deepStrictEqual(container(text).mounts[0]?.idMapping, {
      uidMappings: [{ containerId: 0, hostId: 1000, size: 10 }],
      gidMappings: [{ containerId: 0, hostId: 1000, size: 10 }],
      recursive: false
    })
    assert.deepStrictEqual(
      refusal(oci({ mounts: [{ destination: "/m", source: "/m", options: ["bind", "idmap"] }] })),
      [
        "mounts[0].uidMappings: an id-mapped mount needs uid mappings",
        "mounts[0].gidMappings: an id-mapped mount needs gid mappings"
      ]
    )
  })

  it("may have properties that the specification does not know", () => {
    const { notices } = Result.getOrThrow(decode(oci({ linux: { future: 1 }, extra: {} }), "/bundle"))
    assert.deepStrictEqual(notices.map(({ path }) => path).toSorted(), ["extra", "linux.future"])
    assert.isTrue(notices.every(({ level }) => level === "warning"))
  })

  it("is told of ambient capabilities that the kernel would not raise", () => {
    const sets = { permitted: ["CAP_KILL", "CAP_CHOWN"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL", "CAP_CHOWN"] }
    const { notices } = Result.getOrThrow(decode(oci({ process: { capabilities: sets } }), "/bundle"))
    assert.deepStrictEqual(notices.map(({ level, path, value }) => [level, path, value]), [
      ["debug", "process.capabilities.ambient", ["CAP_CHOWN"]]
    ])
  })

  const refused: ReadonlyArray<readonly [path: string, parts: Parameters<typeof oci>[0]]> = [
    ["hooks", { hooks: { prestart: [], poststop: [{ path: "/x" }] } }],
    ["linux.netDevices", { linux: { netDevices: { eth0: { name: "e" } } } }],
    ["linux.intelRdt", { linux: { intelRdt: { closID: "x" } } }],
    ["linux.seccomp.syscalls[0].action", {
      linux: {
        seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }] }
      }
    }],
    ["linux.personality.flags", { linux: { personality: { domain: "LINUX", flags: ["X"] } } }],
    ["process.user.username", { process: { user: { uid: 0, gid: 0, username: "bob" } } }],
    ["process.commandLine", { process: { commandLine: "cmd" } }],
    ...["vm", "windows", "solaris", "zos", "freebsd"].map((section) => [section, { [section]: { a: "b" } }] as const)
  ]
  it.each(refused)("is refused for %s, which is not applied", (path, parts) => {
    const lines = refusal(oci(parts))
    assert.strictEqual(lines.length, 1)
    assert.isTrue(lines[0]?.startsWith(`${path} = `), lines[0])
  })

  it("may name a seccomp agent that no rule asks", () => {
    const agent = { listenerPath: "/nosuch", listenerMetadata: "x" }
    container(oci({ linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", ...agent } } }))
  })

  it("may have empty sections of what is not applied", () => {
    container(oci({ hooks: { prestart: [] }, windows: {}, linux: { intelRdt: {}, netDevices: {} } }))
  })

  it("tells everything that is wrong at once, with its place", () => {
    const text = oci({
      ociVersion: "one",
      root: {},
      hostname: "h",
      hooks: { prestart: [{ path: "/x" }] },
      mounts: [{ destination: "/a", type: "tmpfs", options: "ro" }],
      process: {
        args: [],
        cwd: "tmp",
        env: ["X", "A=b"],
        terminal: "yes",
        user: { uid: -1, gid: 99999999999999999999n },
        capabilities: { bounding: ["CAP_FOO", "CHOWN"] },
        rlimits: [{ type: "RLIMIT_NOFILE", soft: 5, hard: 3 }],
        scheduler: { policy: "SCHED_BEST" }
      },
      linux: {
        namespaces: [{ type: "pid" }],
        sysctl: { "net.core.somaxconn": "1" },
        resources: { memory: { limit: 1.5 } }
      }
    })
    assert.deepStrictEqual(refusal(text).map((line) => line.split(/ = |: /)[0]).toSorted(), [
      "hooks",
      "hostname",
      "linux.resources.memory.limit",
      "linux.sysctl[\"net.core.somaxconn\"]",
      "mounts[0].options",
      "ociVersion",
      "process.args",
      "process.cwd",
      "process.env[0]",
      "process.rlimits[0].soft",
      "process.scheduler.policy",
      "process.terminal",
      "process.user.gid",
      "process.user.uid",
      "root.path"
    ])
  })

  it("says nothing of fields that depend on a broken one", () => {
    assert.deepStrictEqual(refusal(oci({ hostname: "h", linux: { namespaces: [{ type: "moun" }] } })), [
      "linux.namespaces[0].type = \"moun\": must be one of \"pid\", \"network\", \"mount\", \"ipc\", \"uts\", \"user\", \"cgroup\", \"time\""
    ])
  })

  it.each<readonly [string, Json]>([
    ["ociVersion", { ociVersion: "2.0.0" }],
    ["linux.rootfsPropagation", { linux: { rootfsPropagation: "loud" } }],
    ["linux.devices[0]", { linux: { devices: [{ type: "c", path: "/dev/x", major: 1 }] } }],
    ["linux.memoryPolicy.nodes", { linux: { memoryPolicy: { mode: "MPOL_BIND", nodes: "x" } } }],
    ["process.execCPUAffinity.initial", { process: { execCPUAffinity: { initial: "2-1" } } }]
  ])("is refused for a %s that says nothing", (path, parts) => {
    assert.isTrue(refusal(oci(parts)).some((line) => line.startsWith(path)), refusal(oci(parts)).join("\n"))
  })
})

describe("callers from plain JavaScript", () => {
  it.each([undefined, null, 5, {}, Buffer.from("{}"), Symbol("s")])("are told of a text that is none: %s", (text) => {
    for (const read of [decode, decodeOci, decodeLibcontainer, decodeProcess] as ReadonlyArray<typeof decodeOci>) {
      const error = Result.getOrThrow(Result.flip(read(text as never, "/bundle")))
      assert.match(error.message, /^the configuration: must be JSON: it is no text$/)
    }
  })
  it.each([undefined, "", "bundle", 5])("are told of a bundle that is none: %s", (bundle) => {
    for (const read of [decode, decodeOci] as ReadonlyArray<typeof decodeOci>) {
      assert.match(
        Result.getOrThrow(Result.flip(read(oci(), bundle as never))).message,
        /^bundleDir.* an absolute path$/
      )
    }
  })
})

describe("documents from elsewhere", () => {
  const runcAt = ["/usr/bin/runc", "/usr/sbin/runc", "/usr/local/sbin/runc"].find((file) => fs.existsSync(file))
  it.skipIf(runcAt === undefined).each([[[]], [["--rootless"]]])("reads what runc spec %j writes", (options) => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-config-"))
    try {
      execFileSync(runcAt!, ["spec", ...options], { cwd: directory })
      const text = fs.readFileSync(path.join(directory, "config.json"), "utf8")
      const { container, notices } = Result.getOrThrow(decode(text, directory))
      // runc of old names ambient capabilities and no inheritable ones, which the kernel would not raise
      assert.deepStrictEqual(notices.filter(({ path }) => path !== "process.capabilities.ambient"), [])
      assert.strictEqual(container.rootfs, path.join(directory, "rootfs"))
      assert.strictEqual(container.namespaces.some(({ type }) => type === "user"), options.length > 0)
      assert.deepStrictEqual(container.process.rlimits, [{ resource: 7, soft: 1024n, hard: 1024n }])
    } finally {
      fs.rmSync(directory, { recursive: true })
    }
  })

  const decoded = Arbitrary.schema(Schema.toType(OciSchema.Config))
  it.effect(
    "decodes what the schema encodes, or tells why not",
    () =>
      Effect.map(Arbitrary.sampleEffect(decoded, { count: 100, seed: 1 }), (samples) => {
        for (const sample of samples) {
          const encoded = Schema.encodeSync(OciSchema.Config)(sample)
          assert.deepStrictEqual(Schema.decodeUnknownSync(OciSchema.Config)(encoded), sample)
          const result = decodeOci(write(encoded), "/bundle")
          // the schema is about shapes: what it generates breaks rules, and each is named with its place
          if (Result.isFailure(result)) {
            for (const { path, rule } of result.failure.problems) assert.isTrue(path !== "" && rule !== "")
          }
        }
      })
  )
})

describe("a process of its own", () => {
  const there = container(oci({
    linux: {
      namespaces: [{ type: "mount" }, { type: "user" }],
      uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 1000, size: 10 }]
    }
  }))
  const told = (process: unknown): ReadonlyArray<string> =>
    Result.match(decodeProcess(write(process), there), {
      onFailure: ({ problems }) => problems.map(({ path }) => path),
      onSuccess: () => []
    })
  const process = { args: ["/bin/true"], cwd: "/", user: { uid: 1, gid: 2, additionalGids: [3] } }

  it("is read as a configuration's", () => {
    const read = Result.getOrThrow(decodeProcess(write(process), there))
    assert.deepStrictEqual(read, container(oci({ process })).process)
    assert.deepStrictEqual(read.user, { _tag: "Ids", uid: 1, gid: 2, additionalGids: [3] })
  })

  it("is told what has no effect, and only what is its own", () => {
    const text = write({ ...process, future: 1, capabilities: { bounding: ["CAP_FUTURE"], ambient: ["CAP_KILL"] } })
    const { notices } = Result.getOrThrow(readProcess(text, there))
    assert.deepStrictEqual(notices.map(({ level, path }) => [level, path]), [
      ["warning", "process.future"],
      ["warning", "process.capabilities"],
      ["debug", "process.capabilities.ambient"]
    ])
  })

  it("is held to the rules, and to what the container is", () => {
    assert.deepStrictEqual(told(process), [])
    assert.deepStrictEqual(told({ ...process, user: { uid: 10, gid: 2 } }), ["process.user.uid"])
    assert.deepStrictEqual(told({ ...process, cwd: "none", args: 1 }), ["process.args", "process.cwd"])
    assert.deepStrictEqual(told({}), ["process.cwd", "process.args"])
    for (const none of [null, [], 1, "text"]) assert.isAbove(told(none).length, 0, write(none))
  })
})
