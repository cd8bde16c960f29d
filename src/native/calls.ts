/**
 * Every operation that runfx asks of the kernel, as one table: name, man page, arguments, result.
 *
 * The types `Call` and `Result`, the printing of a call, the live layer, the model kernel and the JSON form of a plan
 * all follow from this table. A name is the name of the system call; where one entry stands for a short fixed exchange
 * (a netlink request and its answer), its comment says so.
 *
 * Conventions: descriptors, pids, uids and flags are numbers; sizes, limits and capability sets are bigints; bytes are
 * `Uint8Array`; a mode carries its type bits only where the call wants them.
 */
import * as Arg from "./Argument.ts"
import type { Argument } from "./Argument.ts"
import * as c from "./constants.ts"
import type * as Rtnetlink from "./Rtnetlink.ts"

/** One entry of the table. */
export interface Definition<Arguments extends Record<string, Argument<unknown>>, R> {
  /** Carries the type of the result only; never present at run time. */
  readonly "~result"?: R
  /** The man page: `"unshare(2)"`. */
  readonly man: string
  /** The arguments, in the order of the C prototype. */
  readonly arguments: Arguments
}

const call =
  <const Arguments extends Record<string, Argument<unknown>>>(man: string, args: Arguments) =>
  <R = void>(): Definition<Arguments, R> => ({ man, arguments: args })

/** What statx(2) tells of a file. */
export interface Stat {
  /** Type bits and permissions, as `st_mode`. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly ino: bigint
  /** In bytes. */
  readonly size: bigint
  /** The device that holds the file. */
  readonly dev: { readonly major: number; readonly minor: number }
  /** The device that the file is, for device nodes. */
  readonly rdev: { readonly major: number; readonly minor: number }
  /** The mount that holds the file (mountinfo's first field). */
  readonly mountId: bigint
  /** Whether the file is the root of a mount (`STATX_ATTR_MOUNT_ROOT`). */
  readonly mountRoot: boolean
}

/** What statfs(2) tells of a file system. */
export interface FileSystemStat {
  /** The magic number of the file system's type. */
  readonly type: number
  /** `ST_*` flags of the mount. */
  readonly flags: number
}

/** One entry of a directory. `type` is the letter that find(1) uses: f, d, l, c, b, p, s, or `?`. */
export interface DirectoryEntry {
  readonly name: string
  readonly ino: bigint
  readonly type: "f" | "d" | "l" | "c" | "b" | "p" | "s" | "?"
}

/** A state change of a child, as waitid(2) reports it. */
export interface ChildStatus {
  readonly pid: number
  readonly uid: number
  /** `CLD_*`. */
  readonly code: number
  /** The exit status, or the signal's number. */
  readonly status: number
}

/** A message of a unix socket, with what came beside it. */
export interface Message {
  /** Empty at end of file. */
  readonly data: Uint8Array
  /** Descriptors that came by `SCM_RIGHTS`, close-on-exec. */
  readonly fds: ReadonlyArray<number>
  /** The sender, translated into the receiver's namespaces; only with `SO_PASSCRED`. */
  readonly credentials: { readonly pid: number; readonly uid: number; readonly gid: number } | null
}

/** The three thread capability sets that capget(2) knows, as bit sets. */
export interface CapabilitySets {
  readonly effective: bigint
  readonly permitted: bigint
  readonly inheritable: bigint
}

/** A soft and a hard limit; `2n ** 64n - 1n` is `RLIM_INFINITY`. */
export interface Limit {
  readonly soft: bigint
  readonly hard: bigint
}

/** Real, effective and saved id. */
export interface Ids {
  readonly real: number
  readonly effective: number
  readonly saved: number
}

/** `struct termios`: the modes of a terminal. @see termios(3) */
export interface TerminalModes {
  /** `IFLAG`. */
  readonly input: number
  /** `OFLAG`. */
  readonly output: number
  /** `CFLAG`. */
  readonly control: number
  /** `LFLAG`. */
  readonly local: number
  /** The line discipline. */
  readonly line: number
  /** The special characters, by the indices of `CC`. */
  readonly characters: Uint8Array
}

