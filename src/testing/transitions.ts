/**
 * The model kernel as one pure function: a state, who calls, and what, to the next state and the result.
 */
import type { Errno } from "../native/Errno.ts"
import type { Arguments, Call, CallName, Result } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import * as Credentials from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import * as Exec from "./Exec.ts"
import * as Files from "./Files.ts"
import * as Keyrings from "./Keyrings.ts"
import * as Limits from "./Limits.ts"
import { Blocked, KilledBySignal, Machine, Refused, RefusedAfter } from "./Machine.ts"
import * as Mounts from "./Mounts.ts"
import * as Names from "./Names.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Network from "./Network.ts"
import { namespaceOf } from "./Nodes.ts"
import * as Pipes from "./Pipes.ts"
import * as Processes from "./Processes.ts"
import * as Scheduling from "./Scheduling.ts"
import { passFilters } from "./seccompFilter.ts"
import * as Signals from "./Signals.ts"
import * as Sockets from "./Sockets.ts"
import type { State } from "./State.ts"
import * as Terminals from "./Terminals.ts"

type Handler<N extends CallName> = (m: Machine, args: Arguments<N>) => Result<{ readonly _tag: N }>

/** One rule for each call of the table; a call without one does not compile. */
const handlers: { readonly [N in CallName]: Handler<N> } = {
  clone: (m, args) => m.processes.need(Processes.clone(m, args)).numbers.get(m.self.ns.pid)!,
  reclone: (m, args) => void (m.pid = Processes.reclone(m, args)),
  execve: Exec.execve,
  execveat: Exec.execveat,
  exit_group: Processes.exitGroup,
  waitid: Processes.waitid,
  getpid: Processes.getpid,
  getppid: Processes.getppid,
  setsid: Processes.setsid,
  kill: Signals.killCall,
  pidfd_open: Processes.pidfdOpen,
  pidfd_getfd: Processes.pidfdGetfd,
  pidfd_send_signal: Processes.pidfdSendSignal,
  prctl: Credentials.prctl,
  rt_sigaction: Signals.setDisposition,
  rt_sigprocmask: Signals.setMask,
  nanosleep: Limits.nanosleep,
  getrandom: Limits.getrandom,

  unshare: Namespaces.unshare,
  setns: Namespaces.setns,
  sethostname: Namespaces.sethostname,
  setdomainname: Namespaces.setdomainname,
  uname: (m) => {
    const { domainname, nodename } = m.namespace("uts", m.self.ns.uts)
    return { nodename, domainname, release: m.facts.release, machine: m.facts.machine }
  },

  getresuid: Credentials.getresuid,
  getresgid: Credentials.getresgid,
  getgroups: Credentials.getgroups,
  setresuid: Credentials.setresuid,
  setresgid: Credentials.setresgid,
  setgroups: Credentials.setgroups,
  capget: Credentials.capget,
  capset: Credentials.capset,
  keyctl: Keyrings.keyctl,

  prlimit64: Limits.prlimit,
  sched_getaffinity: Scheduling.getAffinity,
  sched_setaffinity: Scheduling.setAffinity,
  sched_setattr: Scheduling.setScheduler,
  ioprio_set: Scheduling.setIoPriority,
  personality: Scheduling.personality,
  set_mempolicy: Scheduling.setMemoryPolicy,

  openat: Files.openat,
  openat2: Files.openat2,
  close: Descriptors.close,
  close_range: Descriptors.closeRange,
  dup: Descriptors.dup,
  dup3: Descriptors.dup3,
  fcntl: Descriptors.fcntl,
  read: Files.read,
  write: Files.write,
  statx: Files.statx,
  fstatfs: Files.fstatfs,
  readlinkat: Files.readlinkat,
  getdents64: Files.getdents64,
  faccessat2: Files.faccessat2,
  mkdirat: Files.mkdirat,
  mknodat: Files.mknodat,
  symlinkat: Files.symlinkat,
  unlinkat: Names.unlinkat,
  renameat2: Names.renameat2,
  fchmod: Files.fchmod,
  fchmodat: Files.fchmodat,
  fchownat: Files.fchownat,
  fsync: Files.fsync,
  ftruncate: Files.ftruncate,
  flock: Descriptors.flock,
  setxattr: Files.setxattr,
  memfd_create: Files.memfdCreate,
  umask: Files.umask,
  chdir: Files.chdir,
  fchdir: Files.fchdir,
  getcwd: Files.getcwd,
  chroot: Files.chroot,

  mount: Mounts.mount,
  umount2: Mounts.umount2,
  pivot_root: Mounts.pivotRoot,
  open_tree: Mounts.openTree,
  move_mount: Mounts.moveMount,
  fsopen: Mounts.fsopen,
  fsconfig: Mounts.fsconfig,
  fsmount: Mounts.fsmount,
  mount_setattr: Mounts.mountSetattr,

  pipe2: Pipes.pipe2,
  socket: Sockets.socket,
  socketpair: Sockets.socketpair,
  connect: Sockets.connect,
  shutdown: Sockets.shutdown,
  setsockopt: Sockets.setsockopt,
  sendmsg: Sockets.sendmsg,
  recvmsg: Sockets.recvmsg,
  poll: Sockets.poll,
  ioctl: Limits.ioctl,
  ioctl_gptn: (m, { fd }) => Terminals.ptyNumber(m, fd),
  ioctl_sptlck: (m, { fd, locked }) => Terminals.lockPty(m, fd, locked !== 0),
  ioctl_gwinsz: (m, { fd }) => Terminals.windowSize(m, fd),
  ioctl_swinsz: (m, { columns, fd, rows }) => Terminals.setWindowSize(m, fd, rows, columns),
  ioctl_tcgets: (m, { fd }) => Terminals.terminalModes(m, fd),
  ioctl_tcsetsw: (m, { fd, modes }) => Terminals.setTerminalModes(m, fd, modes),

  rtnetlink: Network.rtnetlink,

  seccomp: Limits.seccomp,
  bpf_prog_load: Limits.loadProgram,
  bpf_prog_attach: Limits.attachProgram
}

