/**
 * The model kernel as one pure function: from a state, a caller and a call to the next state and the result.
 */
import { rowOf } from "../native/calls.ts"
import { forAll } from "../native/definition.ts"
import type { Errno } from "../native/Errno.ts"
import type { Arguments, Call, CallName, Made } from "../native/Kernel.ts"
import * as Credentials from "./calls/credentials.ts"
import * as Descriptors from "./calls/descriptors.ts"
import * as Directories from "./calls/directories.ts"
import * as Exec from "./calls/exec.ts"
import * as Filters from "./calls/filters.ts"
import * as InetSockets from "./calls/inetSockets.ts"
import * as Keyrings from "./calls/keyrings.ts"
import * as Make from "./calls/make.ts"
import * as MemoryFiles from "./calls/memoryFiles.ts"
import * as Mount from "./calls/mount.ts"
import * as Names from "./calls/names.ts"
import * as Namespaces from "./calls/namespaces.ts"
import * as Network from "./calls/network.ts"
import * as NewMounts from "./calls/newMounts.ts"
import * as Open from "./calls/open.ts"
import * as PivotRoot from "./calls/pivotRoot.ts"
import * as Processes from "./calls/processes.ts"
import * as ReadWrite from "./calls/readWrite.ts"
import * as Scheduling from "./calls/scheduling.ts"
import * as Signals from "./calls/signals.ts"
import * as Sockets from "./calls/sockets.ts"
import * as Stat from "./calls/stat.ts"
import * as Terminals from "./calls/terminals.ts"
import * as Umount from "./calls/umount.ts"
import * as Xattrs from "./calls/xattrs.ts"
import { isFrozen } from "./cgroupFreezer.ts"
import { machineOf } from "./computedFileSystems.ts"
import { kill } from "./ending.ts"
import { namespaceOf } from "./ids.ts"
import { Blocked, Gone, KilledBySignal, LateRefusal, type Machine, Refusal } from "./Machine.ts"
import { collect } from "./Namespaces.ts"
import { outsideModes, setOutsideModes } from "./outsideTerminals.ts"
import { dropUnused } from "./Propagation.ts"
import { passFilters } from "./seccompFilter.ts"
import type { State } from "./State.ts"

type Rules = {
  readonly [N in CallName]: (m: Machine, args: Arguments<N>) => Made<N>
}

/** One rule for each call of the table; a call without one does not compile. */
const rules = forAll<Rules>()(
  "rule in src/model/transitions.ts",
  {
    clone: (m, args) => m.processes.need(Processes.clone(m, args)).numbers.get(m.self.ns.pid)!,
    reclone: (m, args) => void (m.pid = Processes.reclone(m, args)),
    execve: Exec.execve,
    execveat: Exec.execveat,
    exit_group: Processes.exitGroup,
    wait4: Processes.wait4,
    waitid: Processes.waitid,
    getpid: Processes.getpid,
    getppid: Processes.getppid,
    getsid: Processes.getsid,
    setsid: Processes.setsid,
    kill: Signals.killCall,
    pidfd_open: Processes.pidfdOpen,
    pidfd_getfd: Processes.pidfdGetfd,
    pidfd_send_signal: Processes.pidfdSendSignal,
    prctl: Credentials.prctl,
    rt_sigaction: Signals.setDisposition,
    rt_sigprocmask: Signals.setMask,
    nanosleep: Processes.nanosleep,
    getrandom: ReadWrite.getrandom,

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

    prlimit64: Scheduling.prlimit,
    sched_getaffinity: Scheduling.getAffinity,
    sched_setaffinity: Scheduling.setAffinity,
    sched_setattr: Scheduling.setScheduler,
    ioprio_set: Scheduling.setIoPriority,
    personality: Scheduling.personality,
    set_mempolicy: Scheduling.setMemoryPolicy,

    openat: Open.openat,
    openat2: Open.openat2,
    close: Descriptors.close,
    close_range: Descriptors.closeRange,
    dup: Descriptors.dup,
    dup3: Descriptors.dup3,
    fcntl: Descriptors.fcntl,
    read: ReadWrite.read,
    write: ReadWrite.write,
    statx: Stat.statx,
    fstatfs: Stat.fstatfs,
    readlinkat: Stat.readlinkat,
    getdents64: ReadWrite.getdents64,
    faccessat2: Stat.faccessat2,
    mkdirat: Make.mkdirat,
    mknodat: Make.mknodat,
    symlinkat: Make.symlinkat,
    unlinkat: Names.unlinkat,
    renameat2: Names.renameat2,
    fchmod: Make.fchmod,
    fchmodat: Make.fchmodat,
    fchownat: Make.fchownat,
    fsync: ReadWrite.fsync,
    ftruncate: ReadWrite.ftruncate,
    flock: Descriptors.flock,
    setxattr: Xattrs.setxattr,
    memfd_create: MemoryFiles.memfdCreate,
    umask: Make.umask,
    chdir: Directories.chdir,
    fchdir: Directories.fchdir,
    getcwd: Directories.getcwd,
    chroot: Directories.chroot,

    mount: Mount.mount,
    umount2: Umount.umount2,
    pivot_root: PivotRoot.pivotRoot,
    open_tree: NewMounts.openTree,
    move_mount: NewMounts.moveMount,
    fsopen: NewMounts.fsopen,
    fsconfig: NewMounts.fsconfig,
    fsmount: NewMounts.fsmount,
    mount_setattr: NewMounts.mountSetattr,

    pipe2: Sockets.pipe2,
    socket: Sockets.socket,
    socketpair: Sockets.socketpair,
    connect: Sockets.connect,
    bind: InetSockets.bind,
    listen: InetSockets.listen,
    shutdown: Sockets.shutdown,
    setsockopt: Sockets.setsockopt,
    sendmsg: Sockets.sendmsg,
    recvmsg: Sockets.recvmsg,
    poll: Sockets.poll,
    ioctl: Terminals.ioctl,
    ioctl_gptn: (m, { fd }) => Terminals.ptyNumber(m, fd),
    ioctl_sptlck: (m, { fd, locked }) => Terminals.lockPty(m, fd, locked !== 0),
    ioctl_gwinsz: (m, { fd }) => Terminals.windowSize(m, fd),
    ioctl_swinsz: (m, { columns, fd, rows }) => Terminals.setWindowSize(m, fd, rows, columns),
    ioctl_tcgets: (m, { fd }) => outsideModes(m, fd) ?? Terminals.terminalModes(m, fd),
    ioctl_tcsetsw: (m, { fd, modes }) =>
      (outsideModes(m, fd) === undefined ? Terminals.setTerminalModes : setOutsideModes)(m, fd, modes),

    rtnetlink: Network.rtnetlink,

    seccomp: Filters.seccomp,
    bpf_prog_load: Filters.loadProgram,
    bpf_prog_attach: Filters.attachProgram
  } satisfies Partial<Rules>,
  true
)

