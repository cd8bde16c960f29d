/** The texts of the files of /proc/<pid>. @see proc(5), fs/proc/array.c, fs/proc_namespace.c */
import { MS, RLIMIT } from "../native/constants.ts"
import { isFrozen } from "./cgroupFreezer.ts"
import { pathOfGroup } from "./cgroupTree.ts"
import { shown } from "./Credentials.ts"
import type { Machine } from "./Machine.ts"
import { leaderNumber } from "./Processes.ts"
import { linked, pathOf } from "./Resolve.ts"
import type { Location, NodeId, Process } from "./State.ts"
import { unbound } from "./Sysctl.ts"

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
        // a memory file keeps its name, also if it is opened again
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
export const nameOf = (m: Machine, place: Location): string =>
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
      ...flagNames.filter(([bit]) => (mount.flags & bit) !== 0).map((x) => x[1]),
      ...mount.idmap === undefined ? [] : ["idmapped"]
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
    if (root.startsWith("cg:")) return pathOfGroup(m, root)
    if (root.startsWith("ns:")) return `${m.namespaces.need(Number(root.slice(3))).type}:[${root.slice(3)}]`
    return `/${(root.split(":")[2] ?? "").split("/").map(unbound).join("/")}`
  }
  const parts: Array<string> = []
  for (let node = m.nodes.need(root); node.parent !== node.id;) {
    parts.unshift(node.name)
    if (typeof node.parent !== "number") break
    node = m.nodes.need(node.parent)
  }
  // a removed name is marked (dentry_path)
  return `/${parts.join("/")}${linked(m, root) ? "" : "//deleted"}`
}

const letters = (m: Machine, process: Process): string =>
  process.status === "zombie" ? "Z" : process.stopped ? "T" : isFrozen(m, process) && process.pid !== m.pid
    ? "D"
    : process.pid === m.pid
    ? "R"
    : "S"

const parentNumber = (m: Machine, process: Process, pidNs: number): number =>
  m.processes.get(process.parent)?.numbers.get(pidNs) ?? 0

export const stat = (m: Machine, process: Process, pidNs: number): string => {
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

/** The numbers of the leader of a process's group or session, down to the process's own pid namespace; 0 where it has none. */
const leaderNumbers = (m: Machine, process: Process, leader: number, pidNs: number): ReadonlyArray<number> =>
  numbersFrom(
    m,
    new Map([...process.numbers.keys()].map((ns) => [ns, leaderNumber(m, process, leader, ns)])),
    pidNs
  )

export const status = (m: Machine, process: Process, pidNs: number): string => {
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
      // a signal of kill(2) is pending for the whole process (`render_sigset_t`)
      "SigPnd:\t0000000000000000",
      `ShdPnd:\t${signalSet(process.pending)}`,
      `SigBlk:\t${signalSet(process.blocked)}`,
      `SigIgn:\t${signalSet(process.dispositions.keys())}`,
      // only Node's process has handlers; clone and execve reset them
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

// -- /proc/<pid> ------------------------------------------------------------------------------------------------------

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

/**
 * What fdinfo reports about a pidfd (`pidfd_show_fdinfo`): -1 for a process that is gone, 0 for one that the reader does
 * not see.
 */
export const pidfdInfo = (m: Machine, pid: number, pidNs: number): string => {
  const process = m.processes.get(pid)
  if (process === undefined) return "Pid:\t-1\nNSpid:\t-1\n"
  const number = process.numbers.get(pidNs)
  return `Pid:\t${number ?? 0}\nNSpid:\t${
    number === undefined ? 0 : numbersFrom(m, process.numbers, pidNs).join("\t")
  }\n`
}

/** `/proc/<pid>/limits`. */
export const limits = (process: Process): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \n${
    limitTitles.map(([title, resource, unit]) => {
      const limit = process.limits.get(resource)
      const line = `${title.padEnd(25)} ${limitText(limit?.soft)} ${limitText(limit?.hard)}`
      return `${line} ${unit === "" ? "" : unit.padEnd(10)}\n`
    }).join("")
  }`

/** `/proc/<pid>/mounts`. */
export const mounts = (m: Machine, process: Process): string =>
  mountinfo(m, process).split("\n").filter((line) => line !== "").map((line) => {
    const [left, right] = line.split(" - ") as [string, string]
    const [type, source, options] = right.split(" ")
    return `${source} ${left.split(" ")[4]} ${type} ${options} 0 0\n`
  }).join("")
