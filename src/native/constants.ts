/**
 * The kernel's constants, one table a family, each with the header that defines it and the man page that explains it.
 *
 * A test compares every value with the system's C headers. Values that differ between x86-64 and arm64 say so in place.
 *
 * @category constants
 * @since 0.1.0
 */
import * as process from "node:process"

/** A family of constants that share a prefix, as `CLONE_*` do. Keys are the names without the prefix. */
export interface Family<Names extends string = string> {
  /** The prefix of each name in C: `"CLONE_"`. */
  readonly prefix: string
  /** The C header that defines the family. */
  readonly header: string
  /** Name without prefix, to value. */
  readonly values: { readonly [N in Names]: number }
}

const families: Array<Family> = []
const byValues = new Map<object, string>()

const family = <const Values extends Record<string, number>>(
  prefix: string,
  header: string,
  values: Values
): Values => {
  families.push({ prefix, header, values })
  byValues.set(values, prefix)
  return values
}

const arm64 = process.arch === "arm64"

/** `CLONE_*` of `linux/sched.h`. @see clone(2), namespaces(7) */
export const CLONE = family("CLONE_", "linux/sched.h", {
  VM: 0x100,
  FS: 0x200,
  FILES: 0x400,
  SIGHAND: 0x800,
  PIDFD: 0x1000,
  VFORK: 0x4000,
  PARENT: 0x8000,
  THREAD: 0x10000,
  SYSVSEM: 0x40000,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  NEWTIME: 0x80
})

/** `O_*` of `fcntl.h`. @see open(2) */
export const O = family("O_", "fcntl.h", {
  RDONLY: 0o0,
  WRONLY: 0o1,
  RDWR: 0o2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  ASYNC: 0o20000,
  DIRECT: arm64 ? 0o200000 : 0o40000,
  NOATIME: 0o1000000,
  SYNC: 0o4010000,
  DIRECTORY: arm64 ? 0o40000 : 0o200000,
  NOFOLLOW: arm64 ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE: arm64 ? 0o20040000 : 0o20200000
})

/** `AT_*` of `linux/fcntl.h`. @see openat(2), statx(2), linkat(2) */
export const AT = family("AT_", "linux/fcntl.h", {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  NO_AUTOMOUNT: 0x800,
  EMPTY_PATH: 0x1000,
  RECURSIVE: 0x8000,
  EACCESS: 0x200
})

/** `AT_*` of `linux/fcntl.h` for faccessat2(2), whose `AT_EACCESS` has the value of `AT_REMOVEDIR`. @see access(2) */
export const AT_FACCESSAT = family("AT_", "linux/fcntl.h", {
  SYMLINK_NOFOLLOW: 0x100,
  EACCESS: 0x200,
  EMPTY_PATH: 0x1000
})

/** `RESOLVE_*` of `linux/openat2.h`. @see openat2(2) */
export const RESOLVE = family("RESOLVE_", "linux/openat2.h", {
  NO_XDEV: 1,
  NO_MAGICLINKS: 2,
  NO_SYMLINKS: 4,
  BENEATH: 8,
  IN_ROOT: 0x10,
  CACHED: 0x20
})

/** `S_*` of `sys/stat.h`. @see inode(7) */
export const S = family("S_", "sys/stat.h", {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o60000,
  IFDIR: 0o40000,
  IFCHR: 0o20000,
  IFIFO: 0o10000,
  ISUID: 0o4000,
  ISGID: 0o2000,
  ISVTX: 0o1000
})

/** `STATX_*` of `linux/stat.h`. @see statx(2) */
export const STATX = family("STATX_", "linux/stat.h", {
  TYPE: 1,
  MODE: 2,
  NLINK: 4,
  UID: 8,
  GID: 0x10,
  INO: 0x100,
  SIZE: 0x200,
  BASIC_STATS: 0x7ff,
  MNT_ID: 0x1000
})

