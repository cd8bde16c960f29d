/** The files of /proc/<pid>: who may open them, their content, and the effect of writes. @see proc(5), fs/proc/base.c */
import { O } from "../native/constants.ts"
import * as Cgroups from "./Cgroups.ts"
import {
  CAP,
  capable,
  mayTrace,
  noId,
  nsCapable,
  readMap,
  toKernel,
  toUser,
  writeMap,
  writeSetgroups
} from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import { signed, unsigned } from "./numbers.ts"
import type { Draft } from "./Proc.ts"
import { fileText, limits, mountinfo, mounts, nameOf, pidfdInfo, stat, status } from "./procTexts.ts"
import type { Descriptor, Location, NamespaceType, Process } from "./State.ts"
import { writeOffsets } from "./Times.ts"

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

/** Files of a process whose content is not modelled, with their modes. */
const unread: Readonly<Record<string, number>> = {
  arch_status: 0o444,
  auxv: 0o400,
  autogroup: 0o644,
  clear_refs: 0o200,
  coredump_filter: 0o644,
  cpuset: 0o444,
  io: 0o400,
  maps: 0o444,
  mem: 0o600,
  mountstats: 0o400,
  numa_maps: 0o444,
  oom_adj: 0o644,
  oom_score: 0o444,
  pagemap: 0o400,
  personality: 0o400,
  projid_map: 0o644,
  sched: 0o644,
  schedstat: 0o444,
  sessionid: 0o444,
  smaps: 0o444,
  smaps_rollup: 0o444,
  stack: 0o400,
  statm: 0o444,
  syscall: 0o400,
  timers: 0o444,
  timerslack_ns: 0o666,
  wchan: 0o444
}

const attributeNames = ["current", "exec", "fscreate", "keycreate", "prev", "sockcreate"]

const traced = (m: Machine, process: Process): void => {
  if (!mayTrace(m, process, "effective")) refuse("EACCES")
}

/** A request for a file of a process, by its number in the pid namespace of a procfs. */
interface Asked {
  readonly m: Machine
  readonly process: Process
  readonly pidNs: number
  /** What follows `/proc/<pid>/` and the name: empty for the file itself. */
  readonly below: ReadonlyArray<string>
}

type Files = Readonly<Record<string, (asked: Asked) => Draft | undefined>>

const isAlive = ({ process }: Asked): boolean => process.status === "running"

const change = ({ m, process }: Asked, fields: Partial<Process>): void =>
  m.processes.update(process.pid, (old) => ({ ...old, ...fields }))

/** EINVAL: a process that has ended has no mount namespace (mounts_open_common). */
const inMounts = (asked: Asked) => (): void => isAlive(asked) ? undefined : refuse("EINVAL")

const idMap = (kind: "uid" | "gid") => ({ m, process }: Asked): Draft => {
  const userNs = process.ns.user
  return {
    text: () => readMap(m, userNs, kind),
    write: (text, opener, offset) => writeMap(m, userNs, kind, text, opener, offset)
  }
}

/** A magic link to a place of a process. */
const place = (name: "cwd" | "root") => (asked: Asked): Draft => {
  const { m, process } = asked
  const target = (): Location => {
    traced(m, process)
    return isAlive(asked) ? process[name] : refuse("ENOENT")
  }
  return { link: () => nameOf(m, target()), jump: target }
}