/** `struct sched_attr`; times in nanoseconds. */
export interface SchedulerAttributes {
  readonly policy: number
  readonly flags: bigint
  readonly nice: number
  readonly priority: number
  readonly runtime: bigint
  readonly deadline: bigint
  readonly period: bigint
}

const path = Arg.text
const fd = Arg.fd
const int = Arg.int
const renderLimit = (limit: Limit | null): string =>
  limit === null ? "NULL" : `{soft=${renderRlim(limit.soft)}, hard=${renderRlim(limit.hard)}}`
const renderRlim = (value: bigint): string => value === 2n ** 64n - 1n ? "RLIM_INFINITY" : String(value)

/** The table. */
export const calls = {
  // ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Raw clone(2) with SIGCHLD as exit signal: the child's pid in the parent, 0 in the child. */
  clone: call("clone(2)", { flags: Arg.flags(c.CLONE) })<number>(),
  /**
   * clone(2) with `CLONE_PARENT`, after which the caller exits with status 0 and only the child goes on: how a process
   * enters the pid (or time) namespace that it joined or made, which takes effect for children only.
   */
  reclone: call("clone(2)", { flags: Arg.flags(c.CLONE) })(),
  execve: call("execve(2)", { path, argv: Arg.texts, envp: Arg.environment })<never>(),
  execveat: call("execveat(2)", { dirfd: fd, path, argv: Arg.texts, envp: Arg.environment, flags: Arg.flags(c.AT) })<
    never
  >(),
  exit_group: call("exit_group(2)", { status: int })<never>(),
  /** `null` where `WNOHANG` was given and no child had changed. */
  waitid: call("waitid(2)", { idtype: Arg.one(c.P), id: int, options: Arg.flags(c.W) })<ChildStatus | null>(),
  getpid: call("getpid(2)", {})<number>(),
  getppid: call("getppid(2)", {})<number>(),
  setsid: call("setsid(2)", {})<number>(),
  kill: call("kill(2)", { pid: int, signal: Arg.one(c.SIG) })(),
  pidfd_open: call("pidfd_open(2)", { pid: int, flags: int })<number>(),
  pidfd_getfd: call("pidfd_getfd(2)", { pidfd: fd, targetfd: fd, flags: int })<number>(),
  pidfd_send_signal: call("pidfd_send_signal(2)", { pidfd: fd, signal: Arg.one(c.SIG) })(),
  /** Options that take integers; `PR_GET_*` that answer through a pointer give their answer as the result. */
  prctl: call("prctl(2)", { option: Arg.one(c.PR), arg2: int, arg3: int, arg4: int, arg5: int })<number>(),
  /** Sets a signal's disposition; handlers of our own are never set. */
  rt_sigaction: call("sigaction(2)", {
    signal: Arg.one(c.SIG),
    disposition: Arg.data<"SIG_DFL" | "SIG_IGN">((value) => value)
  })(),
  /** The set that was blocked before. */
  rt_sigprocmask: call("sigprocmask(2)", { how: Arg.one(c.SIG_HOW), signals: Arg.ints })<ReadonlyArray<number>>(),
  nanosleep: call("nanosleep(2)", { nanoseconds: Arg.bigint })(),
  getrandom: call("getrandom(2)", { count: int })<Uint8Array>(),

  // ── namespaces ───────────────────────────────────────────────────────────────────────────────────────────────────
  unshare: call("unshare(2)", { flags: Arg.flags(c.CLONE) })(),
  setns: call("setns(2)", { fd, nstype: Arg.flags(c.CLONE) })(),
  sethostname: call("sethostname(2)", { name: Arg.text })(),
  setdomainname: call("setdomainname(2)", { name: Arg.text })(),
  uname: call("uname(2)", {})<
    { readonly nodename: string; readonly release: string; readonly machine: string; readonly domainname: string }
  >(),

  // ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────
  getresuid: call("getresuid(2)", {})<Ids>(),
  getresgid: call("getresgid(2)", {})<Ids>(),
  getgroups: call("getgroups(2)", {})<ReadonlyArray<number>>(),
  setresuid: call("setresuid(2)", { ruid: int, euid: int, suid: int })(),
  setresgid: call("setresgid(2)", { rgid: int, egid: int, sgid: int })(),
  setgroups: call("setgroups(2)", { groups: Arg.ints })(),
  /** `pid` 0 is the caller. */
  capget: call("capget(2)", { pid: int })<CapabilitySets>(),
  capset: call("capset(2)", { effective: Arg.bits, permitted: Arg.bits, inheritable: Arg.bits })(),
  keyctl: call("keyctl(2)", {
    operation: Arg.one(c.KEYCTL),
    arg2: Arg.data<number | string | null>((value) => JSON.stringify(value)),
    arg3: int
  })<number>(),

  // ── limits and scheduling ────────────────────────────────────────────────────────────────────────────────────────
  /** Sets a limit where one is given; gives the limit that held before. `pid` 0 is the caller. */
  prlimit64: call("prlimit(2)", { pid: int, resource: Arg.one(c.RLIMIT), limit: Arg.data(renderLimit) })<Limit>(),
  sched_getaffinity: call("sched_getaffinity(2)", { pid: int })<ReadonlyArray<number>>(),
  sched_setaffinity: call("sched_setaffinity(2)", { pid: int, cpus: Arg.ints })(),
  sched_setattr: call("sched_setattr(2)", {
    pid: int,
    attributes: Arg.data<SchedulerAttributes>((value) =>
      `{${Object.entries(value).map(([key, field]) => `${key}=${field}`).join(", ")}}`
    )
  })(),
  ioprio_set: call("ioprio_set(2)", { which: Arg.one(c.IOPRIO_WHO), who: int, ioprio: int })(),
  /** The persona that held before. `0xffffffff` only asks. */
  personality: call("personality(2)", { persona: int })<number>(),
  set_mempolicy: call("set_mempolicy(2)", { mode: int, nodes: Arg.ints })(),

  // ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────
  openat: call("openat(2)", { dirfd: fd, path, flags: Arg.openFlags, mode: Arg.mode })<number>(),
  openat2: call("openat2(2)", {
    dirfd: fd,
    path,
    flags: Arg.openFlags,
    mode: Arg.mode,
    resolve: Arg.flags(c.RESOLVE)
  })<number>(),
  close: call("close(2)", { fd })(),
  close_range: call("close_range(2)", { first: int, last: int, flags: Arg.flags(c.CLOSE_RANGE) })(),
  dup: call("dup(2)", { fd })<number>(),
  dup3: call("dup(2)", { oldfd: fd, newfd: fd, flags: Arg.openFlags })<number>(),
  fcntl: call("fcntl(2)", { fd, command: Arg.one(c.F), argument: int })<number>(),
  /** At most `count` bytes; empty at end of file. */
  read: call("read(2)", { fd, count: int })<Uint8Array>(),
  /** The number of bytes that were written. */
  write: call("write(2)", { fd, data: Arg.bytes })<number>(),
  statx: call("statx(2)", { dirfd: fd, path, flags: Arg.flags(c.AT), mask: Arg.flags(c.STATX) })<Stat>(),
  fstatfs: call("statfs(2)", { fd })<FileSystemStat>(),
  readlinkat: call("readlink(2)", { dirfd: fd, path })<string>(),
  /** The next entries of an open directory, without `.` and `..`; empty at the end. */
  getdents64: call("getdents(2)", { fd })<ReadonlyArray<DirectoryEntry>>(),
  faccessat2: call("access(2)", { dirfd: fd, path, mode: int, flags: Arg.flags(c.AT_FACCESSAT) })(),
  mkdirat: call("mkdir(2)", { dirfd: fd, path, mode: Arg.mode })(),
  /** `mode` carries the type: `S_IFCHR | 0666`. */
  mknodat: call("mknod(2)", { dirfd: fd, path, mode: Arg.mode, major: int, minor: int })(),
  symlinkat: call("symlink(2)", { target: path, dirfd: fd, path })(),
  unlinkat: call("unlink(2)", { dirfd: fd, path, flags: Arg.flags(c.AT) })(),
  renameat2: call("rename(2)", { olddirfd: fd, oldpath: path, newdirfd: fd, newpath: path, flags: int })(),
  fchmod: call("chmod(2)", { fd, mode: Arg.mode })(),
  fchmodat: call("chmod(2)", { dirfd: fd, path, mode: Arg.mode })(),
  fchownat: call("chown(2)", { dirfd: fd, path, uid: int, gid: int, flags: Arg.flags(c.AT) })(),
  fsync: call("fsync(2)", { fd })(),
  ftruncate: call("truncate(2)", { fd, length: Arg.bigint })(),
  flock: call("flock(2)", { fd, operation: Arg.flags(c.LOCK) })(),
  setxattr: call("setxattr(2)", { path, name: Arg.text, value: Arg.bytes })(),
  memfd_create: call("memfd_create(2)", { name: Arg.text, flags: Arg.flags(c.MFD) })<number>(),
  /** The mask that held before. */
  umask: call("umask(2)", { mask: Arg.mode })<number>(),
  chdir: call("chdir(2)", { path })(),
  fchdir: call("chdir(2)", { fd })(),
  /** Starts with `(unreachable)` where the directory is outside the root. */
  getcwd: call("getcwd(2)", {})<string>(),
  chroot: call("chroot(2)", { path })(),

  // ── mounts ───────────────────────────────────────────────────────────────────────────────────────────────────────
  mount: call("mount(2)", {
    source: Arg.textOrNull,
    target: path,
    type: Arg.textOrNull,
    flags: Arg.flags(c.MS),
    data: Arg.textOrNull
  })(),
  umount2: call("umount(2)", { target: path, flags: Arg.flags(c.MNT, c.UMOUNT) })(),
  pivot_root: call("pivot_root(2)", { newRoot: path, putOld: path })(),
  open_tree: call("open_tree(2)", { dirfd: fd, path, flags: Arg.flags(c.OPEN_TREE, c.AT) })<number>(),
  move_mount: call("move_mount(2)", {
    fromDirfd: fd,
    fromPath: path,
    toDirfd: fd,
    toPath: path,
    flags: Arg.flags(c.MOVE_MOUNT)
  })(),
  fsopen: call("fsopen(2)", { type: Arg.text, flags: Arg.flags(c.FSOPEN) })<number>(),
  fsconfig: call("fsconfig(2)", {
    fd,
    command: Arg.one(c.FSCONFIG),
    key: Arg.textOrNull,
    value: Arg.textOrNull,
    aux: int
  })(),
  fsmount: call("fsmount(2)", { fd, flags: Arg.flags(c.FSMOUNT), attributes: Arg.flags(c.MOUNT_ATTR) })<number>(),
  /** `usernsFd` is -1 unless `MOUNT_ATTR_IDMAP` is set. */
  mount_setattr: call("mount_setattr(2)", {
    dirfd: fd,
    path,
    flags: Arg.flags(c.AT),
    set: Arg.flags(c.MOUNT_ATTR),
    clear: Arg.flags(c.MOUNT_ATTR),
    propagation: Arg.flags(c.MS),
    usernsFd: fd
  })(),

  // ── pipes, sockets, terminals ────────────────────────────────────────────────────────────────────────────────────
  /** Read end, write end. */
  pipe2: call("pipe(2)", { flags: Arg.openFlags })<readonly [number, number]>(),
  socket: call("socket(2)", { domain: Arg.one(c.AF), type: Arg.flags(c.SOCK), protocol: int })<number>(),
  /** A pair of unix sockets. */
  socketpair: call("socketpair(2)", { type: Arg.flags(c.SOCK) })<readonly [number, number]>(),
  /** Connects a unix socket by path. */
  connect: call("connect(2)", { fd, path })(),
  shutdown: call("shutdown(2)", { fd, how: Arg.one(c.SHUT) })(),
  /** Sets a `SOL_SOCKET` option to an integer; `SO_RCVTIMEO` and `SO_SNDTIMEO` in milliseconds. */
  setsockopt: call("setsockopt(2)", { fd, option: Arg.one(c.SO), value: int })(),
  sendmsg: call("sendmsg(2)", { fd, data: Arg.bytes, fds: Arg.ints, flags: Arg.flags(c.MSG) })<number>(),
  /**
   * The next message, whole: one that is longer than `size` (without `MSG_TRUNC`) fails with `EMSGSIZE`, one whose
   * descriptors found no room in this process with `EMFILE`; what came of it is closed.
   */
  recvmsg: call("recvmsg(2)", { fd, size: int, flags: Arg.flags(c.MSG) })<Message>(),
  /** The events of each descriptor, in order; `timeout` in milliseconds, -1 for none. */
  poll: call("poll(2)", {
    fds: Arg.ints,
    events: Arg.flags(c.POLL),
    timeout: int
  })<ReadonlyArray<number>>(),
  /** An ioctl that takes an integer; its return value. */
  ioctl: call("ioctl(2)", { fd, request: Arg.one(c.TIOC), argument: int })<number>(),
  /** `TIOCGPTN`: the number of the terminal of a pty master. */
  ioctl_gptn: call("ioctl_tty(2)", { fd })<number>(),
  /** `TIOCSPTLCK`: locks (1) or unlocks (0) the terminal of a pty master. */
  ioctl_sptlck: call("ioctl_tty(2)", { fd, locked: int })(),
  /** `TIOCGWINSZ`. */
  ioctl_gwinsz: call("ioctl_tty(2)", { fd })<{ readonly rows: number; readonly columns: number }>(),
  /** `TIOCSWINSZ`. */
  ioctl_swinsz: call("ioctl_tty(2)", { fd, rows: int, columns: int })(),
  /** `TCGETS`. */
  ioctl_tcgets: call("ioctl_tty(2)", { fd })<TerminalModes>(),
  /** `TCSETSW`: once all output has been sent. */
  ioctl_tcsetsw: call("ioctl_tty(2)", {
    fd,
    modes: Arg.data<TerminalModes>(({ control, input, local, output }) =>
      `{iflag=0${input.toString(8)}, oflag=0${output.toString(8)}, cflag=0${control.toString(8)}, lflag=0${
        local.toString(8)
      }, …}`
    )
  })(),

  // ── network ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** One rtnetlink request on a socket of its own, and the answers up to the acknowledgement. */
  rtnetlink: call("rtnetlink(7)", {
    request: Arg.data<Rtnetlink.Request>(({ _tag, ...rest }) =>
      `${_tag}${JSON.stringify(rest, (_, value: unknown) => value instanceof Uint8Array ? [...value] : value)}`
    )
  })<ReadonlyArray<Rtnetlink.Answer>>(),

  // ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Loads a filter of classic BPF instructions (8 bytes each); the notification descriptor, or 0. */
  seccomp: call("seccomp(2)", {
    operation: Arg.one(c.SECCOMP),
    flags: Arg.flags(c.SECCOMP_FILTER_FLAG),
    program: Arg.bytes
  })<number>(),
  /** Loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program of eBPF instructions (8 bytes each). */
  bpf_prog_load: call("bpf(2)", { instructions: Arg.bytes, license: Arg.text })<number>(),
  /** Attaches a program to a cgroup as `BPF_CGROUP_DEVICE`. */
  bpf_prog_attach: call("bpf(2)", { targetFd: fd, programFd: fd, flags: int })()
} as const