/** `MS_*` of `linux/mount.h`. @see mount(2) */
export const MS = family("MS_", "linux/mount.h", {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 0x10,
  REMOUNT: 0x20,
  MANDLOCK: 0x40,
  DIRSYNC: 0x80,
  NOSYMFOLLOW: 0x100,
  NOATIME: 0x400,
  NODIRATIME: 0x800,
  BIND: 0x1000,
  MOVE: 0x2000,
  REC: 0x4000,
  SILENT: 0x8000,
  POSIXACL: 0x10000,
  UNBINDABLE: 0x20000,
  PRIVATE: 0x40000,
  SLAVE: 0x80000,
  SHARED: 0x100000,
  RELATIME: 0x200000,
  I_VERSION: 0x800000,
  STRICTATIME: 0x1000000,
  LAZYTIME: 0x2000000
})

/** `MNT_*` of `sys/mount.h`. @see umount2(2) */
export const MNT = family("MNT_", "sys/mount.h", {
  FORCE: 1,
  DETACH: 2,
  EXPIRE: 4
})

/** `UMOUNT_*` of `sys/mount.h`. @see umount2(2) */
export const UMOUNT = family("UMOUNT_", "sys/mount.h", {
  NOFOLLOW: 8
})

/** `OPEN_TREE_*` of `linux/mount.h`. @see open_tree(2) */
export const OPEN_TREE = family("OPEN_TREE_", "linux/mount.h", {
  CLONE: 1,
  CLOEXEC: 0x80000
})

/** `MOVE_MOUNT_*` of `linux/mount.h`. @see move_mount(2) */
export const MOVE_MOUNT = family("MOVE_MOUNT_", "linux/mount.h", {
  F_SYMLINKS: 1,
  F_AUTOMOUNTS: 2,
  F_EMPTY_PATH: 4,
  T_SYMLINKS: 0x10,
  T_AUTOMOUNTS: 0x20,
  T_EMPTY_PATH: 0x40,
  SET_GROUP: 0x100
})

/** `FSOPEN_*` of `linux/mount.h`. @see fsopen(2) */
export const FSOPEN = family("FSOPEN_", "linux/mount.h", {
  CLOEXEC: 1
})

/** `FSCONFIG_*` of `linux/mount.h`. @see fsconfig(2) */
export const FSCONFIG = family("FSCONFIG_", "linux/mount.h", {
  SET_FLAG: 0,
  SET_STRING: 1,
  SET_BINARY: 2,
  SET_PATH: 3,
  SET_PATH_EMPTY: 4,
  SET_FD: 5,
  CMD_CREATE: 6,
  CMD_RECONFIGURE: 7
})

/** `FSMOUNT_*` of `linux/mount.h`. @see fsmount(2) */
export const FSMOUNT = family("FSMOUNT_", "linux/mount.h", {
  CLOEXEC: 1
})

/** `MOUNT_ATTR_*` of `linux/mount.h`. @see mount_setattr(2) */
export const MOUNT_ATTR = family("MOUNT_ATTR_", "linux/mount.h", {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  _ATIME: 0x70,
  RELATIME: 0,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x100000,
  NOSYMFOLLOW: 0x200000
})

/** `ST_*` of `sys/statvfs.h`. @see statfs(2) */
export const ST = family("ST_", "sys/statvfs.h", {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  NOATIME: 0x400,
  NODIRATIME: 0x800,
  RELATIME: 0x1000
})

/** The magic numbers by which statfs(2) names a file system's type, of `linux/magic.h`. @see statfs(2) */
export const MAGIC = family("", "linux/magic.h", {
  PROC_SUPER_MAGIC: 0x9fa0,
  DEVPTS_SUPER_MAGIC: 0x1cd1,
  ANON_INODE_FS_MAGIC: 0x09041934,
  PID_FS_MAGIC: 0x50494446,
  SYSFS_MAGIC: 0x62656572,
  TMPFS_MAGIC: 0x01021994,
  CGROUP_SUPER_MAGIC: 0x27e0eb,
  CGROUP2_SUPER_MAGIC: 0x63677270
})

/** `PR_*` of `linux/prctl.h`. @see prctl(2) */
export const PR = family("PR_", "linux/prctl.h", {
  SET_PDEATHSIG: 1,
  GET_PDEATHSIG: 2,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  GET_KEEPCAPS: 7,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  GET_NAME: 16,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  GET_SECUREBITS: 27,
  SET_SECUREBITS: 28,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  SET_CHILD_SUBREAPER: 36,
  GET_CHILD_SUBREAPER: 37,
  CAP_AMBIENT: 47,
  CAP_AMBIENT_IS_SET: 1,
  CAP_AMBIENT_RAISE: 2,
  CAP_AMBIENT_LOWER: 3,
  CAP_AMBIENT_CLEAR_ALL: 4
})