/** What a call came to. */
export type Outcome =
  /** `pid` is the caller's number after the call: `reclone` changes it. */
  | { readonly _tag: "Returned"; readonly state: State; readonly pid: number; readonly result: unknown }
  | { readonly _tag: "Refused"; readonly state: State; readonly code: Errno; readonly detail: string | undefined }
  /** The caller has to wait; the state is unchanged. */
  | { readonly _tag: "Blocked"; readonly why: string; readonly timeout: bigint | undefined }
  /** The caller will not go on: it has ended, or runs another program. */
  | { readonly _tag: "Gone"; readonly state: State }

/** Calls after which something may have lost its last user. */
const releases: ReadonlySet<CallName> = new Set(["close", "close_range", "umount2", "setns", "unshare", "waitid"])

/** Whether a namespace may have lost its last user. Most descriptors that are closed are of files that keep none. */
const mayRelease = (before: State, pid: number, call: Call): boolean => {
  if (call._tag !== "close") return releases.has(call._tag)
  const entry = before.processes.get(pid)?.descriptors.get(call.fd)
  const kind = entry === undefined ? undefined : before.files.get(entry.file)?.kind
  return kind?._tag !== "Node" || namespaceOf(kind.location.node) !== undefined
}

/** Runs a change of the state that is not a call: a program's end, a signal from a test. */
export const apply = (state: State, pid: number, change: (m: Machine) => void): State => {
  const m = new Machine(state, pid, { _tag: "getpid" })
  change(m)
  return m.seal()
}

/**
 * One call of one process. Pure, except that files of the real machine are read where the state was seeded with them.
 *
 * Throws `UnmodelledError` for what the model does not know.
 */
export const transition = (state: State, pid: number, call: Call, timedOut = false): Outcome => {
  const m = new Machine(state, pid, call, timedOut)
  // a stopped process does nothing; a frozen one neither (signal(7), cgroups(7))
  if (m.self.stopped) return { _tag: "Blocked", why: "SIGCONT", timeout: undefined }
  if (Cgroups.isFrozen(m, m.self)) return { _tag: "Blocked", why: "the cgroup to thaw", timeout: undefined }
  try {
    const answered = passFilters(m, call)
    if (answered !== undefined) return { _tag: "Returned", state: m.seal(), pid, result: answered.result }
    const result = (handlers[call._tag] as (m: Machine, args: unknown) => unknown)(m, call)
    if (mayRelease(state, pid, call)) Namespaces.collect(m)
    return m.processes.get(m.pid)?.status === "running"
      ? { _tag: "Returned", state: m.seal(), pid: m.pid, result }
      : { _tag: "Gone", state: m.seal() }
  } catch (error) {
    if (error instanceof Refused) return { _tag: "Refused", state, code: error.code, detail: error.detail }
    if (error instanceof RefusedAfter) return { _tag: "Refused", state: m.seal(), code: error.code, detail: undefined }
    if (error instanceof Blocked) return { _tag: "Blocked", why: error.why, timeout: error.timeout }
    if (error instanceof Processes.Gone) return { _tag: "Gone", state: m.seal() }
    if (error instanceof KilledBySignal) {
      Signals.kill(m, pid, error.signal)
      return { _tag: "Gone", state: m.seal() }
    }
    throw error
  }
}
