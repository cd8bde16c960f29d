/** A few containers that between them take every way through the flows. */
import { SIG } from "../../../src/native/constants.ts"
import type { Setting } from "../../support/flows/settings.ts"

/** A container as it is without choice, and the like for each way in which flows differ. */
const plain: Setting = {
  host: {
    cgroup: "v2",
    cgroupPath: "/",
    user: "root",
    missing: [],
    freezingReads: 0,
    nofile: [1024, 4096],
    shared: false,
    lastCapability: 40,
    children: false
  },
  userns: false,
  origins: { pid: "new", net: "new", ipc: "new", uts: "new" },
  cgroupNs: true,
  timeNs: false,
  cgroup: "plain",
  mounts: ["bind", "tmp"],
  devices: [],
  masked: ["/data"],
  readonlyPaths: ["/etc"],
  readonlyRootfs: true,
  propagation: undefined,
  hostname: "web",
  domainname: undefined,
  sysctl: [],
  network: "loopback",
  noNewKeyring: false,
  personality: false,
  process: {
    uid: 1000,
    gid: 1000,
    groups: [5],
    named: false,
    capabilities: { bounding: [5, 10], permitted: [5, 10], effective: [5], inheritable: [10], ambient: [10] },
    noNewPrivileges: true,
    seccomp: true,
    rlimits: [["NOFILE", 64, 64]],
    env: ["PATH=/bin"],
    cwd: "/data",
    umask: 0o22,
    terminal: false,
    oomScoreAdj: 100,
    nice: undefined,
    ioPriority: false,
    affinity: false,
    parentDeathSignal: SIG.KILL,
    preserved: 0
  }
}
/** By what is special about them. */
export const kinds: Readonly<Record<string, Setting>> = {
  standard: plain,
  "standard with a terminal and a network": {
    ...plain,
    host: { ...plain.host, cgroup: "v1", freezingReads: 1 },
    network: "veth",
    process: { ...plain.process, terminal: true, parentDeathSignal: undefined }
  },
  "with a side-car": { ...plain, userns: true },
  "without privileges": {
    ...plain,
    host: { ...plain.host, user: "nobody" },
    userns: true,
    cgroup: "none",
    noNewKeyring: true,
    process: { ...plain.process, uid: 0, gid: 0, groups: [] }
  },
  "with joined namespaces": {
    ...plain,
    origins: { pid: "joined", net: "joined", ipc: "new", uts: "host" },
    hostname: undefined,
    network: "none"
  }
}