/** `RLIMIT_*` of `sys/resource.h`. @see getrlimit(2) */
export const RLIMIT = family("RLIMIT_", "sys/resource.h", {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
  RTTIME: 15
})

/** `SIG*` of `signal.h`. @see signal(7) */
export const SIG = family("SIG", "signal.h", {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31
})

/** `SIG_*` of `signal.h`. @see sigprocmask(2) */
export const SIG_HOW = family("SIG_", "signal.h", {
  BLOCK: 0,
  UNBLOCK: 1,
  SETMASK: 2
})

/** `F_*` of `fcntl.h`. @see fcntl(2) */
export const F = family("F_", "fcntl.h", {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  DUPFD_CLOEXEC: 1030,
  ADD_SEALS: 1033,
  GET_SEALS: 1034
})

/** `FD_*` of `fcntl.h`. @see fcntl(2) */
export const FD = family("FD_", "fcntl.h", {
  CLOEXEC: 1
})

/** `F_SEAL_*` of `fcntl.h`. @see fcntl(2), memfd_create(2) */
export const F_SEAL = family("F_SEAL_", "fcntl.h", {
  SEAL: 1,
  SHRINK: 2,
  GROW: 4,
  WRITE: 8
})

/** `MFD_*` of `sys/mman.h`. @see memfd_create(2) */
export const MFD = family("MFD_", "sys/mman.h", {
  CLOEXEC: 1,
  ALLOW_SEALING: 2
})

/** `CLOSE_RANGE_*` of `linux/close_range.h`. @see close_range(2) */
export const CLOSE_RANGE = family("CLOSE_RANGE_", "linux/close_range.h", {
  UNSHARE: 2,
  CLOEXEC: 4
})

/** `LOCK_*` of `sys/file.h`. @see flock(2) */
export const LOCK = family("LOCK_", "sys/file.h", {
  SH: 1,
  EX: 2,
  NB: 4,
  UN: 8
})

/** `AF_*` of `sys/socket.h`. @see socket(2) */
export const AF = family("AF_", "sys/socket.h", {
  UNIX: 1,
  INET: 2,
  INET6: 10,
  NETLINK: 16
})

/** `SOCK_*` of `sys/socket.h`. @see socket(2) */
export const SOCK = family("SOCK_", "sys/socket.h", {
  STREAM: 1,
  DGRAM: 2,
  RAW: 3,
  SEQPACKET: 5,
  CLOEXEC: 524288,
  NONBLOCK: 2048
})

/** `SHUT_*` of `sys/socket.h`. @see shutdown(2) */
export const SHUT = family("SHUT_", "sys/socket.h", {
  RD: 0,
  WR: 1,
  RDWR: 2
})

/** `MSG_*` of `sys/socket.h`. @see recvmsg(2) */
export const MSG = family("MSG_", "sys/socket.h", {
  PEEK: 2,
  TRUNC: 0x20,
  CTRUNC: 8,
  DONTWAIT: 0x40,
  NOSIGNAL: 0x4000,
  CMSG_CLOEXEC: 0x40000000
})

/** `SO_*` of `sys/socket.h`. @see socket(7), unix(7) */
export const SO = family("SO_", "sys/socket.h", {
  PASSCRED: 16,
  RCVTIMEO: 20,
  SNDTIMEO: 21,
  /** Since Linux 6.16; not in every `sys/socket.h` yet. */
  PASSRIGHTS: 83
})

/** `POLL*` of `poll.h`. @see poll(2) */
export const POLL = family("POLL", "poll.h", {
  IN: 1,
  PRI: 2,
  OUT: 4,
  ERR: 8,
  HUP: 0x10,
  NVAL: 0x20
})

/** `P_*` of `sys/wait.h`. @see waitid(2) */
export const P = family("P_", "sys/wait.h", {
  ALL: 0,
  PID: 1,
  PGID: 2,
  PIDFD: 3
})

/** `W*` of `sys/wait.h`. @see waitid(2) */
export const W = family("W", "sys/wait.h", {
  NOHANG: 1,
  EXITED: 4,
  STOPPED: 2,
  CONTINUED: 8,
  NOWAIT: 0x1000000
})

