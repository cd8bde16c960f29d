/** The processes that a machine begins with: process 1, and the one that makes the calls. */
import { RLIMIT, SIG } from "../../native/constants.ts"
import { infinity } from "../Descriptors.ts"
import type { Options } from "../Seed.ts"
import type { Location, Process } from "../State.ts"
import type { Caller } from "./hostCaller.ts"
import type { Neighbour } from "./hostNamespaces.ts"
import type { initialNamespaces } from "./objects.ts"

/** What both share. */
interface Surroundings {
  readonly ns: ReturnType<typeof initialNamespaces>
  readonly root: Location
  readonly cpus: number
  /** All capabilities that the machine knows. */
  readonly all: bigint
}

/** Makes process 1, which has root's rights and does nothing. */
export const init = (
  { all, cpus, ns, root }: Surroundings,
  hierarchies: Iterable<number>
): Process => ({
  pid: 1,
  numbers: new Map([[ns.pid, 1]]),
  parent: 0,
  group: 1,
  session: 1,
  status: "running",
  comm: "init",
  exe: "/sbin/init",
  argv: ["/sbin/init"],
  envp: [],
  executed: true,
  startTime: 1,
  creds: {
    uid: 0,
    euid: 0,
    suid: 0,
    gid: 0,
    egid: 0,
    sgid: 0,
    groups: [],
    effective: all,
    permitted: all,
    inheritable: 0n,
    bounding: all,
    ambient: 0n,
    securebits: 0,
    noNewPrivs: false
  },
  ns: { ...ns, pidForChildren: ns.pid, timeForChildren: ns.time },
  descriptors: new Map(),
  root,
  cwd: root,
  umask: 0o22,
  cgroups: new Map([...hierarchies].map((id) => [id, "/"])),
  limits: new Map(),
  dispositions: new Map(),
  blocked: [],
  pending: [],
  stopped: false,
  parentDeathSignal: 0,
  dumpable: 1,
  subreaper: false,
  filters: [],
  sessionKeyring: 1,
  personality: 0,
  affinity: Array.from({ length: cpus }, (_, cpu) => cpu),
  scheduler: { policy: 0, flags: 0n, nice: 0, priority: 0, runtime: 0n, deadline: 0n, period: 0n },
  ioPriority: 0,
  memoryPolicy: { mode: 0, nodes: [] },
  oomScoreAdj: 0,
  oomScoreAdjMin: 0,
  attributes: new Map()
})

const usualLimits = {
  [RLIMIT.NOFILE]: { soft: 1024n, hard: 4096n },
  [RLIMIT.STACK]: { soft: 8388608n, hard: infinity },
  [RLIMIT.NPROC]: { soft: 65536n, hard: 65536n },
  [RLIMIT.MEMLOCK]: { soft: 65536n, hard: 65536n }
}

/** Options of the caller. */
interface CallerOptions extends Options {
  /** Its cgroup in each hierarchy. */
  readonly memberships: ReadonlyMap<number, string>
  readonly caller?: Caller
}

/** Makes the process that makes the calls. As under a shell, it leads its own group in the session of another process. */
export const caller = (
  first: Process,
  { all, ns }: Surroundings,
  options: CallerOptions
): Process => {
  const uid = options.uid ?? 0
  const gid = options.gid ?? uid
  const pid = options.pid ?? 1000
  const capabilities = options.capabilities ?? (uid === 0 ? options.bounding ?? all : 0n)
  const { creds, scheduler, ...others } = options.caller ?? {}
  return {
    ...first,
    ...others,
    pid,
    numbers: new Map([[ns.pid, pid]]),
    parent: 1,
    group: pid,
    session: 1,
    comm: "node",
    exe: "/usr/bin/node",
    argv: ["node"],
    executed: false,
    startTime: 100,
    creds: {
      ...first.creds,
      uid,
      euid: uid,
      suid: uid,
      gid,
      egid: gid,
      sgid: gid,
      groups: options.groups ?? [],
      effective: capabilities,
      permitted: capabilities,
      bounding: options.bounding ?? all,
      ...creds
    },
    scheduler: { ...first.scheduler, ...scheduler },
    cgroups: options.memberships,
    limits: new Map(
      Object.entries({ ...usualLimits, ...options.limits }).map(([resource, limit]) => [Number(resource), limit])
    ),
    dispositions: new Map((options.ignored ?? [SIG.PIPE, SIG.XFSZ]).map((signal) => [signal, "SIG_IGN" as const]))
  }
}

/** Makes another process of the machine, as far as it is known: a child of process 1, or of the one that makes the calls. */
export const neighbour = (first: Process, { isOwnChild, ...one }: Neighbour, caller: number): Process => ({
  ...first,
  ...one,
  parent: one.pid === 1 ? 0 : isOwnChild ? caller : 1,
  cwd: one.root,
  creds: { ...first.creds, ...one.creds }
})