/** The outcome of a call. */
type Outcome =
  /** `pid` is the caller's number after the call: `reclone` changes it. */
  | { readonly _tag: "Returned"; readonly state: State; readonly pid: number; readonly result: unknown }
  | { readonly _tag: "Refused"; readonly state: State; readonly code: Errno; readonly detail: string | undefined }
  /** The caller must wait; the state is unchanged. */
  | { readonly _tag: "Blocked"; readonly why: string; readonly timeout: bigint | undefined }
  /** The caller does not continue: it has ended, or runs another program. */
  | { readonly _tag: "Gone"; readonly state: State }

const releases = (call: Call, what: "mounts" | "namespaces"): boolean =>
  rowOf(call._tag).releases?.includes(what) === true

/** Whether a namespace may have lost its last user. Most closed descriptors hold no namespace. */
const mayRelease = (before: State, pid: number, call: Call): boolean => {
  if (call._tag !== "close") return releases(call, "namespaces")
  const entry = before.processes.get(pid)?.descriptors.get(call.fd)
  const kind = entry === undefined ? undefined : before.files.get(entry.file)?.kind
  return kind?._tag !== "Node" || kind.tree === true || namespaceOf(kind.location.node) !== undefined
}

/** Applies a change that is not a call: a program's end, or a signal from a test. */
export const apply = (state: State, pid: number, change: (m: Machine) => void): State => {
  const m = machineOf(state, pid, { _tag: "getpid" })
  change(m)
  return m.seal()
}

/**
 * Makes one call of one process. It is pure, except that files of the real machine are read if the state began with that
 * machine.
 *
 * Throws `UnmodelledError` for what the model does not know.
 */
export const transition = (state: State, pid: number, call: Call, timedOut = false): Outcome => {
  const m = machineOf(state, pid, call, timedOut)
  // stopped and frozen processes do nothing (signal(7), cgroups(7))
  if (m.self.stopped) return { _tag: "Blocked", why: "SIGCONT", timeout: undefined }
  if (isFrozen(m, m.self)) return { _tag: "Blocked", why: "the cgroup to thaw", timeout: undefined }
  try {
    const answered = passFilters(m, call)
    if (answered !== undefined) return { _tag: "Returned", state: m.seal(), pid, result: answered.result }
    const result = (rules[call._tag] as (m: Machine, args: unknown) => unknown)(m, call)
    if (releases(call, "mounts")) dropUnused(m)
    if (mayRelease(state, pid, call)) collect(m)
    return m.processes.get(m.pid)?.status === "running"
      ? { _tag: "Returned", state: m.seal(), pid: m.pid, result }
      : { _tag: "Gone", state: m.seal() }
  } catch (error) {
    if (error instanceof Refusal) return { _tag: "Refused", state, code: error.code, detail: error.detail }
    if (error instanceof LateRefusal) return { _tag: "Refused", state: m.seal(), code: error.code, detail: undefined }
    if (error instanceof Blocked) return { _tag: "Blocked", why: error.why, timeout: error.timeout }
    if (error instanceof Gone) return { _tag: "Gone", state: m.seal() }
    if (error instanceof KilledBySignal) {
      kill(m, pid, error.signal)
      return { _tag: "Gone", state: m.seal() }
    }
    throw error
  }
}