/** `CLD_*` of `signal.h`. @see waitid(2) */
export const CLD = family("CLD_", "signal.h", {
  EXITED: 1,
  KILLED: 2,
  DUMPED: 3,
  TRAPPED: 4,
  STOPPED: 5,
  CONTINUED: 6
})

/** `KEYCTL_*` of `linux/keyctl.h`. @see keyctl(2) */
export const KEYCTL = family("KEYCTL_", "linux/keyctl.h", {
  GET_KEYRING_ID: 0,
  JOIN_SESSION_KEYRING: 1,
  SETPERM: 5,
  DESCRIBE: 6
})

/**
 * `KEY_SPEC_*` of `linux/keyctl.h`: numbers of the caller's own keyrings.
 *
 * @see keyctl(2)
 * @since 0.3.0
 */
export const KEY_SPEC = family("KEY_SPEC_", "linux/keyctl.h", {
  SESSION_KEYRING: -3
})

/** `SECCOMP_*` of `linux/seccomp.h`. @see seccomp(2) */
export const SECCOMP = family("SECCOMP_", "linux/seccomp.h", {
  SET_MODE_FILTER: 1,
  GET_ACTION_AVAIL: 2
})

/** `SECCOMP_FILTER_FLAG_*` of `linux/seccomp.h`. @see seccomp(2) */
export const SECCOMP_FILTER_FLAG = family("SECCOMP_FILTER_FLAG_", "linux/seccomp.h", {
  TSYNC: 1,
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  TSYNC_ESRCH: 0x10,
  WAIT_KILLABLE_RECV: 0x20
})

/** `SCHED_*` of `linux/sched.h`. @see sched_setattr(2) */
export const SCHED = family("SCHED_", "linux/sched.h", {
  NORMAL: 0,
  FIFO: 1,
  RR: 2,
  BATCH: 3,
  IDLE: 5,
  DEADLINE: 6
})

/** `SCHED_FLAG_*` of `linux/sched.h`. @see sched_setattr(2) */
export const SCHED_FLAG = family("SCHED_FLAG_", "linux/sched.h", {
  RESET_ON_FORK: 1,
  RECLAIM: 2,
  DL_OVERRUN: 4,
  KEEP_POLICY: 8,
  KEEP_PARAMS: 0x10,
  UTIL_CLAMP_MIN: 0x20,
  UTIL_CLAMP_MAX: 0x40
})

/** `IOPRIO_WHO_*` of `linux/ioprio.h`. @see ioprio_set(2) */
export const IOPRIO_WHO = family("IOPRIO_WHO_", "linux/ioprio.h", {
  PROCESS: 1,
  PGRP: 2,
  USER: 3
})

/** `IOPRIO_CLASS_*` of `linux/ioprio.h`. @see ioprio_set(2) */
export const IOPRIO_CLASS = family("IOPRIO_CLASS_", "linux/ioprio.h", {
  NONE: 0,
  RT: 1,
  BE: 2,
  IDLE: 3
})

/** `PER_*` of `linux/personality.h`. @see personality(2) */
export const PER = family("PER_", "linux/personality.h", {
  LINUX: 0,
  LINUX32: 8
})

/** `MPOL_*` of `linux/mempolicy.h`. @see set_mempolicy(2) */
export const MPOL = family("MPOL_", "linux/mempolicy.h", {
  DEFAULT: 0,
  PREFERRED: 1,
  BIND: 2,
  INTERLEAVE: 3,
  LOCAL: 4,
  PREFERRED_MANY: 5,
  WEIGHTED_INTERLEAVE: 6
})

/** `MPOL_F_*` of `linux/mempolicy.h`. @see set_mempolicy(2) */
export const MPOL_F = family("MPOL_F_", "linux/mempolicy.h", {
  STATIC_NODES: 0x8000,
  RELATIVE_NODES: 0x4000,
  NUMA_BALANCING: 0x2000
})

/** `TIOC*` of `asm-generic/ioctls.h`. @see ioctl_tty(2) */
export const TIOC = family("TIOC", "asm-generic/ioctls.h", {
  SCTTY: 0x540e,
  GWINSZ: 0x5413,
  SWINSZ: 0x5414,
  NOTTY: 0x5422,
  GPTN: 0x80045430,
  SPTLCK: 0x40045431,
  GPTPEER: 0x5441
})