const plain: Files = {
  cgroup: ({ m, process }) => ({ text: () => Cgroups.describeMembership(m, process), mode: 0o444 }),
  cmdline: (asked) => ({
    text: () => isAlive(asked) ? asked.process.argv.map((arg) => `${arg}\0`).join("") : "",
    mode: 0o444
  }),
  comm: (asked) => ({
    text: () => `${asked.process.comm}\n`,
    // EINVAL: only the process itself may write it (comm_write); 15 bytes count, also a newline
    write: (text) =>
      asked.process.pid === asked.m.pid ? change(asked, { comm: text.split("\0")[0]!.slice(0, 15) }) : refuse("EINVAL")
  }),
  cwd: place("cwd"),
  environ: (asked) => ({
    text: () => asked.process.envp.map((pair) => `${pair}\0`).join(""),
    mode: 0o400,
    // ESRCH: a zombie has no memory (mm_access)
    onOpen: () => isAlive(asked) ? traced(asked.m, asked.process) : refuse("ESRCH")
  }),
  exe: (asked) => {
    const { m, process } = asked
    return {
      link: () => {
        traced(m, process)
        if (!isAlive(asked)) refuse("ENOENT")
        return process.program === undefined ? process.exe : nameOf(m, process.program)
      },
      jump: () => {
        traced(m, process)
        return process.program ?? m.unmodelled("the file that the first process executes")
      }
    }
  },
  gid_map: idMap("gid"),
  limits: ({ process }) => ({ text: () => limits(process), mode: 0o444 }),
  loginuid: ({ m, process }) => ({
    text: () =>
      String(process.loginUid === undefined ? noId : toUser(m, m.self.ns.user, "uid", process.loginUid) ?? noId),
    write: (text, opener, offset) => {
      // EPERM: only the process itself may write it, and without CAP_AUDIT_CONTROL only once (proc_loginuid_write)
      if (process.pid !== m.pid) refuse("EPERM")
      if (offset !== 0) refuse("EINVAL")
      const wanted = Number(unsigned(text.split("\0")[0]!, 32, 10))
      const id = wanted === noId ? undefined : toKernel(m, opener.userNs, "uid", wanted) ?? refuse("EINVAL")
      if (process.loginUid !== undefined && !capable(m, CAP.AUDIT_CONTROL)) refuse("EPERM")
      const { loginUid: _, ...rest } = process
      m.processes.set(process.pid, id === undefined ? rest : { ...rest, loginUid: id })
    }
  }),
  mountinfo: (asked) => ({ text: () => mountinfo(asked.m, asked.process), mode: 0o444, onOpen: inMounts(asked) }),
  mounts: (asked) => ({ text: () => mounts(asked.m, asked.process), mode: 0o444, onOpen: inMounts(asked) }),
  oom_score_adj: (asked) => ({
    text: () => `${asked.process.oomScoreAdj}\n`,
    write: (text) => {
      // twelve bytes count (PROC_NUMBUF)
      const read = text.slice(0, 12)
      const value = Number(signed(read.split("\0")[0]!.trim(), 32))
      if (value < -1000 || value > 1000) refuse("EINVAL")
      // EACCES: a value below the lowest so far needs CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5))
      const resource = capable(asked.m, CAP.SYS_RESOURCE)
      if (value < asked.process.oomScoreAdjMin && !resource) refuse("EACCES")
      change(asked, { oomScoreAdj: value, ...resource ? { oomScoreAdjMin: value } : {} })
      return read.length
    }
  }),
  root: place("root"),
  setgroups: ({ m, process }) => {
    const userNs = process.ns.user
    return {
      text: () => `${m.namespace("user", userNs).setgroups}\n`,
      onOpen: (writing) => writing && !nsCapable(m, userNs, CAP.SYS_ADMIN) ? refuse("EACCES") : undefined,
      write: (text, _, offset) => writeSetgroups(m, userNs, text, offset)
    }
  },
  stat: ({ m, pidNs, process }) => ({ text: () => stat(m, process, pidNs), mode: 0o444 }),
  status: ({ m, pidNs, process }) => ({ text: () => status(m, process, pidNs), mode: 0o444 }),
  timens_offsets: ({ m, process }) => {
    const { timeForChildren } = process.ns
    return {
      text: () => m.namespace("time", timeForChildren).offsets,
      rewritable: true,
      write: (text, opener, offset) => offset === 0 ? writeOffsets(m, timeForChildren, text, opener) : refuse("EINVAL")
    }
  },
  uid_map: idMap("uid")
}

const descriptors = (asked: Asked, mode: number): Draft => ({
  dir: () => [...asked.process.descriptors.keys()].toSorted((a, b) => a - b).map(String),
  mode,
  // a process can always open its own (proc_fd_permission)
  always: asked.process.pid === asked.m.pid
})

const descriptor = ({ below: [number, ...rest], process }: Asked): Descriptor | undefined =>
  rest.length === 0 && /^(?:0|[1-9]\d*)$/.test(number!) ? process.descriptors.get(Number(number)) : undefined

