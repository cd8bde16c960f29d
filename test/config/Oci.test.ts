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
import type { Container } from "../../src/config/Container.ts"
import { defaultRules, denyAll } from "../../src/config/devices.ts"
import * as OciSchema from "../../src/config/OciSchema.ts"
import { IOPRIO_CLASS, MOUNT_ATTR, MPOL, MPOL_F, MS, PER, SCHED, SCHED_FLAG } from "../../src/native/constants.ts"
import { type Json, oci, write } from "./documents.ts"

const container = (text: string): Container => Result.getOrThrow(decodeOci(text, "/bundle"))
const refusal = (text: string): ReadonlyArray<string> =>
  Result.match(decodeOci(text, "/bundle"), {
    onFailure: ({ message }) => message.split("\n"),
    onSuccess: () => []
  })

describe("the whole of the specification for Linux", () => {
  const whole = oci({
    hostname: "box",
    domainname: "example.org",
    root: { path: "root/fs/", readonly: true },
    annotations: { a: "b" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", source: "data", options: ["rbind", "ro", "rslave", "rro"] },
      { destination: "/old", type: "none", source: "/etc/x", options: ["bind", "copy-symlink"] },
      {
        destination: "/mapped",
        source: "/m",
        options: ["bind", "ridmap"],
        uidMappings: [{ containerID: 0, hostID: 1, size: 2 }],
        gidMappings: [{ containerID: 0, hostID: 3, size: 4 }]
      },
      { destination: "tmp", type: "tmpfs", options: ["mode=1777", "tmpcopyup"] }
    ],
    process: {
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      env: ["A=b=c"],
      user: { uid: 1, gid: 2, umask: 0o27, additionalGids: [3, 4294967294] },
      capabilities: { bounding: ["CAP_CHOWN", "CAP_BPF"], permitted: ["CAP_BPF"], effective: ["CAP_BPF"] },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 2n ** 64n - 1n }],
      noNewPrivileges: true,
      oomScoreAdj: -1000,
      apparmorProfile: "profile",
      selinuxLabel: "label",
      scheduler: {
        policy: "SCHED_DEADLINE",
        nice: 3,
        flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"],
        runtime: 1,
        deadline: 2,
        period: 3
      },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 7 },
      execCPUAffinity: { initial: "0-1,3", final: "" }
    },
    linux: {
      namespaces: [
        { type: "network", path: "/run/netns/x" },
        ...["pid", "ipc", "uts", "mount", "cgroup", "time"].map((type) => ({ type }))
      ],
      timeOffsets: { monotonic: { secs: -3 }, boottime: { secs: 4, nanosecs: 5 } },
      devices: [
        { type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o600, uid: 7, gid: 8 },
        { type: "u", path: "/dev/null", major: 1, minor: 3 },
        { type: "p", path: "/dev/fifo" }
      ],
      cgroupsPath: "/a/b",
      resources: {
        devices: [
          { allow: false, access: "rwm" },
          { allow: true, type: "b", major: 8, minor: -1, access: "r" }
        ],
        memory: {
          limit: 1,
          reservation: 2,
          swap: -1,
          kernel: -1,
          kernelTCP: 5,
          swappiness: 60,
          disableOOMKiller: true,
          useHierarchy: true,
          checkBeforeUpdate: true
        },
        cpu: {
          shares: 1,
          quota: -1,
          burst: 3,
          period: 4,
          realtimeRuntime: 5,
          realtimePeriod: 6,
          cpus: "0-1",
          mems: "",
          idle: 1
        },
        pids: { limit: -1 },
        blockIO: {
          weight: 10,
          leafWeight: 11,
          weightDevice: [{ major: 8, minor: 0, weight: 1 }],
          throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 18446744073709551615n }]
        },
        hugepageLimits: [{ pageSize: "2MB", limit: 9223372036854772000n }],
        network: { classID: 1, priorities: [{ name: "eth0", priority: 2 }] },
        rdma: { mlx5_1: { hcaHandles: 3 } },
        unified: { "memory.high": "max" }
      },
      rootfsPropagation: "rshared",
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86_64"],
        flags: ["SECCOMP_FILTER_FLAG_LOG"],
        syscalls: [{
          names: ["read"],
          action: "SCMP_ACT_ALLOW",
          args: [{ index: 1, value: 18446744073709551615n, op: "SCMP_CMP_EQ" }]
        }]
      },
      sysctl: { "kernel.msgmax": "1", "net.ipv4.ip_forward": "0" },
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      mountLabel: "system_u:object_r:x_t:s0:c715,c811",
      personality: { domain: "LINUX32" },
      memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] }
    }
  })

  it("decodes into the model", () => {
    const plain = {
      clearedFlags: 0,
      propagation: [],
      recursiveAttributes: { set: 0, clear: 0 },
      copyUp: false,
      data: []
    }
    const device = (name: string, major: number, minor: number) => ({
      path: `/dev/${name}`,
      type: "c" as const,
      major,
      minor,
      fileMode: 0o666,
      uid: 0,
      gid: 0
    })
    const expected: Container = {
      rootfs: "/bundle/root/fs",
      readonlyRootfs: true,
      noPivotRoot: false,
      rootPropagation: MS.SHARED | MS.REC,
      namespaces: [
        { type: "net", path: "/run/netns/x" },
        ...(["pid", "ipc", "uts", "mnt", "cgroup", "time"] as const).map((type) => ({ type }))
      ],
      uidMappings: [],
      gidMappings: [],
      timeOffsets: [
        { clock: "monotonic", seconds: -3n, nanoseconds: 0 },
        { clock: "boottime", seconds: 4n, nanoseconds: 5 }
      ],
      hostname: "box",
      domainname: "example.org",
      mounts: [
        { ...plain, destination: "/proc", type: "proc", source: "proc", flags: 0 },
        {
          ...plain,
          destination: "/data",
          type: "bind",
          source: "/bundle/data",
          flags: MS.BIND | MS.REC | MS.RDONLY,
          propagation: [MS.SLAVE | MS.REC],
          recursiveAttributes: { set: MOUNT_ATTR.RDONLY, clear: 0 }
        },
        { ...plain, destination: "/old", type: "bind", source: "/etc/x", flags: MS.BIND, links: ["copy-symlink"] },
        {
          ...plain,
          destination: "/mapped",
          type: "bind",
          source: "/m",
          flags: MS.BIND,
          idMapping: {
            uidMappings: [{ containerId: 0, hostId: 1, size: 2 }],
            gidMappings: [{ containerId: 0, hostId: 3, size: 4 }],
            recursive: true
          }
        },
        { ...plain, destination: "/tmp", type: "tmpfs", source: "", flags: 0, data: ["mode=1777"], copyUp: true }
      ],
      devices: [
        { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 7, gid: 8 },
        device("null", 1, 3),
        { path: "/dev/fifo", type: "p", major: 0, minor: 0, fileMode: 0o666, uid: 0, gid: 0 },
        device("zero", 1, 5),
        device("full", 1, 7),
        device("random", 1, 8),
        device("urandom", 1, 9),
        device("tty", 5, 0)
      ],
      networks: [],
      routes: [],
      cgroup: {
        path: "/a/b",
        devices: [
          denyAll,
          { allow: false, type: "a", major: null, minor: null, access: "rwm" },
          { allow: true, type: "b", major: 8, minor: null, access: "r" },
          ...defaultRules
        ],
        memory: {
          limit: 1n,
          reservation: 2n,
          swap: -1n,
          kernel: -1n,
          kernelTcp: 5n,
          swappiness: 60n,
          disableOomKiller: true,
          useHierarchy: true,
          checkBeforeUpdate: true
        },
        cpu: {
          shares: 1n,
          quota: -1n,
          burst: 3n,
          period: 4n,
          realtimeRuntime: 5n,
          realtimePeriod: 6n,
          cpus: "0-1",
          idle: 1n
        },
        pids: { limit: -1n },
        blockIO: {
          weight: 10,
          leafWeight: 11,
          weightDevice: [{ major: 8, minor: 0, weight: 1 }],
          throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 18446744073709551615n }]
        },
        hugepageLimits: [{ pageSize: "2MB", limit: 9223372036854772000n }],
        network: { classID: 1, priorities: [{ name: "eth0", priority: 2 }] },
        rdma: { mlx5_1: { hcaHandles: 3 } },
        unified: { "memory.high": "max" }
      },
      sysctl: { "kernel.msgmax": "1", "net.ipv4.ip_forward": "0" },
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86_64"],
        flags: ["SECCOMP_FILTER_FLAG_LOG"],
        syscalls: [{
          names: ["read"],
          action: "SCMP_ACT_ALLOW",
          args: [{ index: 1, value: 18446744073709551615n, valueTwo: 0n, op: "SCMP_CMP_EQ" }]
        }]
      },
      mountLabel: "system_u:object_r:x_t:s0:c715,c811",
      personality: PER.LINUX32,
      memoryPolicy: { mode: MPOL.BIND | MPOL_F.STATIC_NODES, nodes: [0, 1] },
      noNewKeyring: false,
      annotations: { a: "b" },
      process: {
        args: ["sh"],
        env: ["A=b=c"],
        cwd: "/",
        user: { _tag: "Ids", uid: 1, gid: 2, additionalGids: [3, 4294967294] },
        umask: 0o27,
        terminal: true,
        consoleSize: { rows: 24, columns: 80 },
        capabilities: { bounding: [0, 39], effective: [39], inheritable: [], permitted: [39], ambient: [] },
        noNewPrivileges: true,
        rlimits: [{ resource: 7, soft: 1024n, hard: 2n ** 64n - 1n }],
        oomScoreAdj: -1000,
        apparmorProfile: "profile",
        selinuxLabel: "label",
        scheduler: {
          policy: SCHED.DEADLINE,
          nice: 3,
          priority: 0,
          flags: SCHED_FLAG.RESET_ON_FORK | SCHED_FLAG.RECLAIM,
          runtime: 1n,
          deadline: 2n,
          period: 3n
        },
        ioPriority: { class: IOPRIO_CLASS.BE, priority: 7 },
        cpuAffinity: { initial: [0, 1, 3] }
      }
    }
    assert.deepStrictEqual(container(whole), expected)
  })

  it("finds nothing of it unknown", () => {
    const { format, notices } = Result.getOrThrow(decode(whole, "/bundle"))
    assert.strictEqual(format, "oci")
    assert.deepStrictEqual(notices, [])
  })
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
    ["linux.seccomp.listenerPath", { linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/x" } } }],
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