/** `TC*` of `asm-generic/ioctls.h`. @see ioctl_tty(2) */
export const TC = family("TC", "asm-generic/ioctls.h", {
  GETS: 0x5401,
  SETSW: 0x5403
})

/** Input modes of `asm/termbits.h`. @see termios(3) */
export const IFLAG = family("", "asm/termbits.h", {
  IGNBRK: 0o1,
  BRKINT: 0o2,
  PARMRK: 0o10,
  ISTRIP: 0o40,
  INLCR: 0o100,
  IGNCR: 0o200,
  ICRNL: 0o400,
  IXON: 0o2000
})

/** Output modes of `asm/termbits.h`. @see termios(3) */
export const OFLAG = family("", "asm/termbits.h", { OPOST: 0o1 })

/** Control modes of `asm/termbits.h`. @see termios(3) */
export const CFLAG = family("", "asm/termbits.h", { CSIZE: 0o60, CS8: 0o60, PARENB: 0o400 })

/** Local modes of `asm/termbits.h`. @see termios(3) */
export const LFLAG = family("", "asm/termbits.h", {
  ISIG: 0o1,
  ICANON: 0o2,
  ECHO: 0o10,
  ECHONL: 0o100,
  IEXTEN: 0o100000
})

/** Indices of special characters, of `asm/termbits.h`. @see termios(3) */
export const CC = family("V", "asm/termbits.h", { EOF: 4, TIME: 5, MIN: 6 })

/** `BPF_*` of `linux/bpf.h`. @see bpf(2) */
export const BPF_CMD = family("BPF_", "linux/bpf.h", {
  PROG_LOAD: 5,
  PROG_ATTACH: 8,
  PROG_DETACH: 9,
  PROG_QUERY: 16,
  PROG_GET_FD_BY_ID: 13
})

/** `NLM_F_*` of `linux/netlink.h`. @see netlink(7) */
export const NLM_F = family("NLM_F_", "linux/netlink.h", {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP_INTR: 0x10,
  DUMP: 0x300,
  EXCL: 0x200,
  CREATE: 0x400,
  CAPPED: 0x100,
  ACK_TLVS: 0x200
})

/** `NLMSG_*` types of `linux/netlink.h`. @see netlink(7) */
export const NLMSG = family("NLMSG_", "linux/netlink.h", {
  NOOP: 1,
  ERROR: 2,
  DONE: 3
})

/** `NLMSGERR_ATTR_*` of `linux/netlink.h`: the extended acknowledgement. @see netlink(7) */
export const NLMSGERR_ATTR = family("NLMSGERR_ATTR_", "linux/netlink.h", {
  MSG: 1,
  OFFS: 2
})

/** `RTM_*` types of `linux/rtnetlink.h`. @see rtnetlink(7) */
export const RTM = family("RTM_", "linux/rtnetlink.h", {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  GETADDR: 22,
  NEWROUTE: 24,
  GETROUTE: 26
})

/** `IFLA_*` of `linux/if_link.h`: the attributes of a link. @see rtnetlink(7) */
export const IFLA = family("IFLA_", "linux/if_link.h", {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  TXQLEN: 13,
  LINKINFO: 18,
  NET_NS_PID: 19,
  IFALIAS: 20,
  NET_NS_FD: 28,
  EXT_MASK: 29
})

/** `IFLA_INFO_*` of `linux/if_link.h`: what `IFLA_LINKINFO` holds. @see rtnetlink(7) */
export const IFLA_INFO = family("IFLA_INFO_", "linux/if_link.h", {
  KIND: 1,
  DATA: 2
})

/** `VETH_INFO_*` of `linux/veth.h`. @see veth(4) */
export const VETH_INFO = family("VETH_INFO_", "linux/veth.h", {
  PEER: 1
})

/** `RTEXT_FILTER_*` of `linux/rtnetlink.h`. @see rtnetlink(7) */
export const RTEXT_FILTER = family("RTEXT_FILTER_", "linux/rtnetlink.h", {
  SKIP_STATS: 8
})

/** `IFF_*` of `net/if.h`: the flags of an interface. @see netdevice(7) */
export const IFF = family("IFF_", "net/if.h", {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  MULTICAST: 0x1000
})