const directories: Files = {
  attr: (asked) => {
    const { below, m, process } = asked
    const [second, ...rest] = below
    const modules = m.facts.securityModules
    if (second === undefined) {
      return { dir: () => [...attributeNames, ...modules.includes("apparmor") ? ["apparmor"] : []] }
    }
    if (second === "apparmor" && rest.length === 0 && modules.includes("apparmor")) {
      return { dir: () => ["current", "exec", "prev"] }
    }
    const key = below.join("/")
    if (rest.length === 0 ? !attributeNames.includes(second) : !modules.includes(second)) return undefined
    return {
      text: () => `${process.attributes.get(key) ?? "unconfined"}\n`,
      mode: 0o666,
      write: (text) => {
        // EACCES: only the process itself may write it; EINVAL: no security module handles the file (proc_pid_attr(5))
        if (process.pid !== m.pid) refuse("EACCES")
        if (modules.length === 0) refuse("EINVAL")
        change(asked, { attributes: new Map(process.attributes).set(key, text) })
      }
    }
  },
  fd: (asked) => {
    const { m, process } = asked
    if (asked.below.length === 0) return descriptors(asked, 0o500)
    const entry = descriptor(asked)
    if (entry === undefined) return undefined
    const file = m.files.need(entry.file)
    return {
      // the access of the descriptor (tid_fd_update_inode)
      mode: (file.flags & O.PATH) !== 0 ? 0 : [0o500, 0o300, 0o700][file.flags & 3] ?? 0,
      link: () => {
        traced(m, process)
        return fileText(m, entry.file)
      },
      jump: () => {
        const { kind } = file
        // on newer versions of Linux, an inode of pidfs that can be opened and changed; on older ones it can't
        if (kind._tag === "Pid") m.unmodelled("what is behind the link of a pidfd")
        if (kind._tag === "Socket") return { mount: 0, node: `socket:${kind.socket}` }
        return kind._tag === "Node" || kind._tag === "Pty" ? kind.location : refuse("ENXIO")
      }
    }
  },
  fdinfo: (asked) => {
    const { m, pidNs, process } = asked
    if (asked.below.length === 0) return descriptors(asked, 0o555)
    const entry = descriptor(asked)
    if (entry === undefined) return undefined
    const file = m.files.need(entry.file)
    // only a caller that may trace the process may search the directory (proc_fdinfo_permission)
    traced(m, process)
    const flags = file.flags | (entry.cloexec ? O.CLOEXEC : 0)
    const mount = "location" in file.kind ? file.kind.location.mount : 0
    const pid = file.kind._tag === "Pid" ? pidfdInfo(m, file.kind.pid, pidNs) : ""
    return { text: () => `pos:\t${file.offset}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${mount}\n${pid}` }
  },
  ns: (asked) => {
    const { below: [second, ...rest], m, process } = asked
    if (second === undefined) return { dir: () => Object.keys(namespaceFiles), mode: 0o511 }
    const file = namespaceFiles[second]
    if (file === undefined || rest.length > 0) return undefined
    const id = process.ns[file[1]]
    const target = (): number => {
      traced(m, process)
      // a zombie still has its user and pid namespaces (userns_get, pidns_get)
      if (!isAlive(asked) && second !== "user" && second !== "pid") refuse("ENOENT")
      // pid_for_children has no target before the namespace's first process (pid_namespaces(7))
      return second === "pid_for_children" && m.namespace("pid", id).nextPid === 1 ? refuse("ENOENT") : id
    }
    return { link: () => `${file[0]}:[${target()}]`, jump: () => ({ mount: 0, node: `ns:${target()}` }) }
  },
  task: ({ below: [second, ...rest], m, pidNs, process }) => {
    const own = String(process.numbers.get(pidNs))
    if (second === undefined) return { dir: () => [own] }
    return second === own ? ofProcess(m, process, pidNs, rest) : undefined
  }
}

const names = [...Object.keys(plain), ...Object.keys(directories)].toSorted()

/** Files of a process. `path` is what follows `/proc/<pid>/`. */
export const ofProcess = (
  m: Machine,
  process: Process,
  pidNs: number,
  path: ReadonlyArray<string>
): Draft | undefined => {
  const [name, ...below] = path
  if (name === undefined) return { dir: () => [...names, ...Object.keys(unread), "map_files", "net"] }
  const unmodelled = (): never => m.unmodelled(`what is in /proc/<pid>/${name}`)
  if (name === "net" || name === "map_files") {
    return below.length === 0 ? { dir: unmodelled, mode: name === "net" ? 0o555 : 0o500 } : unmodelled()
  }
  const asked: Asked = { m, process, pidNs, below }
  if (Object.hasOwn(directories, name)) return directories[name]!(asked)
  if (below.length > 0) return undefined
  if (Object.hasOwn(plain, name)) return plain[name]!(asked)
  if (!Object.hasOwn(unread, name)) return undefined
  return {
    mode: unread[name]!,
    text: unmodelled,
    write: unmodelled,
    // who may open them depends on the file
    onOpen: () => process.pid === m.pid ? undefined : m.unmodelled(`who may open /proc/<pid>/${name}`)
  }
}
