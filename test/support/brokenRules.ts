/** Each rule of configurations, broken: a table. */
import type { Container, Mount, Process } from "../../src/config/Container.ts"
import { MPOL, MPOL_F, MS, SCHED } from "../../src/native/constants.ts"
import { base, map, without } from "./validated.ts"

export const withProcess = (process: Partial<Process>): Partial<Container> => ({
  process: { ...base.process, ...process }
})

export const mount = (parts: Partial<Mount>): Partial<Container> => ({
  mounts: [{ ...base.mounts[0]!, destination: "/m", type: "tmpfs", source: "tmpfs", ...parts }]
})

export const userNamespace = { namespaces: [{ type: "user" as const }, ...base.namespaces] }

export const identity = [map(0, 100_000, 65_536)]

export const veth = { strategy: "veth", name: "eth0" }

/** What is changed of the default, and the start of each line that this gives. */
export const brokenRules: ReadonlyArray<readonly [parts: Partial<Container>, ...lines: ReadonlyArray<string>]> = [
  // process
  [withProcess({ args: [] }), "process.args = []: must name a program"],
  [withProcess({ args: [""] }), "process.args[0] = \"\": must name a program"],
  [withProcess({ args: ["a", "b\0"] }), "process.args[1] = \"b\\u0000\": must not contain a NUL"],
  [
    withProcess({ env: ["A=b", "A", "=b", "A=\0"] }),
    "process.env[1]: must be NAME=value",
    "process.env[2]: must be NAME=value",
    "process.env[3] = \"A=…\": must not contain a NUL"
  ],
  [withProcess({ cwd: "tmp" }), "process.cwd = \"tmp\": must be an absolute path"],
  [withProcess({ cwd: "" }), "process.cwd = \"\": must be an absolute path"],
  [
    withProcess({ user: { _tag: "Ids", uid: 2 ** 32 - 1, gid: -1, additionalGids: [0, 1.5] } }),
    "process.user.uid = 4294967295: ",
    "process.user.gid = -1: ",
    "process.user.additionalGids[1] = 1.5: "
  ],
  [
    withProcess({ user: { _tag: "Named", spec: "a\nb", additionalGids: [] } }),
    "process.user = \"a\\nb\": must be user[:group]"
  ],
  [
    {
      ...userNamespace,
      uidMappings: identity,
      gidMappings: identity,
      ...withProcess({ user: { _tag: "Ids", uid: 70_000, gid: 0, additionalGids: [70_001] } })
    },
    "process.user.uid = 70000: must be an id that the mappings hold",
    "process.user.additionalGids[0] = 70001: "
  ],
  [
    withProcess({
      capabilities: { bounding: [41], effective: [0, 1], permitted: [1], inheritable: [], ambient: [] }
    }),
    "process.capabilities.bounding[0] = 41: must be a capability from 0 to 40",
    "process.capabilities.effective[0] = \"CAP_CHOWN\": must be among the permitted"
  ],
  [
    withProcess({
      rlimits: [{ resource: 7, soft: 2n, hard: 1n }, { resource: 7, soft: 1n, hard: 1n }, {
        resource: 16,
        soft: 0n,
        hard: 0n
      }]
    }),
    "process.rlimits[0].soft = \"2\": must not be above the hard limit 1",
    "process.rlimits[1].type = \"RLIMIT_NOFILE\": must not be given twice",
    "process.rlimits[2].type = 16: "
  ],
  [withProcess({ oomScoreAdj: -1001, umask: 0o1000 }), "process.oomScoreAdj = -1001: ", "process.umask = 512: "],
  [
    withProcess({ ioPriority: { class: 4, priority: 8 } }),
    "process.ioPriority.priority = 8: ",
    "process.ioPriority.class = 4: "
  ],
  [
    withProcess({
      scheduler: { policy: SCHED.FIFO, nice: 20, priority: 0, flags: 0, runtime: 1n, deadline: 0n, period: 0n }
    }),
    "process.scheduler.nice = 20: ",
    "process.scheduler.priority = 0: must be from 1 to 99",
    "process.scheduler.runtime = \"1\": "
  ],
  [
    withProcess({
      scheduler: { policy: SCHED.NORMAL, nice: 0, priority: 1, flags: 0, runtime: 0n, deadline: 0n, period: 0n }
    }),
    "process.scheduler.priority = 1: must be 0"
  ],
  [
    withProcess({
      scheduler: { policy: SCHED.DEADLINE, nice: 0, priority: 0, flags: 0, runtime: 3n, deadline: 2n, period: 2n }
    }),
    "process.scheduler.runtime = \"3\": "
  ],
  [withProcess({ consoleSize: { rows: -1, columns: 80 } }), "process.consoleSize.rows = -1: "],
  [
    withProcess({ apparmorProfile: "a\nb", selinuxLabel: "\0" }),
    "process.apparmorProfile = ",
    "process.selinuxLabel = "
  ],
  // root and mounts
  [{ rootfs: "srv" }, "rootfs = \"srv\": must be an absolute path"],
  ...["/srv/", "//srv", "/srv/../etc", "/./srv"].map((rootfs) =>
    [{ rootfs }, `rootfs = "${rootfs}": must be written without`] as const
  ),
  [
    { namespaces: without("mnt") },
    "mounts: needs a private mount namespace",
    "maskedPaths: ",
    "readonlyPaths: ",
    "readonlyRootfs = true: "
  ],
  [{ rootPropagation: 3 }, "rootPropagation = 3: "],
  [
    { maskedPaths: ["proc"], readonlyPaths: ["/x\0"] },
    "maskedPaths[0] = \"proc\": must be an absolute path",
    "readonlyPaths[0] = "
  ],
  [mount({ destination: "m" }), "mounts[0].destination = \"m\": must be an absolute path"],
  [mount({ destination: "/." }), "mounts[0].destination = \"/.\": must be below the root"],
  [mount({ destination: "/a/../.." }), "mounts[0].destination = \"/a/../..\": must be below the root"],
  [mount({ type: "bind", source: "/x" }), "mounts[0].options: must have `bind` or `rbind`"],
  [mount({ links: ["src-nofollow"] }), "mounts[0].options = [\"src-nofollow\"]: needs a bind mount"],
  [
    mount({ type: "bind", flags: MS.BIND, source: "/x", links: ["copy-symlink", "dest-nofollow"] }),
    "mounts[0].options = [\"copy-symlink\",\"dest-nofollow\"]: `copy-symlink` mounts nothing"
  ],
  [mount({ type: "" }), "mounts[0].type = \"\": must name a file system"],
  [
    mount({ type: "bind", flags: MS.BIND, source: "", data: ["mode=1"] }),
    "mounts[0].source = \"\": must be an absolute path, as it is bound",
    "mounts[0].options = [\"mode=1\"]: a bind mount takes no options"
  ],
  [mount({ data: ["a\0"] }), "mounts[0].options = "],
  [mount({ type: "proc", copyUp: true }), "mounts[0].options = \"tmpcopyup\": needs a tmpfs"],
  [
    mount({ idMapping: { uidMappings: [], gidMappings: [map(0, 0, 1)], recursive: false } }),
    "mounts[0].options = \"idmap\": needs a bind mount",
    "mounts[0].uidMappings: an id-mapped mount needs uid mappings"
  ],
  [{
    ...userNamespace,
    uidMappings: [map(0, 0, 5)],
    gidMappings: [map(0, 0, 5)],
    ...mount({ data: ["gid=5", "uid=4", "mode=5"] })
  }, "mounts[0].options = \"gid=5\": must be an id that the gid mappings hold"],
  [
    {
      devices: [
        { ...base.devices[0]!, path: "x", major: 4096, minor: -1, fileMode: 0o20666 },
        base.devices[1]!,
        { ...base.devices[1]!, path: "/dev//zero", uid: 1 }
      ]
    },
    "devices[0].path = \"x\": ",
    "devices[0].major = 4096: ",
    "devices[0].minor = -1: ",
    "devices[0].fileMode = 8630: ",
    "devices[2].path = \"/dev//zero\": must not be given twice with different values"
  ],
  [{
    namespaces: without("mnt"),
    mounts: [],
    maskedPaths: [],
    readonlyPaths: [],
    readonlyRootfs: false,
    rootPropagation: MS.SHARED
  }, "rootPropagation: needs a private mount namespace"],
  [
    mount({
      type: "bind",
      source: "/x",
      flags: MS.BIND,
      idMapping: { uidMappings: [map(0, 0, 1)], gidMappings: [], recursive: false }
    }),
    "mounts[0].gidMappings: an id-mapped mount needs gid mappings"
  ],
  [
    { devices: [{ ...base.devices[0]!, path: "/dev/../x", uid: -1, gid: 2 ** 32 - 1 }] },
    "devices[0].uid = -1: ",
    "devices[0].gid = 4294967295: "
  ],
  // namespaces
  [
    { namespaces: [...base.namespaces, { type: "pid" }, { type: "time", path: "x" }] },
    "namespaces[6].type = \"pid\": must not be given twice",
    "namespaces[7].path = \"x\": must be an absolute path"
  ],
  ...(["mnt", "net", "pid", "ipc", "uts", "cgroup"] as const).map((type) =>
    [{
      namespaces: [{ type: "user" as const }, ...without(type), { type, path: "/n" }],
      uidMappings: identity,
      gidMappings: identity,
      networks: []
    }, "namespaces[6].path = \"/n\": a new user namespace can't go with an existing "] as const
  ),
  [userNamespace, "uidMappings: must be given", "gidMappings: must be given"],
  [{ uidMappings: identity }, "uidMappings: needs a private user namespace"],
  [
    {
      ...userNamespace,
      uidMappings: [map(0, 0, 0)],
      gidMappings: [map(0, 4294967290, 6), map(5, 0, 1), map(10, 4294967294, 1)],
      mounts: [],
      process: { ...base.process, user: { _tag: "Named", spec: "", additionalGids: [] } }
    },
    "uidMappings[0].size = 0: must be greater than 0",
    "gidMappings[0].hostId = 4294967290: with its size must stay within",
    "gidMappings[1].containerId = 5: must not overlap",
    "gidMappings[2].hostId = 4294967294: must not overlap"
  ],
  [
    { ...userNamespace, uidMappings: Array.from({ length: 341 }, (_, id) => map(id, id, 1)), gidMappings: identity },
    "uidMappings = 341: must have at most 340 lines"
  ],
  [
    {
      ...userNamespace,
      uidMappings: Array.from({ length: 340 }, (_, id) => map(id, 100_000 + 2 * id, 1)),
      gidMappings: identity
    },
    "uidMappings = 340: must take less than 4096 bytes"
  ],
  [{ maskedPaths: ["/", "/a", "/etc/.."] }, "maskedPaths[0] = \"/\": ", "maskedPaths[2] = \"/etc/..\": "],
  [
    withProcess({ user: { _tag: "Ids", uid: 0, gid: 0, additionalGids: Array<number>(65_537).fill(5) } }),
    "process.user.additionalGids = 65537: must be at most 65536"
  ],
  [
    { timeOffsets: [{ clock: "monotonic", seconds: 0n, nanoseconds: 10 ** 9 }] },
    "timeOffsets: needs a new time namespace",
    "timeOffsets.monotonic.nanoseconds = 1000000000: "
  ],
  [
    { namespaces: without("uts"), hostname: "web", domainname: "d".repeat(65) },
    "hostname = \"web\": needs a private UTS namespace",
    "domainname = ",
    "domainname = "
  ],
  [
    { ...userNamespace, uidMappings: [map(0, 0, 1), map(4294967290, 1, 6)], gidMappings: identity },
    "uidMappings[1].containerId = 4294967290: with its size must stay within"
  ],
  ...(["limit", "reservation", "swap", "kernel", "kernelTcp"] as const).map((field) =>
    [
      { cgroup: { ...base.cgroup!, memory: { [field]: -2n } } },
      `cgroup.memory.${field} = "-2": must be a size in bytes, or -1 for no limit`
    ] as const
  ),
  [
    { cgroup: { ...base.cgroup!, memory: { swappiness: -2n } } },
    "cgroup.memory.swappiness = \"-2\": must be from 0 to 100"
  ],
  [{ hostname: "a\0" }, "hostname = \"a\\u0000\": must not contain a NUL"],
  // network
  [
    { namespaces: without("net"), routes: [{ gateway: "10.0.0.1" }] },
    "networks: needs a private network namespace",
    "routes: needs a private network namespace"
  ],
  [
    {
      networks: [{
        ...veth,
        address: "10.0.0.2",
        gateway: "10.0.0.1/24",
        ipv6Address: "10.0.0.2/24",
        ipv6Gateway: "x",
        macAddress: "00",
        mtu: 1,
        txQueueLength: -1
      }]
    },
    "networks[0].address = ",
    "networks[0].gateway = ",
    "networks[0].ipv6Address = ",
    "networks[0].ipv6Gateway = ",
    "networks[0].macAddress = ",
    "networks[0].mtu = 1: ",
    "networks[0].txQueueLength = -1: "
  ],
  [
    {
      networks: [{ strategy: "", name: "a" }, { strategy: "own", name: "a", address: "anything", bridge: "a/b" }, {
        strategy: "veth",
        name: "0123456789abcdef"
      }]
    },
    "networks[0].strategy = \"\": ",
    "networks[1].name = \"a\": must not be given twice",
    "networks[1].bridge = \"a/b\": ",
    "networks[2].name = "
  ],
  [
    { networks: [{ ...veth, createBridge: { address: "x" } }] },
    "networks[0].createBridge = ",
    "networks[0].bridge: must be given"
  ],
  [
    { routes: [{ destination: "10.0.0.1", source: "10.0.0.0/8" }, { gateway: "x", interfaceName: "a b" }] },
    "routes[0].destination = ",
    "routes[0].source = ",
    "routes[0].gateway: a route needs",
    "routes[1].gateway = \"x\": ",
    "routes[1].interfaceName = "
  ],
  // kernel parameters
  [
    {
      sysctl: {
        "kernel.panic": "1",
        "kernel.hostname": "x",
        "net..x": "1",
        "user.max_pid_namespaces": "1",
        "fs.mqueue.msg_max": "1",
        "kernel.shm_rmid_forced": "1",
        "net/ipv4/conf/eth0.1/forwarding": "1",
        "kernel.domainname": "d"
      }
    },
    "sysctl[\"kernel.panic\"] = \"1\": is not kept apart by a namespace",
    "sysctl[\"kernel.hostname\"] = ",
    "sysctl[\"net..x\"] = ",
    "sysctl[\"user.max_pid_namespaces\"] = \"1\": needs a private user namespace"
  ],
  [
    {
      namespaces: without("ipc", "uts", "net"),
      networks: [],
      hostname: "",
      sysctl: { "kernel.sem": "1", "kernel.domainname": "d", "net.core.somaxconn": "1" }
    },
    "hostname = ",
    "sysctl[\"kernel.sem\"] = \"1\": needs a private IPC",
    "sysctl[\"kernel.domainname\"] = ",
    "sysctl[\"net.core.somaxconn\"] = "
  ],
  // cgroup, seccomp, others
  [
    {
      cgroup: {
        path: "../x",
        devices: [{ allow: true, type: "c", major: -1, minor: -2, access: "x" }],
        memory: { limit: 2n, swap: 1n, swappiness: 101n },
        cpu: { quota: 1n, burst: 2n, idle: 2n, cpus: "a" },
        unified: { "../x": "1" },
        hugepageLimits: [{ pageSize: "2M", limit: 1n }]
      }
    },
    "cgroup.path = \"../x\": ",
    "cgroup.devices[0].access = ",
    "cgroup.devices[0].major = ",
    "cgroup.devices[0].minor = ",
    "cgroup.memory.swappiness = ",
    "cgroup.memory.swap = ",
    "cgroup.cpu.burst = ",
    "cgroup.cpu.idle = ",
    "cgroup.cpu.cpus = ",
    "cgroup.unified[\"../x\"] = ",
    "cgroup.hugepageLimits[0].pageSize = "
  ],
  [
    {
      seccomp: {
        defaultAction: "SCMP_ACT_NOTIFY",
        defaultErrnoRet: 1,
        architectures: ["X"],
        flags: ["Y"],
        syscalls: [{ names: [], action: "Z", errnoRet: 1, args: [{ index: 6, value: 0n, valueTwo: 0n, op: "W" }] }]
      }
    },
    "seccomp.defaultAction = ",
    "seccomp.defaultErrnoRet = ",
    "seccomp.architectures[0] = ",
    "seccomp.flags[0] = ",
    "seccomp.syscalls[0].names = ",
    "seccomp.syscalls[0].action = ",
    "seccomp.syscalls[0].errnoRet = ",
    "seccomp.syscalls[0].args[0].index = ",
    "seccomp.syscalls[0].args[0].op = "
  ],
  [{ personality: 4 }, "personality = 4: "],
  [{ memoryPolicy: { mode: MPOL.LOCAL, nodes: [0] } }, "memoryPolicy.nodes = [0]: "],
  [{ memoryPolicy: { mode: MPOL.BIND, nodes: [] } }, "memoryPolicy.nodes = []: "],
  [
    { memoryPolicy: { mode: MPOL.BIND | MPOL_F.STATIC_NODES | MPOL_F.RELATIVE_NODES, nodes: [0] } },
    "memoryPolicy.flags = "
  ],
  [{ parentDeathSignal: 65 }, "parentDeathSignal = 65: "],
  [{ mountLabel: "a\"b" }, "mountLabel = "]
]
