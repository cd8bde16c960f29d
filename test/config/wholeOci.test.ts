/** A document with every property that the specification has for Linux. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decode } from "../../src/config/Config.ts"
import type { Container } from "../../src/config/Container.ts"
import { defaultRules, denyAll } from "../../src/config/devices.ts"
import { IOPRIO_CLASS, MOUNT_ATTR, MPOL, MPOL_F, MS, PER, SCHED, SCHED_FLAG } from "../../src/native/constants.ts"
import { container } from "../support/ociDocuments.ts"
import { oci } from "./documents.ts"

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