/** `IFA_*` of `linux/if_addr.h`: the attributes of an address. @see rtnetlink(7) */
export const IFA = family("IFA_", "linux/if_addr.h", {
  ADDRESS: 1,
  LOCAL: 2
})

/** `IFA_F_*` of `linux/if_addr.h`. @see rtnetlink(7) */
export const IFA_F = family("IFA_F_", "linux/if_addr.h", {
  NODAD: 0x2
})

/** `RTA_*` of `linux/rtnetlink.h`: the attributes of a route. @see rtnetlink(7) */
export const RTA = family("RTA_", "linux/rtnetlink.h", {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PREFSRC: 7,
  TABLE: 15
})

/** `RT_TABLE_*` of `linux/rtnetlink.h`. @see rtnetlink(7) */
export const RT_TABLE = family("RT_TABLE_", "linux/rtnetlink.h", {
  MAIN: 254,
  LOCAL: 255
})

/** `RT_SCOPE_*` of `linux/rtnetlink.h`. @see rtnetlink(7) */
export const RT_SCOPE = family("RT_SCOPE_", "linux/rtnetlink.h", {
  UNIVERSE: 0,
  LINK: 253,
  HOST: 254
})

/** `RTPROT_*` of `linux/rtnetlink.h`: who made a route. @see rtnetlink(7) */
export const RTPROT = family("RTPROT_", "linux/rtnetlink.h", {
  BOOT: 3
})

/** `RTN_*` of `linux/rtnetlink.h`: the type of a route. @see rtnetlink(7) */
export const RTN = family("RTN_", "linux/rtnetlink.h", {
  UNICAST: 1
})

/** `PROT_*` of `sys/mman.h`. @see mmap(2) */
export const PROT = family("PROT_", "sys/mman.h", {
  READ: 1,
  WRITE: 2,
  EXEC: 4
})

/** `MAP_*` of `sys/mman.h`. @see mmap(2) */
export const MAP = family("MAP_", "sys/mman.h", {
  SHARED: 1,
  PRIVATE: 2,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  NORESERVE: 0x4000,
  FIXED_NOREPLACE: 0x100000
})

/** `MADV_*` of `sys/mman.h`. @see madvise(2) */
export const MADV = family("MADV_", "sys/mman.h", {
  REMOVE: 9
})

/** `SOL_*` of `sys/socket.h`. @see getsockopt(2) */
export const SOL = family("SOL_", "sys/socket.h", {
  SOCKET: 1,
  NETLINK: 270
})

/** `SCM_*` of `sys/socket.h`. @see unix(7) */
export const SCM = family("SCM_", "sys/socket.h", {
  RIGHTS: 1,
  CREDENTIALS: 2
})

/** `NETLINK_*` of `linux/netlink.h`. @see netlink(7) */
export const NETLINK = family("NETLINK_", "linux/netlink.h", {
  ROUTE: 0,
  CAP_ACK: 10,
  EXT_ACK: 11
})

/** `DT_*` of `dirent.h`. @see getdents(2) */
export const DT = family("DT_", "dirent.h", {
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12
})

/** `STATX_ATTR_*` of `linux/stat.h`. @see statx(2) */
export const STATX_ATTR = family("STATX_ATTR_", "linux/stat.h", {
  MOUNT_ROOT: 0x2000
})

/** `_LINUX_CAPABILITY_*` of `linux/capability.h`. @see capget(2) */
export const LINUX_CAPABILITY = family("_LINUX_CAPABILITY_", "linux/capability.h", {
  VERSION_3: 0x20080522
})

/** `BPF_PROG_TYPE_*` of `linux/bpf.h`. @see bpf(2) */
export const BPF_PROG_TYPE = family("BPF_PROG_TYPE_", "linux/bpf.h", {
  CGROUP_DEVICE: 15
})

/** `BPF_CGROUP_*` of `linux/bpf.h`: the hook that a program is attached to. @see bpf(2) */
export const BPF_CGROUP = family("BPF_CGROUP_", "linux/bpf.h", {
  DEVICE: 6
})

/** All families, for the test against the C headers. */
export const all: ReadonlyArray<Family> = families

/** The prefix of a family's table: `"CLONE_"` for {@link CLONE}. */
export const prefixOf = (values: Readonly<Record<string, number>>): string => byValues.get(values) ?? ""
