/**
 * `/proc`, computed from the state whenever it is looked at. @see proc(5), user_namespaces(7), namespaces(7)
 */
import { MS, O, RLIMIT } from "../native/constants.ts"
import * as Cgroups from "./Cgroups.ts"
import {
  CAP,
  capable,
  mayTrace,
  memoryUserNs,
  nsCapable,
  processByNumber,
  readMap,
  shown,
  toKernel,
  writeMap,
  writeSetgroups
} from "./Credentials.ts"
import { linked } from "./Files.ts"
import { encode, type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import { leaderNumber } from "./Processes.ts"
import { pathOf } from "./Resolve.ts"
import type { Location, NamespaceType, NodeId, Process } from "./State.ts"
import { bound, sysctl, unbound } from "./Sysctl.ts"
import { writeOffsets } from "./Times.ts"

type Write = NonNullable<View["write"]>

/** What makes up a computed node; the rest follows from its place. */
export type Draft =
  | {
    readonly dir: () => ReadonlyArray<string>
    readonly mode?: number
    readonly always?: boolean
    readonly allows?: View["allows"]
  }
  | {
    readonly text: () => string
    readonly write?: Write
    readonly mode?: number
    readonly uid?: number
    readonly gid?: number
    readonly allows?: View["allows"]
    readonly whole?: boolean
    readonly rewritable?: boolean
    readonly onOpen?: (writing: boolean) => void
  }
  | { readonly link: () => string; readonly jump?: () => Location; readonly mode?: number }

/** `/proc/<pid>/ns/*`, by file name. */
const namespaceFiles: Readonly<Record<string, readonly [NamespaceType, keyof Process["ns"]]>> = {
  cgroup: ["cgroup", "cgroup"],
  ipc: ["ipc", "ipc"],
  mnt: ["mnt", "mnt"],
  net: ["net", "net"],
  pid: ["pid", "pid"],
  pid_for_children: ["pid", "pidForChildren"],
  time: ["time", "time"],
  time_for_children: ["time", "timeForChildren"],
  user: ["user", "user"],
  uts: ["uts", "uts"]
}

/** The text of a magic link to an open file. */
export const fileText = (m: Machine, id: number): string => {
  const file = m.files.need(id)
  switch (file.kind._tag) {
    case "Node": {
      const { node } = file.kind.location
      if (typeof node === "string" && node.startsWith("ns:") && file.kind.location.mount === 0) {
        const namespace = m.namespaces.need(Number(node.slice(3)))
        return `${namespace.type}:[${namespace.id}]`
      }
      if (typeof node === "string" && node.startsWith("socket:")) return `socket:[${node.slice(7)}]`
      if (typeof node === "number" && file.kind.location.mount === 0) {
        const { content, name } = m.nodes.need(node)
        // a file in memory has the name that it was made with, also where it was opened again
        return content._tag === "Fifo"
          ? `pipe:[${node}]`
          : content._tag === "File" && name !== ""
          ? `/${name} (deleted)`
          : file.path
      }
      return nameOf(m, file.kind.location)
    }
    case "Socket":
      return `socket:[${file.kind.socket}]`
    case "Pid":
      return "anon_inode:[pidfd]"
    case "FsContext":
      return "anon_inode:[fscontext]"
    case "Pty":
      return nameOf(m, file.kind.location)
    case "BpfProgram":
      return "anon_inode:bpf-prog"
    case "SeccompListener":
      return "anon_inode:seccomp notify"
  }
}

/** The text of a magic link to a place (`d_path`). */
const nameOf = (m: Machine, place: Location): string =>
  `${pathOf(m, place, m.self.root).path}${linked(m, place.node) ? "" : " (deleted)"}`

/** Signals as the kernel shows a set of them: signal 1 is the lowest bit. */
const signalSet = (signals: Iterable<number>): string =>
  hex([...signals].reduce((set, signal) => set | 1n << BigInt(signal - 1), 0n))

const hex = (set: bigint): string => set.toString(16).padStart(16, "0")

const flagNames: ReadonlyArray<readonly [number, string]> = [
  [MS.NOSUID, "nosuid"],
  [MS.NODEV, "nodev"],
  [MS.NOEXEC, "noexec"],
  [MS.NOATIME, "noatime"],
  [MS.NODIRATIME, "nodiratime"],
  [MS.RELATIME, "relatime"],
  [MS.NOSYMFOLLOW, "nosymfollow"]
]

const escape = (text: string): string =>
  text.replaceAll(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`)

/** `/proc/<pid>/mountinfo` of a process. */
export const mountinfo = (m: Machine, process: Process): string =>
  m.mounts.values().filter(({ ns }) => ns === process.ns.mnt).flatMap((mount) => {
    const where = pathOf(m, { mount: mount.id, node: mount.root }, process.root)
    // mounts outside of the root are not listed (proc_pid_mountinfo(5))
    if (!where.reachable) return []
    const fs = m.fileSystems.need(mount.fs)
    const flags = [
      (mount.flags & 1) === 0 ? "rw" : "ro",
      ...flagNames.filter(([bit]) => (mount.flags & bit) !== 0).map((x) => x[1])
    ]
    const tags = [
      ...mount.shared === undefined ? [] : [`shared:${mount.shared}`],
      ...mount.master === undefined ? [] : [`master:${mount.master}`],
      ...mount.unbindable ? ["unbindable"] : []
    ]
    return `${
      [
        mount.id,
        mount.parent ?? mount.id,
        `${fs.dev.major}:${fs.dev.minor}`,
        escape(rootText(m, mount.root)),
        escape(where.path),
        flags.join(","),
        ...tags,
        "-",
        fs.type,
        escape(fs.source),
        [fs.readonly ? "ro" : "rw", ...fs.options].join(",")
      ].join(" ")
    }\n`
  }).join("")

const rootText = (m: Machine, root: NodeId): string => {
  if (typeof root === "string") {
    if (root.startsWith("cg:")) return Cgroups.pathOfGroup(m, root)
    if (root.startsWith("ns:")) return `${m.namespaces.need(Number(root.slice(3))).type}:[${root.slice(3)}]`
    return `/${(root.split(":")[2] ?? "").split("/").map(unbound).join("/")}`
  }
  const parts: Array<string> = []
  for (let node = m.nodes.need(root); node.parent !== node.id;) {
    parts.unshift(node.name)
    if (typeof node.parent !== "number") break
    node = m.nodes.need(node.parent)
  }
  return `/${parts.join("/")}`
}

const letters = (m: Machine, process: Process): string =>
  process.status === "zombie" ? "Z" : process.stopped ? "T" : Cgroups.isFrozen(m, process) && process.pid !== m.pid
    ? "D"
    : process.pid === m.pid
    ? "R"
    : "S"

const parentNumber = (m: Machine, process: Process, pidNs: number): number =>
  m.processes.get(process.parent)?.numbers.get(pidNs) ?? 0

const stat = (m: Machine, process: Process, pidNs: number): string => {
  const number = (leader: number): number => leaderNumber(m, process, leader, pidNs)
  const head = [process.numbers.get(pidNs), `(${process.comm})`, letters(m, process), parentNumber(m, process, pidNs)]
  const rest = [number(process.group), number(process.session), 0, -1, 4194304, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 1, 0]
  return `${[...head, ...rest, process.startTime, ...Array.from({ length: 30 }, () => 0)].join(" ")}\n`
}

/** Numbers in a pid namespace and in those below it. */
const numbersFrom = (
  m: Machine,
  numbers: ReadonlyMap<number, number>,
  pidNs: number
): ReadonlyArray<number> => {
  const level = (ns: number): number => m.namespace("pid", ns).level
  return [...numbers].filter(([ns]) => level(ns) >= level(pidNs)).toSorted(([a], [b]) => level(a) - level(b))
    .map((pair) => pair[1])
}

/** Numbers of the leader of a process's group or session, 0 where it has none, down to the process's own namespace. */
const leaderNumbers = (m: Machine, process: Process, leader: number, pidNs: number): ReadonlyArray<number> =>
  numbersFrom(
    m,
    new Map([...process.numbers.keys()].map((ns) => [ns, leaderNumber(m, process, leader, ns)])),
    pidNs
  )

const status = (m: Machine, process: Process, pidNs: number): string => {
  const { creds } = process
  const uid = (id: number) => shown(m, "uid", id)
  const gid = (id: number) => shown(m, "gid", id)
  const letter = letters(m, process)
  const words: Readonly<Record<string, string>> = {
    Z: "zombie",
    T: "stopped",
    D: "disk sleep",
    R: "running",
    S: "sleeping"
  }
  return `${
    [
      `Name:\t${process.comm.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
      `Umask:\t${process.umask.toString(8).padStart(4, "0")}`,
      `State:\t${letter} (${words[letter]})`,
      `Tgid:\t${process.numbers.get(pidNs)}`,
      "Ngid:\t0",
      `Pid:\t${process.numbers.get(pidNs)}`,
      `PPid:\t${parentNumber(m, process, pidNs)}`,
      "TracerPid:\t0",
      `Uid:\t${uid(creds.uid)}\t${uid(creds.euid)}\t${uid(creds.suid)}\t${uid(creds.euid)}`,
      `Gid:\t${gid(creds.gid)}\t${gid(creds.egid)}\t${gid(creds.sgid)}\t${gid(creds.egid)}`,
      `Groups:\t${creds.groups.map(gid).join(" ")} `,
      `NStgid:\t${numbersFrom(m, process.numbers, pidNs).join("\t")}`,
      `NSpid:\t${numbersFrom(m, process.numbers, pidNs).join("\t")}`,
      `NSpgid:\t${leaderNumbers(m, process, process.group, pidNs).join("\t")}`,
      `NSsid:\t${leaderNumbers(m, process, process.session, pidNs).join("\t")}`,
      "Threads:\t1",
      // a signal by kill(2) waits for the whole process (`render_sigset_t`)
      "SigPnd:\t0000000000000000",
      `ShdPnd:\t${signalSet(process.pending)}`,
      `SigBlk:\t${signalSet(process.blocked)}`,
      `SigIgn:\t${signalSet(process.dispositions.keys())}`,
      // handlers are of Node's first process only, and go with clone and execve
      "SigCgt:\t0000000000000000",
      `CapInh:\t${hex(creds.inheritable)}`,
      `CapPrm:\t${hex(creds.permitted)}`,
      `CapEff:\t${hex(creds.effective)}`,
      `CapBnd:\t${hex(creds.bounding)}`,
      `CapAmb:\t${hex(creds.ambient)}`,
      `NoNewPrivs:\t${creds.noNewPrivs ? 1 : 0}`,
      `Seccomp:\t${process.filters.length > 0 ? 2 : 0}`,
      `Seccomp_filters:\t${process.filters.length}`
    ].join("\n")
  }\n`
}

// ── /proc/<pid> ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The lines of `/proc/<pid>/limits`: title, resource and unit (fs/proc/base.c, `lnames`). */
export const limitTitles: ReadonlyArray<readonly [string, number, string]> = [
  ["Max cpu time", RLIMIT.CPU, "seconds"],
  ["Max file size", RLIMIT.FSIZE, "bytes"],
  ["Max data size", RLIMIT.DATA, "bytes"],
  ["Max stack size", RLIMIT.STACK, "bytes"],
  ["Max core file size", RLIMIT.CORE, "bytes"],
  ["Max resident set", RLIMIT.RSS, "bytes"],
  ["Max processes", RLIMIT.NPROC, "processes"],
  ["Max open files", RLIMIT.NOFILE, "files"],
  ["Max locked memory", RLIMIT.MEMLOCK, "bytes"],
  ["Max address space", RLIMIT.AS, "bytes"],
  ["Max file locks", RLIMIT.LOCKS, "locks"],
  ["Max pending signals", RLIMIT.SIGPENDING, "signals"],
  ["Max msgqueue size", RLIMIT.MSGQUEUE, "bytes"],
  ["Max nice priority", RLIMIT.NICE, ""],
  ["Max realtime priority", RLIMIT.RTPRIO, ""],
  ["Max realtime timeout", RLIMIT.RTTIME, "us"]
]

const limitText = (value: bigint | undefined): string =>
  (value === undefined || value === 2n ** 64n - 1n ? "unlimited" : String(value)).padEnd(20)

const files = [
  "attr",
  "cgroup",
  "cmdline",
  "comm",
  "cwd",
  "environ",
  "exe",
  "fd",
  "fdinfo",
  "gid_map",
  "limits",
  "loginuid",
  "mountinfo",
  "mounts",
  "ns",
  "oom_score_adj",
  "root",
  "setgroups",
  "stat",
  "status",
  "task",
  "timens_offsets",
  "uid_map"
]

const attributeNames = ["current", "exec", "fscreate", "keycreate", "prev", "sockcreate"]

const traced = (m: Machine, process: Process): void => {
  if (!mayTrace(m, process, "effective")) refuse("EACCES")
}

/** Files of a process. `path` is what follows `/proc/<pid>/`. */
const ofProcess = (m: Machine, process: Process, pidNs: number, path: ReadonlyArray<string>): Draft | undefined => {
  const [name, second, ...rest] = path
  const alive = process.status === "running"
  // EINVAL: a process that has ended is in no mount namespace (mounts_open_common)
  const inMounts = (): void => alive ? undefined : refuse("EINVAL")
  const set = (fields: Partial<Process>): void => m.processes.update(process.pid, (old) => ({ ...old, ...fields }))
  if (name === undefined) return { dir: () => files }
  if (second !== undefined && !["attr", "fd", "fdinfo", "ns", "task"].includes(name)) return undefined
  switch (name) {
    case "status":
      return { text: () => status(m, process, pidNs), mode: 0o444 }
    case "stat":
      return { text: () => stat(m, process, pidNs), mode: 0o444 }
    case "comm":
      return {
        text: () => `${process.comm}\n`,
        // EINVAL: of the process itself only (comm_write); 15 bytes count, a newline too
        write: (text) => process.pid === m.pid ? set({ comm: text.split("\0")[0]!.slice(0, 15) }) : refuse("EINVAL")
      }
    case "cmdline":
      return { text: () => alive ? process.argv.map((arg) => `${arg}\0`).join("") : "", mode: 0o444 }
    case "environ":
      return {
        text: () => process.envp.map((pair) => `${pair}\0`).join(""),
        mode: 0o400,
        // ESRCH: a zombie has no memory (mm_access)
        onOpen: () => alive ? traced(m, process) : refuse("ESRCH")
      }
    case "mountinfo":
      return { text: () => mountinfo(m, process), mode: 0o444, onOpen: inMounts }
    case "mounts":
      return {
        onOpen: inMounts,
        text: () =>
          mountinfo(m, process).split("\n").filter((line) => line !== "").map((line) => {
            const [left, right] = line.split(" - ") as [string, string]
            const [type, source, options] = right.split(" ")
            return `${source} ${left.split(" ")[4]} ${type} ${options} 0 0\n`
          }).join(""),
        mode: 0o444
      }
    case "cgroup":
      return { text: () => Cgroups.describeMembership(m, process), mode: 0o444 }
    case "limits":
      return {
        text: () =>
          `Limit                     Soft Limit           Hard Limit           Units     \n${
            limitTitles.map(([title, resource, unit]) => {
              const limit = process.limits.get(resource)
              const line = `${title.padEnd(25)} ${limitText(limit?.soft)} ${limitText(limit?.hard)}`
              return `${line} ${unit === "" ? "" : unit.padEnd(10)}\n`
            }).join("")
          }`,
        mode: 0o444
      }
    case "uid_map":
    case "gid_map": {
      const kind = name === "uid_map" ? "uid" : "gid"
      const userNs = process.ns.user
      return {
        text: () => readMap(m, userNs, kind),
        write: (text, opener, offset) => writeMap(m, userNs, kind, text, opener, offset)
      }
    }
    case "setgroups": {
      const userNs = process.ns.user
      return {
        text: () => `${m.namespace("user", userNs).setgroups}\n`,
        onOpen: (writing) => writing && !nsCapable(m, userNs, CAP.SYS_ADMIN) ? refuse("EACCES") : undefined,
        write: (text, _, offset) => writeSetgroups(m, userNs, text, offset)
      }
    }
    case "oom_score_adj":
      return {
        text: () => `${process.oomScoreAdj}\n`,
        write: (text) => {
          const value = Number(text.trim())
          if (!/^-?\d+$/.test(text.trim()) || value < -1000 || value > 1000) refuse("EINVAL")
          // EACCES: going below the lowest value so far takes CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5))
          const resource = capable(m, CAP.SYS_RESOURCE)
          if (value < process.oomScoreAdjMin && !resource) refuse("EACCES")
          set({ oomScoreAdj: value, ...resource ? { oomScoreAdjMin: value } : {} })
        }
      }
    case "timens_offsets": {
      const { timeForChildren } = process.ns
      return {
        text: () => m.namespace("time", timeForChildren).offsets,
        rewritable: true,
        write: (text, opener, offset) =>
          offset === 0 ? writeOffsets(m, timeForChildren, text, opener) : refuse("EINVAL")
      }
    }
    case "loginuid":
      return { text: () => "4294967295", write: () => undefined }
    case "exe":
      return {
        link: () => {
          traced(m, process)
          if (!alive) refuse("ENOENT")
          return process.program === undefined ? process.exe : nameOf(m, process.program)
        },
        jump: () => {
          traced(m, process)
          return process.program ?? m.unmodelled("the file that the first process executes")
        }
      }
    case "root":
    case "cwd": {
      const place = name === "root" ? process.root : process.cwd
      return {
        link: () => {
          traced(m, process)
          return alive ? nameOf(m, place) : refuse("ENOENT")
        },
        jump: () => {
          traced(m, process)
          return alive ? place : refuse("ENOENT")
        }
      }
    }
    case "task": {
      const own = String(process.numbers.get(pidNs))
      if (second === undefined) return { dir: () => [own] }
      return second === own ? ofProcess(m, process, pidNs, rest) : undefined
    }
    case "attr": {
      if (second === undefined) {
        return { dir: () => [...attributeNames, ...m.facts.securityModules.includes("apparmor") ? ["apparmor"] : []] }
      }
      const key = [second, ...rest].join("/")
      const known = rest.length === 0 ? attributeNames.includes(second) : m.facts.securityModules.includes(second)
      if (second === "apparmor" && rest.length === 0 && m.facts.securityModules.includes("apparmor")) {
        return { dir: () => ["current", "exec", "prev"] }
      }
      if (!known) return undefined
      return {
        text: () => `${process.attributes.get(key) ?? "unconfined"}\n`,
        mode: 0o666,
        write: (text) => {
          // EACCES: only of the process itself; EINVAL: no security module serves the file (proc_pid_attr(5))
          if (process.pid !== m.pid) refuse("EACCES")
          if (m.facts.securityModules.length === 0) refuse("EINVAL")
          set({ attributes: new Map(process.attributes).set(key, text) })
        }
      }
    }
    case "ns": {
      if (second === undefined) return { dir: () => Object.keys(namespaceFiles), mode: 0o511 }
      const file = namespaceFiles[second]
      if (file === undefined || rest.length > 0) return undefined
      const id = process.ns[file[1]]
      const target = (): number => {
        traced(m, process)
        // a zombie is still in its user and pid namespaces (userns_get, pidns_get)
        if (!alive && second !== "user" && second !== "pid") refuse("ENOENT")
        // pid_for_children has no target until the namespace has its first process (pid_namespaces(7))
        return second === "pid_for_children" && m.namespace("pid", id).nextPid === 1 ? refuse("ENOENT") : id
      }
      return {
        link: () => `${file[0]}:[${target()}]`,
        jump: () => ({ mount: 0, node: `ns:${target()}` })
      }
    }
    case "fd":
    case "fdinfo": {
      if (second === undefined) {
        const dir = (): ReadonlyArray<string> => [...process.descriptors.keys()].toSorted((a, b) => a - b).map(String)
        // one's own can always be opened (proc_fd_permission)
        return { dir, mode: name === "fd" ? 0o500 : 0o555, always: process.pid === m.pid }
      }
      const entry = rest.length === 0 && /^(?:0|[1-9]\d*)$/.test(second)
        ? process.descriptors.get(Number(second))
        : undefined
      if (entry === undefined) return undefined
      const file = m.files.need(entry.file)
      if (name === "fdinfo") {
        // the directory is searched by whoever may trace the process (proc_fdinfo_permission)
        traced(m, process)
        const flags = file.flags | (entry.cloexec ? O.CLOEXEC : 0)
        const mount = "location" in file.kind ? file.kind.location.mount : 0
        const pid = file.kind._tag === "Pid" ? pidfdInfo(m, file.kind.pid, pidNs) : ""
        return { text: () => `pos:\t${file.offset}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${mount}\n${pid}` }
      }
      return {
        // what the descriptor may (tid_fd_update_inode)
        mode: (file.flags & O.PATH) !== 0 ? 0 : [0o500, 0o300, 0o700][file.flags & 3] ?? 0,
        link: () => {
          traced(m, process)
          return fileText(m, entry.file)
        },
        jump: () =>
          file.kind._tag === "Node" || file.kind._tag === "Pty"
            ? file.kind.location
            : file.kind._tag === "Socket"
            ? { mount: 0, node: `socket:${file.kind.socket}` }
            : refuse("ENXIO")
      }
    }
    default:
      return undefined
  }
}

/** What fdinfo tells of a pidfd (`pidfd_show_fdinfo`): -1 for a process that is gone, 0 for one that is not seen. */
const pidfdInfo = (m: Machine, pid: number, pidNs: number): string => {
  const process = m.processes.get(pid)
  if (process === undefined) return "Pid:\t-1\nNSpid:\t-1\n"
  const number = process.numbers.get(pidNs)
  return `Pid:\t${number ?? 0}\nNSpid:\t${
    number === undefined ? 0 : numbersFrom(m, process.numbers, pidNs).join("\t")
  }\n`
}

/** The process of a directory `/proc/<pid>`, which pidfd_send_signal(2) takes for a pidfd. EBADF for other files. */
export const processOf = (m: Machine, node: NodeId): Process => {
  const [, fs, number] = /^proc:(\d+):(\d+)$/.exec(String(node)) ?? refuse("EBADF")
  return processByNumber(m, Number(number), m.fileSystems.need(Number(fs)).shows) ?? refuse("ESRCH")
}

const topFiles = ["filesystems", "mounts", "self", "stat", "sys", "thread-self", "uptime", "version"]

const ofRoot = (m: Machine, pidNs: number, path: ReadonlyArray<string>): Draft | undefined => {
  const [name, ...rest] = path
  const own = m.self.numbers.get(pidNs)
  if (name === undefined) {
    return {
      dir: () => [
        ...m.processes.values().flatMap(({ numbers }) => {
          const number = numbers.get(pidNs)
          return number === undefined ? [] : [number]
        }).toSorted((a, b) => a - b).map(String),
        ...topFiles
      ]
    }
  }
  if (/^[1-9]\d*$/.test(name)) {
    const process = processByNumber(m, Number(name), pidNs)
    return process === undefined ? undefined : ofProcess(m, process, pidNs, rest)
  }
  if (name === "sys") return sysctl(m, rest)
  if (rest.length > 0) return undefined
  switch (name) {
    // ENOENT: /proc of a pid namespace that does not see the reader (proc_self_get_link)
    case "self":
      return { link: () => String(own ?? refuse("ENOENT")) }
    case "thread-self":
      return { link: () => `${own ?? refuse("ENOENT")}/task/${own}` }
    case "mounts":
      return { link: () => "self/mounts" }
    case "filesystems":
      return { text: () => m.facts.fileSystemTypes.map((type) => `nodev\t${type}\n`).join(""), mode: 0o444 }
    case "uptime":
      return { text: () => `${Number((m.facts.uptime + m.time) / 10_000_000n) / 100} 0.00\n`, mode: 0o444 }
    case "stat":
      return { text: () => "btime 1700000000\n", mode: 0o444 }
    case "version":
      return { text: () => `Linux version ${m.facts.release}\n`, mode: 0o444 }
    default:
      return undefined
  }
}

/**
 * To whom a file of `/proc/<pid>` belongs (`task_dump_owner`): to the effective ids; where the process is not dumpable, to
 * root of the user namespace of its memory, except for directories that all may read.
 */
const ownerOf = (
  m: Machine,
  process: Process | undefined,
  open: boolean
): { readonly uid: number; readonly gid: number } => {
  if (process === undefined) return { uid: 0, gid: 0 }
  const { egid, euid } = process.creds
  if (open || (process.dumpable === 1 && process.status === "running")) return { uid: euid, gid: egid }
  if (process.status === "zombie") return { uid: 0, gid: 0 }
  const userNs = memoryUserNs(m, process)
  return { uid: toKernel(m, userNs, "uid", 0) ?? 0, gid: toKernel(m, userNs, "gid", 0) ?? 0 }
}

/** Name and parent of a node with an id of the form `proc:<file system>:<path>`. */
export const procPlace = (id: string): { readonly name: string; readonly parent: string } => {
  const start = id.indexOf(":", 5) + 1
  const path = id.slice(start)
  const slash = path.lastIndexOf("/")
  return {
    parent: path === "" ? id : `${id.slice(0, start)}${slash < 0 ? "" : path.slice(0, slash)}`,
    name: unbound(path.slice(slash + 1))
  }
}

/** The node with an id of the form `proc:<file system>:<path>`; `undefined` where there is none (any more). */
export const procNode = (m: Machine, id: string): View | undefined => {
  const colon = id.indexOf(":", 5)
  const fs = Number(id.slice(5, colon))
  const pidNs = m.fileSystems.get(fs)?.shows ?? m.self.ns.pid
  const parts = colon === id.length - 1 ? [] : id.slice(colon + 1).split("/")
  const draft = ofRoot(m, pidNs, parts)
  if (draft === undefined) return undefined
  const owner = /^[1-9]\d*$/.test(parts[0] ?? "") ? processByNumber(m, Number(parts[0]), pidNs) : undefined
  const ids = ownerOf(m, owner, "dir" in draft && (draft.mode ?? 0o555) === 0o555)
  const base = {
    id,
    fs,
    ...procPlace(id),
    uid: ids.uid,
    gid: ids.gid
  }
  if ("dir" in draft) {
    return {
      ...base,
      type: "d",
      mode: draft.mode ?? 0o555,
      ...draft.always === true ? { always: true } : {},
      ...draft.allows === undefined ? {} : { allows: draft.allows },
      list: draft.dir,
      lookup: (name) => {
        const child = [...parts, parts[0] === "sys" ? bound(m, parts.slice(1), name) : name]
        return ofRoot(m, pidNs, child) === undefined ? undefined : `proc:${fs}:${child.join("/")}`
      }
    }
  }
  if ("link" in draft) {
    return {
      ...base,
      type: "l",
      mode: draft.mode ?? 0o777,
      link: draft.link,
      ...draft.jump === undefined ? {} : { jump: draft.jump }
    }
  }
  return {
    ...base,
    type: "f",
    mode: draft.mode ?? 0o644,
    ...draft.uid === undefined ? {} : { uid: draft.uid },
    ...draft.gid === undefined ? {} : { gid: draft.gid },
    read: () => encode(draft.text()),
    ...draft.whole === true ? { whole: true } : {},
    ...draft.rewritable === true ? { rewritable: true } : {},
    ...draft.allows === undefined ? {} : { allows: draft.allows },
    ...draft.write === undefined ? {} : { write: draft.write },
    ...draft.onOpen === undefined ? {} : { onOpen: draft.onOpen }
  }
}
