import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decode, decodeLibcontainer } from "../../src/config/Config.ts"
import type { Container, Mount } from "../../src/config/Container.ts"
import { allowAll, denyAll } from "../../src/config/devices.ts"
import * as Libcontainer from "../../src/config/Libcontainer.ts"
import { MS, SIG } from "../../src/native/constants.ts"
import { initConfig, type Json, oci, write } from "./documents.ts"

const container = (text: string): Container => Result.getOrThrow(decodeLibcontainer(text))
const refusal = (text: string): ReadonlyArray<string> =>
  Result.match(decodeLibcontainer(text), {
    onFailure: ({ message }) => message.split("\n"),
    onSuccess: () => []
  })

const mount = (destination: string, type: string, flags: number, data: ReadonlyArray<string> = []): Mount => ({
  destination,
  type,
  source: type,
  flags,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data,
  copyUp: false
})

const baseMounts = [
  mount("/proc", "proc", MS.NOEXEC | MS.NOSUID | MS.NODEV),
  mount("/dev", "tmpfs", MS.NOSUID | MS.STRICTATIME, ["mode=755"]),
  mount("/dev/pts", "devpts", MS.NOSUID | MS.NOEXEC, ["newinstance", "ptmxmode=0666", "mode=620", "gid=5"])
]

const network = {
  type: "veth",
  name: "eth0",
  bridge: "br0",
  mac_address: "02:42:ac:11:00:02",
  address: "10.0.0.2/24",
  gateway: "10.0.0.1",
  ipv6_address: "fd00::2/64",
  ipv6_gateway: "fd00::1",
  mtu: 1400,
  txqueuelen: 100,
  host_interface_name: "veth1"
}

const whole = {
  args: ["/bin/true", "a"],
  env: ["A=b"],
  cwd: "/tmp",
  user: "bob:adm",
  config: {
    no_pivot_root: true,
    parent_death_signal: 15,
    pivot_dir: "/tmp",
    rootfs: "/srv/root",
    readonlyfs: true,
    mounts: [
      {
        source: "/x",
        destination: "/y",
        device: "bind",
        flags: MS.BIND | MS.REC | MS.RDONLY | MS.PRIVATE,
        data: "",
        relabel: ""
      },
      {
        source: "shm",
        destination: "/dev/shm",
        device: "tmpfs",
        flags: 14,
        data: "mode=1777,context=\"a:b:s0:c1,c2\"",
        relabel: ""
      }
    ],
    devices: [
      { type: 99, path: "/dev/fuse", major: 10, minor: 229, permissions: "rwm", file_mode: 0, uid: 0, gid: 0 },
      { type: 98, path: "/dev/sda", major: 8, minor: 0, permissions: "rwm", file_mode: 0o60640, uid: 1, gid: 2 }
    ],
    mount_label: "mount:label",
    hostname: "box",
    console: "",
    namespaces: [
      { type: "NEWNS", path: "" },
      { type: "NEWUTS", path: "" },
      { type: "NEWIPC", path: "" },
      { type: "NEWPID", path: "" },
      { type: "NEWNET", path: "/run/netns/x" }
    ],
    capabilities: ["CHOWN", "KILL", "CHECKPOINT_RESTORE"],
    networks: [{
      type: "loopback",
      name: "",
      bridge: "",
      mac_address: "",
      address: "127.0.0.1/0",
      gateway: "localhost",
      ipv6_address: "",
      ipv6_gateway: "",
      mtu: 0,
      txqueuelen: 0,
      host_interface_name: ""
    }, network],
    routes: [{ destination: "10.1.0.0/16", source: "10.0.0.2", gateway: "10.0.0.1", interface_name: "eth0" }],
    cgroups: {
      name: "n",
      parent: "p/",
      allow_all_devices: false,
      allowed_devices: [{ type: 98, path: "", major: -1, minor: -1, permissions: "m", file_mode: 0, uid: 0, gid: 0 }],
      memory: 1,
      memory_reservation: 2,
      memory_swap: -1,
      cpu_shares: 3,
      cpu_quota: 4,
      cpu_period: 5,
      cpuset_cpus: "0",
      cpuset_mems: "0",
      blkio_weight: 600,
      freezer: "THAWED",
      slice: "system.slice"
    },
    apparmor_profile: "profile",
    process_label: "process:label",
    rlimits: [{ type: 7, hard: 2n ** 64n - 1n, soft: 1024 }],
    additional_groups: [7],
    uid_mappings: null,
    gid_mappings: null,
    mask_paths: ["/proc/kcore"],
    readonly_paths: ["/proc/sys"]
  },
  network: null
}

