/**
 * Every operation that runfx asks of the kernel, as one table: name, man page, arguments, result, traits.
 *
 * The types `Call` and `Result`, the printing of a call, the live layer, the model kernel and the JSON form of a plan
 * all follow from this table. A name is the name of the system call; if one row stands for a short fixed exchange
 * (a netlink request and its answer), its comment says so.
 *
 * Conventions: descriptors, pids, uids and flags are numbers; descriptors, pids, uids and gids that a call returns have a brand
 * (`Handle.ts`). Sizes, limits and capability sets are bigints; bytes are `Uint8Array`; a mode carries its type bits only if
 * the call wants them.
 *
 * To add a call: a row here, a handler in `linux/` and a rule in `src/model/`. The compiler asks for each that is missing,
 * here of fdatasync(2):
 *
 * ```text
 * no row      'fdatasync' does not exist in type 'Partial<Handlers>'.
 *             'fdatasync' does not exist in type 'Partial<Rules>'.
 * no handler  Argument of type 'true' is not assignable to parameter of type
 *             '"fdatasync is in the table of calls, and has no handler in src/native/linux"'.
 * no rule     Argument of type 'true' is not assignable to parameter of type
 *             '"fdatasync is in the table of calls, and has no rule in src/model/transitions.ts"'.
 * no number   Property 'fdatasync' does not exist on type 'Numbers'.  (linux/syscallNumbers.ts)
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
import * as Arg from "./Argument.ts"
import { bpf, cloning, deviceNumber, exchange, ioctl } from "./composed.ts"
import * as c from "./constants.ts"
import {
  asListed,
  changes,
  data,
  looks,
  never,
  nothing,
  number,
  type Returns,
  type Row,
  varying
} from "./definition.ts"
import type { AnyGid, AnyUid, Fd, Pid, Pidfd } from "./Handle.ts"
import type * as Result from "./results.ts"
import type * as Rtnetlink from "./Rtnetlink.ts"

const { fd, int, text: path } = Arg

// at run time these are plain numbers
const descriptor = number as Returns<Fd>
const processDescriptor = number as Returns<Pidfd>
const processId = number as Returns<Pid>

/** The table. */
export const calls = {
  // -- processes ----------------------------------------------------------------------------------------------------
  /** Raw clone(2) with SIGCHLD as exit signal: the child's pid in the parent, 0 in the child. */
  clone: changes("clone(2)", { flags: Arg.flags(c.CLONE) }, data<Pid>(), { syscalls: cloning }),
  /**
   * clone(2) with `CLONE_PARENT`, after which the caller exits with status 0 and only the child continues: how a process
   * enters the pid (or time) namespace that it joined or made, which takes effect for children only.
   */
  reclone: changes("clone(2)", { flags: Arg.flags(c.CLONE) }, data<void>(), { syscalls: cloning }),
  execve: changes("execve(2)", { path, argv: Arg.texts, envp: Arg.environment }, never, {
    releases: ["mounts"],
    syscalls: asListed
  }),
  execveat: changes(
    "execveat(2)",
    { dirfd: fd, path, argv: Arg.texts, envp: Arg.environment, flags: Arg.flags(c.AT) },
    never,
    { since: "3.19", releases: ["mounts"], syscalls: asListed }
  ),
  exit_group: changes("exit_group(2)", { status: int }, never, { syscalls: asListed }),
  /** `null` with `WNOHANG` if no child has changed state. */
  waitid: changes(
    "waitid(2)",
    { idtype: Arg.one(c.P), id: int, options: Arg.flags(c.W) },
    data<Result.ChildStatus | null>(),
    { waits: "only", releases: ["namespaces"] }
  ),
  /** Reaps a child by its pid and reports what it has used. Never waits: `null` if the child has not ended. */
  wait4: changes("wait4(2)", { pid: Arg.pid }, varying(data<Result.ReapedChild | null>()), {
    releases: ["namespaces"]
  }),
  getpid: looks("getpid(2)", {}, processId, { syscalls: asListed }),
  getppid: looks("getppid(2)", {}, processId, { syscalls: asListed }),
  /** `pid` 0 is the caller. */
  getsid: looks("getsid(2)", { pid: Arg.pid }, processId, { syscalls: asListed }),
  setsid: changes("setsid(2)", {}, processId, { syscalls: asListed }),
  kill: changes("kill(2)", { pid: Arg.pid, signal: Arg.one(c.SIG) }, nothing, { syscalls: asListed }),
  pidfd_open: looks("pidfd_open(2)", { pid: Arg.pid, flags: int }, processDescriptor, {
    since: "5.3",
    isForEverybody: true,
    syscalls: asListed
  }),
  pidfd_getfd: changes("pidfd_getfd(2)", { pidfd: Arg.pidfd, targetfd: fd, flags: int }, descriptor, { since: "5.6" }),
  pidfd_send_signal: changes("pidfd_send_signal(2)", { pidfd: Arg.pidfd, signal: Arg.one(c.SIG) }, nothing, {
    since: "5.1"
  }),
  /** Options that take integers. `PR_GET_*` options that answer through a pointer return the answer as the result. */
  prctl: changes("prctl(2)", { option: Arg.one(c.PR), arg2: int, arg3: int, arg4: int, arg5: int }, number, {
    syscalls: asListed
  }),
  /** Sets a signal to be ignored, or to its default action; handlers are never set. */
  rt_sigaction: changes("sigaction(2)", {
    signal: Arg.one(c.SIG),
    disposition: Arg.data<"SIG_DFL" | "SIG_IGN">((value) => value)
  }, nothing),
  /** Returns the set that was blocked before. */
  rt_sigprocmask: changes(
    "sigprocmask(2)",
    { how: Arg.one(c.SIG_HOW), signals: Arg.ints },
    data<ReadonlyArray<number>>()
  ),
  nanosleep: changes("nanosleep(2)", { nanoseconds: Arg.bigint }, nothing, { waits: "only" }),
  getrandom: looks("getrandom(2)", { count: int }, varying(data<Uint8Array>()), {
    since: "3.17",
    isForEverybody: true
  }),

  // -- namespaces ---------------------------------------------------------------------------------------------------
  unshare: changes("unshare(2)", { flags: Arg.flags(c.CLONE) }, nothing, {
    releases: ["mounts", "namespaces"],
    syscalls: asListed
  }),
  setns: changes("setns(2)", { fd, nstype: Arg.flags(c.CLONE) }, nothing, {
    releases: ["mounts", "namespaces"],
    syscalls: asListed
  }),
  sethostname: changes("sethostname(2)", { name: Arg.text }, nothing),
  setdomainname: changes("setdomainname(2)", { name: Arg.text }, nothing),
  uname: looks(
    "uname(2)",
    {},
    data<
      { readonly nodename: string; readonly release: string; readonly machine: string; readonly domainname: string }
    >()
  ),

  // -- credentials --------------------------------------------------------------------------------------------------
  getresuid: looks("getresuid(2)", {}, data<Result.Ids<AnyUid>>()),
  getresgid: looks("getresgid(2)", {}, data<Result.Ids<AnyGid>>()),
  getgroups: looks("getgroups(2)", {}, data<ReadonlyArray<number>>()),
  setresuid: changes("setresuid(2)", { ruid: Arg.uid, euid: Arg.uid, suid: Arg.uid }, nothing, { syscalls: asListed }),
  setresgid: changes("setresgid(2)", { rgid: Arg.gid, egid: Arg.gid, sgid: Arg.gid }, nothing, { syscalls: asListed }),
  setgroups: changes("setgroups(2)", { groups: Arg.gids }, nothing),
  /** `pid` 0 is the caller. */
  capget: looks("capget(2)", { pid: Arg.pid }, data<Result.CapabilitySets>()),
  capset: changes("capset(2)", { effective: Arg.bits, permitted: Arg.bits, inheritable: Arg.bits }, nothing),
  keyctl: changes("keyctl(2)", {
    operation: Arg.one(c.KEYCTL),
    arg2: Arg.data<number | string | null>((value) => JSON.stringify(value)),
    arg3: int
  }, varying(number)),

  // -- limits and scheduling ----------------------------------------------------------------------------------------
  /** Sets a limit if one is given; returns the limit before the call. `pid` 0 is the caller. */
  prlimit64: changes(
    "prlimit(2)",
    { pid: Arg.pid, resource: Arg.one(c.RLIMIT), limit: Arg.limit },
    data<Result.Limit>()
  ),
  sched_getaffinity: looks("sched_getaffinity(2)", { pid: Arg.pid }, data<ReadonlyArray<number>>()),
  sched_setaffinity: changes("sched_setaffinity(2)", { pid: Arg.pid, cpus: Arg.ranges }, nothing),
  sched_setattr: changes(
    "sched_setattr(2)",
    { pid: Arg.pid, attributes: Arg.scheduling },
    nothing,
    { since: "3.14" }
  ),
  ioprio_set: changes("ioprio_set(2)", { which: Arg.one(c.IOPRIO_WHO), who: int, ioprio: int }, nothing, {
    syscalls: asListed
  }),
  /** Returns the persona before the call. `0xffffffff` changes nothing. */
  personality: changes("personality(2)", { persona: int }, number, { syscalls: asListed }),
  set_mempolicy: changes("set_mempolicy(2)", { mode: int, nodes: Arg.ints }, nothing),

  // -- files --------------------------------------------------------------------------------------------------------
  openat: looks("openat(2)", { dirfd: fd, path, flags: Arg.openFlags, mode: Arg.mode }, descriptor, {
    waits: "seldom",
    syscalls: asListed
  }),
  openat2: looks(
    "openat2(2)",
    {
      dirfd: fd,
      path,
      flags: Arg.openFlags,
      mode: Arg.mode,
      resolve: Arg.flags(c.RESOLVE)
    },
    descriptor,
    { since: "5.6", waits: "seldom" }
  ),
  close: looks("close(2)", { fd }, nothing, { releases: ["mounts", "namespaces"], syscalls: asListed }),
  close_range: changes("close_range(2)", { first: int, last: int, flags: Arg.flags(c.CLOSE_RANGE) }, nothing, {
    since: "5.9",
    isForEverybody: true,
    releases: ["mounts", "namespaces"],
    syscalls: asListed
  }),
  dup: looks("dup(2)", { fd }, descriptor, { syscalls: asListed }),
  dup3: changes("dup(2)", { oldfd: fd, newfd: fd, flags: Arg.openFlags }, descriptor, {
    releases: ["mounts"],
    syscalls: asListed
  }),
  fcntl: changes("fcntl(2)", { fd, command: Arg.one(c.F), argument: int }, number, { syscalls: asListed }),
  /** Returns at most `count` bytes; empty at end of file. */
  read: looks("read(2)", { fd, count: int }, varying(data<Uint8Array>()), { waits: "often" }),
  /** Returns the number of bytes that were written. */
  write: changes("write(2)", { fd, data: Arg.bytes }, number, { waits: "seldom" }),
  statx: looks(
    "statx(2)",
    { dirfd: fd, path, flags: Arg.flags(c.AT), mask: Arg.flags(c.STATX) },
    varying(data<Result.Stat>()),
    { since: "4.11", isForEverybody: true }
  ),
  fstatfs: looks("statfs(2)", { fd }, data<Result.FileSystemStat>()),
  readlinkat: looks("readlink(2)", { dirfd: fd, path }, varying(data<string>())),
  /** Returns the next entries of an open directory, without `.` and `..`; empty at the end. */
  getdents64: looks("getdents(2)", { fd }, varying(data<ReadonlyArray<Result.DirectoryEntry>>())),
  faccessat2: looks("access(2)", { dirfd: fd, path, mode: int, flags: Arg.flags(c.AT_FACCESSAT) }, nothing, {
    since: "5.8",
    isForEverybody: true
  }),
  mkdirat: changes("mkdir(2)", { dirfd: fd, path, mode: Arg.mode }, nothing, { syscalls: asListed }),
  /** `mode` carries the type: `S_IFCHR | 0666`. */
  mknodat: changes("mknod(2)", { dirfd: fd, path, mode: Arg.mode, major: int, minor: int }, nothing, {
    syscalls: [{ registers: ({ dirfd, major, minor, mode }) => [dirfd, undefined, mode, deviceNumber(major, minor)] }]
  }),
  symlinkat: changes("symlink(2)", { target: path, dirfd: fd, path }, nothing, { syscalls: asListed }),
  unlinkat: changes("unlink(2)", { dirfd: fd, path, flags: Arg.flags(c.AT) }, nothing, { syscalls: asListed }),
  renameat2: changes("rename(2)", { olddirfd: fd, oldpath: path, newdirfd: fd, newpath: path, flags: int }, nothing, {
    since: "3.15",
    syscalls: asListed
  }),
  fchmod: changes("chmod(2)", { fd, mode: Arg.mode }, nothing, { syscalls: asListed }),
  fchmodat: changes("chmod(2)", { dirfd: fd, path, mode: Arg.mode }, nothing, { syscalls: asListed }),
  fchownat: changes("chown(2)", { dirfd: fd, path, uid: Arg.uid, gid: Arg.gid, flags: Arg.flags(c.AT) }, nothing, {
    syscalls: asListed
  }),
  fsync: changes("fsync(2)", { fd }, nothing, { syscalls: asListed }),
  ftruncate: changes("truncate(2)", { fd, length: Arg.bigint }, nothing, { syscalls: asListed }),
  flock: changes("flock(2)", { fd, operation: Arg.flags(c.LOCK) }, nothing, { waits: "often", syscalls: asListed }),
  setxattr: changes("setxattr(2)", { path, name: Arg.text, value: Arg.bytes }, nothing),
  memfd_create: changes("memfd_create(2)", { name: Arg.text, flags: Arg.flags(c.MFD) }, descriptor, {
    since: "3.17",
    isForEverybody: true
  }),
  /** Returns the mask before the call. */
  umask: changes("umask(2)", { mask: Arg.mode }, number, { syscalls: asListed }),
  chdir: changes("chdir(2)", { path }, nothing, { releases: ["mounts"], syscalls: asListed }),
  fchdir: changes("chdir(2)", { fd }, nothing, { releases: ["mounts"], syscalls: asListed }),
  /** Starts with `(unreachable)` if the directory is outside the root. */
  getcwd: looks("getcwd(2)", {}, data<string>()),
  chroot: changes("chroot(2)", { path }, nothing, { releases: ["mounts"], syscalls: asListed }),

  // -- mounts -------------------------------------------------------------------------------------------------------
  mount: changes(
    "mount(2)",
    {
      source: Arg.textOrNull,
      target: path,
      type: Arg.textOrNull,
      flags: Arg.flags(c.MS),
      data: Arg.textOrNull
    },
    nothing,
    { syscalls: asListed }
  ),
  umount2: changes("umount(2)", { target: path, flags: Arg.flags(c.MNT, c.UMOUNT) }, nothing, {
    releases: ["namespaces"],
    syscalls: asListed
  }),
  pivot_root: changes("pivot_root(2)", { newRoot: path, putOld: path }, nothing, { releases: ["mounts"] }),
  open_tree: changes("open_tree(2)", { dirfd: fd, path, flags: Arg.flags(c.OPEN_TREE, c.AT) }, descriptor, {
    since: "5.2"
  }),
  move_mount: changes(
    "move_mount(2)",
    {
      fromDirfd: fd,
      fromPath: path,
      toDirfd: fd,
      toPath: path,
      flags: Arg.flags(c.MOVE_MOUNT)
    },
    nothing,
    { since: "5.2" }
  ),
  fsopen: changes("fsopen(2)", { type: Arg.text, flags: Arg.flags(c.FSOPEN) }, descriptor, { since: "5.2" }),
  fsconfig: changes(
    "fsconfig(2)",
    {
      fd,
      command: Arg.one(c.FSCONFIG),
      key: Arg.textOrNull,
      value: Arg.textOrNull,
      aux: int
    },
    nothing,
    { since: "5.2" }
  ),
  fsmount: changes("fsmount(2)", { fd, flags: Arg.flags(c.FSMOUNT), attributes: Arg.flags(c.MOUNT_ATTR) }, descriptor, {
    since: "5.2"
  }),
  /** `usernsFd` is -1 unless `MOUNT_ATTR_IDMAP` is set. */
  mount_setattr: changes(
    "mount_setattr(2)",
    {
      dirfd: fd,
      path,
      flags: Arg.flags(c.AT),
      set: Arg.flags(c.MOUNT_ATTR),
      clear: Arg.flags(c.MOUNT_ATTR),
      propagation: Arg.flags(c.MS),
      usernsFd: fd
    },
    nothing,
    { since: "5.12" }
  ),

  // -- pipes, sockets, terminals ------------------------------------------------------------------------------------
  /** Returns the read end and the write end. */
  pipe2: changes("pipe(2)", { flags: Arg.openFlags }, data<readonly [Fd, Fd]>()),
  socket: changes("socket(2)", { domain: Arg.one(c.AF), type: Arg.flags(c.SOCK), protocol: int }, descriptor, {
    syscalls: asListed
  }),
  /** Makes a pair of unix sockets. */
  socketpair: changes("socketpair(2)", { type: Arg.flags(c.SOCK) }, data<readonly [Fd, Fd]>(), {
    syscalls: [{ registers: ({ type }) => [c.AF.UNIX, type, 0, undefined] }]
  }),
  /** Connects a unix socket by path. */
  connect: changes("connect(2)", { fd, path }, nothing, { waits: "seldom" }),
  /** Binds an IPv4 socket to an address of this host (dotted decimal) and a port. */
  bind: changes("bind(2)", { fd, address: Arg.text, port: int }, nothing),
  listen: changes("listen(2)", { fd, backlog: int }, nothing, { syscalls: asListed }),
  shutdown: changes("shutdown(2)", { fd, how: Arg.one(c.SHUT) }, nothing),
  /** Sets a `c.SOL.SOCKET` option to an integer; `SO_RCVTIMEO` and `SO_SNDTIMEO` in milliseconds. */
  setsockopt: changes("setsockopt(2)", { fd, option: Arg.one(c.SO), value: int }, nothing, {
    syscalls: [{ registers: ({ fd, option }) => [fd, c.SOL.SOCKET, option, undefined, undefined] }]
  }),
  sendmsg: changes("sendmsg(2)", { fd, data: Arg.bytes, fds: Arg.fds, flags: Arg.flags(c.MSG) }, number, {
    waits: "seldom"
  }),
  /**
   * Receives the next message as a whole. A message longer than `size` fails with `EMSGSIZE` (unless `MSG_TRUNC` is given).
   * One whose descriptors do not fit into this process fails with `EMFILE`, and those that arrived are closed.
   */
  recvmsg: changes("recvmsg(2)", { fd, size: int, flags: Arg.flags(c.MSG) }, varying(data<Result.Message>()), {
    waits: "often",
    releases: ["mounts"]
  }),
  /** Returns the events of each descriptor, in order; `timeout` in milliseconds, -1 for none. */
  poll: looks(
    "poll(2)",
    { fds: Arg.fds, events: Arg.flags(c.POLL), timeout: int },
    data<ReadonlyArray<number>>(),
    { waits: "only", syscalls: [{ name: "ppoll" }] }
  ),
  /** An ioctl that takes an integer; returns its return value. */
  ioctl: changes("ioctl(2)", { fd, request: Arg.one(c.TIOC), argument: int }, number, { syscalls: asListed }),
  /** `TIOCGPTN`: the number of the terminal of a pty master. */
  ioctl_gptn: changes("ioctl_tty(2)", { fd }, number, { syscalls: ioctl(c.TIOC.GPTN) }),
  /** `TIOCSPTLCK`: locks (1) or unlocks (0) the terminal of a pty master. */
  ioctl_sptlck: changes("ioctl_tty(2)", { fd, locked: int }, nothing, { syscalls: ioctl(c.TIOC.SPTLCK) }),
  /** `TIOCGWINSZ`. */
  ioctl_gwinsz: changes("ioctl_tty(2)", { fd }, data<{ readonly rows: number; readonly columns: number }>(), {
    syscalls: ioctl(c.TIOC.GWINSZ)
  }),
  /** `TIOCSWINSZ`. */
  ioctl_swinsz: changes("ioctl_tty(2)", { fd, rows: int, columns: int }, nothing, { syscalls: ioctl(c.TIOC.SWINSZ) }),
  /** `TCGETS`. */
  ioctl_tcgets: changes("ioctl_tty(2)", { fd }, data<Result.TerminalModes>(), { syscalls: ioctl(c.TC.GETS) }),
  /** `TCSETSW`: once all output has been sent. */
  ioctl_tcsetsw: changes(
    "ioctl_tty(2)",
    {
      fd,
      modes: Arg.terminalModes
    },
    nothing,
    { syscalls: ioctl(c.TC.SETSW) }
  ),

  // -- network ------------------------------------------------------------------------------------------------------
  /** Sends one rtnetlink request on a new socket, and returns the answers up to the acknowledgement. */
  rtnetlink: changes(
    "rtnetlink(7)",
    {
      request: Arg.netlinkRequest
    },
    varying(data<ReadonlyArray<Rtnetlink.Answer>>()),
    { syscalls: exchange }
  ),

  // -- filters ------------------------------------------------------------------------------------------------------
  /** Loads a filter of classic BPF instructions (8 bytes each); returns the notification descriptor, or 0. */
  seccomp: changes(
    "seccomp(2)",
    {
      operation: Arg.one(c.SECCOMP),
      flags: Arg.flags(c.SECCOMP_FILTER_FLAG),
      program: Arg.bytes
    },
    number,
    { since: "3.17" }
  ),
  /** Loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program of eBPF instructions (8 bytes each). */
  bpf_prog_load: changes("bpf(2)", { instructions: Arg.bytes, license: Arg.text }, descriptor, {
    since: "4.10",
    syscalls: bpf(c.BPF_CMD.PROG_LOAD)
  }),
  /** Attaches a program to a cgroup as `BPF_CGROUP_DEVICE`. */
  bpf_prog_attach: changes("bpf(2)", { targetFd: fd, programFd: fd, flags: int }, nothing, {
    since: "4.10",
    syscalls: bpf(c.BPF_CMD.PROG_ATTACH)
  })
} as const

/**
 * The row of a call, with the fields that all rows have.
 *
 * @since 0.2.0
 */
export const rowOf = (name: keyof typeof calls): Row => calls[name]
