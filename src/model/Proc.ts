/**
 * `/proc`, computed from the state on demand. @see proc(5), user_namespaces(7), namespaces(7)
 */
import { memoryUserNs, processByNumber, toKernel } from "./Credentials.ts"
import { hostDraft, hostNames } from "./hostProc.ts"
import { encode, type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import { ofProcess } from "./procOfProcess.ts"
import { hasPidsOnly, hidesLate, shownOf } from "./procOptions.ts"
import type { FileSystem, Location, Process } from "./State.ts"
import { bound, unbound } from "./Sysctl.ts"
import { sysctl } from "./sysctlFiles.ts"

type Write = NonNullable<View["write"]>

/** The parts of a computed node; the rest follows from its place. */
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

const topFiles = ["filesystems", "mounts", "self", "stat", "sys", "thread-self", "uptime", "version"]

const ofRoot = (
  m: Machine,
  pidNs: number,
  path: ReadonlyArray<string>,
  fs: FileSystem | undefined
): Draft | undefined => {
  const [name, ...rest] = path
  const isPidsOnly = hasPidsOnly(fs)
  const own = m.self.numbers.get(pidNs)
  if (name === undefined) {
    return {
      dir: () => [
        ...m.processes.values().flatMap((process) => {
          const number = process.numbers.get(pidNs)
          return number === undefined || shownOf(m, fs, process) === "nothing" ? [] : [number]
        }).toSorted((a, b) => a - b).map(String),
        ...isPidsOnly
          ? ["self", "thread-self"]
          : new Set([...topFiles, ...m.facts.hostProc === true ? hostNames() : []])
      ]
    }
  }
  if (/^[1-9]\d*$/.test(name)) {
    const process = processByNumber(m, Number(name), pidNs)
    const shows = process === undefined ? "nothing" : shownOf(m, fs, process)
    // EPERM while the name is in the cache, otherwise ENOENT
    if (process !== undefined && shows === "nothing" && hidesLate(fs)) {
      m.unmodelled("which hidden names are in the cache")
    }
    const draft = process === undefined || shows === "nothing" ? undefined : ofProcess(m, process, pidNs, rest)
    // EPERM: the caller may not enter it (proc_pid_permission)
    return shows === "closed" && rest.length === 0 && draft !== undefined && "dir" in draft
      ? { ...draft, allows: () => refuse("EPERM") }
      : draft
  }
  if (isPidsOnly && name !== "self" && name !== "thread-self") return undefined
  if (name === "sys") return sysctl(m, rest)
  const ofHost = (): Draft | undefined => m.facts.hostProc === true ? hostDraft(path) : undefined
  if (rest.length > 0) return ofHost()
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
      return { text: () => `${(Number((m.facts.uptime + m.time) / 10_000_000n) / 100).toFixed(2)} 0.00\n`, mode: 0o444 }
    case "stat":
      return { text: () => "btime 1700000000\n", mode: 0o444 }
    case "version":
      return { text: () => `Linux version ${m.facts.release}\n`, mode: 0o444 }
    default:
      return ofHost()
  }
}

/**
 * The owner of a file of `/proc/<pid>` (`task_dump_owner`): the effective ids. If the process is not dumpable, root of the
 * user namespace of its memory, except for directories that all may read.
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

/** The node with an id of the form `proc:<file system>:<path>`; `undefined` if it does not exist, or not any more. */
export const procNode = (m: Machine, id: string): View | undefined => {
  const colon = id.indexOf(":", 5)
  const fs = Number(id.slice(5, colon))
  const pidNs = m.fileSystems.get(fs)?.shows ?? m.self.ns.pid
  const parts = colon === id.length - 1 ? [] : id.slice(colon + 1).split("/")
  const draft = ofRoot(m, pidNs, parts, m.fileSystems.get(fs))
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
        return ofRoot(m, pidNs, child, m.fileSystems.get(fs)) === undefined
          ? undefined
          : `proc:${fs}:${child.join("/")}`
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