describe("an initConfig", () => {
  it("has all 23 keys of a Config", () => {
    assert.strictEqual(Object.keys(whole.config).length, 23)
    assert.deepStrictEqual(Object.keys(Libcontainer.initConfig().fields.config.fields), Object.keys(whole.config))
  })

  it("decodes into the model, with the mounts that every container had in front", () => {
    const expected: Container = {
      rootfs: "/srv/root",
      readonlyRootfs: true,
      noPivotRoot: true,
      namespaces: [{ type: "mnt" }, { type: "uts" }, { type: "ipc" }, { type: "pid" }, {
        type: "net",
        path: "/run/netns/x"
      }],
      uidMappings: [],
      gidMappings: [],
      timeOffsets: [],
      hostname: "box",
      mounts: [
        ...baseMounts,
        { ...mount("/y", "bind", MS.BIND | MS.REC | MS.RDONLY), source: "/x", propagation: [MS.PRIVATE] },
        { ...mount("/dev/shm", "tmpfs", 14, ["mode=1777", "context=\"a:b:s0:c1,c2\""]), source: "shm" }
      ],
      devices: [
        { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 },
        { path: "/dev/sda", type: "b", major: 8, minor: 0, fileMode: 0o640, uid: 1, gid: 2 }
      ],
      networks: [
        { strategy: "loopback", name: "lo", address: "127.0.0.1/0", gateway: "localhost" },
        {
          strategy: "veth",
          name: "eth0",
          bridge: "br0",
          macAddress: "02:42:ac:11:00:02",
          address: "10.0.0.2/24",
          gateway: "10.0.0.1",
          ipv6Address: "fd00::2/64",
          ipv6Gateway: "fd00::1",
          mtu: 1400,
          txQueueLength: 100,
          hostInterfaceName: "veth1"
        }
      ],
      routes: [{ destination: "10.1.0.0/16", source: "10.0.0.2", gateway: "10.0.0.1", interfaceName: "eth0" }],
      cgroup: {
        path: "p/n",
        devices: [denyAll, { allow: true, type: "b", major: null, minor: null, access: "m" }],
        memory: { limit: 1n, reservation: 2n, swap: -1n },
        cpu: { shares: 3n, quota: 4n, period: 5n, cpus: "0", mems: "0" },
        blockIO: { weight: 600 },
        freezer: "THAWED"
      },
      sysctl: {},
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      mountLabel: "mount:label",
      parentDeathSignal: 15,
      noNewKeyring: false,
      annotations: {},
      process: {
        args: ["/bin/true", "a"],
        env: ["A=b"],
        cwd: "/tmp",
        user: { _tag: "Named", spec: "bob:adm", additionalGids: [7] },
        terminal: false,
        // the inheritable set stays empty: CVE-2022-29162
        capabilities: {
          bounding: [0, 5, 40],
          effective: [0, 5, 40],
          permitted: [0, 5, 40],
          inheritable: [],
          ambient: []
        },
        noNewPrivileges: false,
        rlimits: [{ resource: 7, soft: 1024n, hard: 2n ** 64n - 1n }],
        apparmorProfile: "profile",
        selinuxLabel: "process:label"
      }
    }
    assert.deepStrictEqual(container(write(whole)), expected)
  })

  it("tells which keys have no effect", () => {
    const { format, notices } = Result.getOrThrow(decode(write(whole), "/"))
    assert.strictEqual(format, "libcontainer")
    assert.deepStrictEqual(notices.map(({ path }) => path), ["config.pivot_dir", "config.cgroups.slice"])
  })

  it("tells that a container is not started frozen", () => {
    const frozen = { ...whole, config: { ...whole.config, cgroups: { ...whole.config.cgroups, freezer: "FROZEN" } } }
    const { notices } = Result.getOrThrow(decode(write(frozen), "/"))
    assert.include(notices.map(({ path }) => path), "config.cgroups.freezer")
  })

  it("means the same as a bare Config with the process fields beside it", () => {
    const { config, network: _, ...process } = whole
    assert.deepStrictEqual(container(write({ ...process, ...config })), container(write(whole)))
    assert.deepStrictEqual(
      Result.getOrThrow(decodeLibcontainer(write(config), { args: ["a"], env: ["A=b"], cwd: "/tmp", user: "u" }))
        .process.args,
      ["a"]
    )
  })

  it("needs little, and reads what is not given as Go does", () => {
    const { capabilities, cwd, user } = container(write({ args: ["a"], config: { rootfs: "/r" } })).process
    assert.deepStrictEqual(capabilities, { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] })
    assert.strictEqual(cwd, "/")
    assert.deepStrictEqual(user, { _tag: "Named", spec: "", additionalGids: [] })
    const { cgroup, mounts, parentDeathSignal } = container(write({ args: ["a"], config: { rootfs: "/r" } }))
    assert.deepStrictEqual([cgroup, mounts, parentDeathSignal], [undefined, [], SIG.KILL])
  })

  it("takes the network that the parent prepared, where there is one", () => {
    const text = initConfig({ networks: [network] }, { network: [{ ...network, temp_veth_peer_name: "tmp0" }] })
    assert.strictEqual(container(text).networks[0]?.temporaryPeerName, "tmp0")
  })

  it("allows all devices where asked, and leaves out limits of 0", () => {
    assert.deepStrictEqual(
      container(
        initConfig({
          cgroups: {
            name: "",
            parent: "",
            allow_all_devices: true,
            memory: 0,
            cpu_shares: 0,
            cpuset_cpus: "",
            blkio_weight: 0,
            freezer: "",
            slice: ""
          }
        })
      ).cgroup,
      { devices: [allowAll] }
    )
  })

  it("mounts devpts without gid 5 where a new user namespace does not map it", () => {
    const userNamespace = (size: number) =>
      initConfig({
        namespaces: ["NEWNS", "NEWUSER"].map((type) => ({ type })),
        uid_mappings: [{ container_id: 0, host_id: 1000, size }],
        gid_mappings: [{ container_id: 0, host_id: 1000, size }]
      })
    assert.deepStrictEqual(container(userNamespace(5)).mounts[2]?.data, ["newinstance", "ptmxmode=0666", "mode=620"])
    assert.deepStrictEqual(container(userNamespace(6)).mounts, baseMounts)
  })

  it("may have the keys of old samples, which have no effect", () => {
    const text = initConfig({
      restrict_sys: true,
      environment: ["A=b"],
      tty: true,
      user: "daemon",
      mounts: [{ type: "tmpfs", source: "tmpfs", destination: "/tmp", device: "tmpfs" }],
      networks: [{ type: "loopback", veth_prefix: "veth" }]
    })
    const { notices } = Result.getOrThrow(decode(text, "/"))
    assert.deepStrictEqual(notices.map(({ path }) => path).toSorted(), [
      "config.environment",
      "config.mounts[0].type",
      "config.networks[0].veth_prefix",
      "config.restrict_sys",
      "config.tty",
      "config.user"
    ])
  })

  const refused: ReadonlyArray<readonly [line: string, config: Json]> = [
    ["config.Hostname = \"x\": is no key that is known here", { Hostname: "x" }],
    ["config.capabilities[0] = \"CAP_KILL\": must be a capability without `CAP_`: CHOWN to CHECKPOINT_RESTORE", {
      capabilities: ["CAP_KILL"]
    }],
    ["config.namespaces = {}: must be a list", { namespaces: {} }],
    ["config.devices[0].type = \"c\": must be 99 (c), 98 (b) or 112 (p)", { devices: [{ type: "c", path: "/x" }] }],
    ["config.rlimits[0].hard = \"18446744073709551616\": must be a whole number from 0 to 18446744073709551615", {
      rlimits: [{ type: 7, soft: 1, hard: 2n ** 64n }]
    }],
    ["config.mounts[1].data: must have `bind` or `rbind` (the flag 4096): the type alone binds nothing", {
      mounts: [{ destination: "/a", device: "tmpfs" }, { destination: "/b", source: "/b", device: "bind" }]
    }],
    ["config.mounts[0].relabel = \"Z\": relabelling the source for SELinux is not supported: remove it", {
      mounts: [{ destination: "/a", device: "tmpfs", relabel: "Z" }]
    }],
    ["config.mounts[0].destination = \"a\": must be an absolute path", {
      mounts: [{ destination: "a", device: "tmpfs" }]
    }],
    ["config.rootfs = \"/r/\": must be written without `.`, `..`, empty parts or a slash at the end", { rootfs: "/r/" }]
  ]
  it.each(refused)("is refused: %s", (line, config) => {
    assert.deepStrictEqual(refusal(initConfig(config)), [line])
  })

  it("does not take a terminal of the host by its path", () => {
    assert.match(refusal(initConfig({ console: "/dev/pts/3" }))[0] ?? "", /^config\.console = "\/dev\/pts\/3": /)
  })

  it("names the fields of a bare Config without `config`", () => {
    assert.deepStrictEqual(
      refusal(write({ rootfs: "r", args: [], foo: 1 })).map((line) => line.split(" ")[0]).toSorted(),
      [
        "args",
        "foo",
        "rootfs"
      ]
    )
  })

  const decoded = Arbitrary.schema(Schema.toType(Libcontainer.initConfig()))
  it.effect(
    "decodes what the schema encodes, or tells why not",
    () =>
      Effect.map(Arbitrary.sampleEffect(decoded, { count: 100, seed: 1 }), (samples) => {
        for (const sample of samples) {
          const encoded = Schema.encodeSync(Libcontainer.initConfig())(sample)
          assert.deepStrictEqual(Schema.decodeUnknownSync(Libcontainer.initConfig())(encoded), sample)
          const result = decodeLibcontainer(write(encoded))
          if (Result.isFailure(result)) {
            for (const { path, rule } of result.failure.problems) assert.isTrue(path !== "" && rule !== "")
          }
        }
      })
  )
})

describe("decode", () => {
  it.each([[oci(), "oci"], [initConfig(), "libcontainer"]])("tells the formats apart", (text, format) => {
    assert.strictEqual(Result.getOrThrow(decode(text, "/")).format, format)
  })
  it("refuses what is neither", () => {
    for (const text of ["{}", "[]", "3", "nonsense"]) assert.isTrue(Result.isFailure(decode(text, "/")))
  })
})
