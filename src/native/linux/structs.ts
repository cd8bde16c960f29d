/**
 * The layouts of the kernel's structures, one table each, with the header that defines it.
 *
 * A test compiles every size and offset against the system's C headers. All layouts here are the same on x86-64 and
 * arm64, which are both little-endian with 8-byte longs.
 */

/** Where a field of a structure is. */
export interface Extent {
  /** Offset in bytes. */
  readonly at: number
  /** Size in bytes. */
  readonly size: number
}

/** One field of a structure: where it is and how it is read and written. */
export interface Field<A> extends Extent {
  /** Reads it; `start` is where it begins. */
  readonly get: (memory: DataView, start: number) => A
  /** Writes it; `start` is where it begins. */
  readonly set: (memory: DataView, start: number, value: A) => void
}

/** A structure. Keys of `fields` are the names in C. */
export interface Struct<Fields extends Readonly<Record<string, Extent>> = Readonly<Record<string, Extent>>> {
  /** As C writes its type: `"struct statx"`. */
  readonly type: string
  /** The header that defines it; empty if the C library's headers have no such type. */
  readonly header: string
  /** In bytes. Less than in C if only the first part is used: {@link sched_attr}, {@link bpf_attr_load}. */
  readonly size: number
  readonly fields: Fields
}

/** Fields of one type. They share their functions: two more for each field would be made at each start. */
const type = <A>(size: number, get: Field<A>["get"], set: Field<A>["set"]) => (at: number): Field<A> => ({
  at,
  size,
  get,
  set
})

const u8 = type<number>(
  1,
  (memory, start) => memory.getUint8(start),
  (memory, start, value) => memory.setUint8(start, value)
)

const u16 = type<number>(
  2,
  (memory, start) => memory.getUint16(start, true),
  (memory, start, value) => memory.setUint16(start, value, true)
)

const u32 = type<number>(
  4,
  (memory, start) => memory.getUint32(start, true),
  // negative values stand for their two's complement: uid -1, descriptor -1
  (memory, start, value) => memory.setUint32(start, value, true)
)

const i32 = type<number>(
  4,
  (memory, start) => memory.getInt32(start, true),
  (memory, start, value) => memory.setInt32(start, value, true)
)

const u64 = type<bigint>(
  8,
  (memory, start) => memory.getBigUint64(start, true),
  (memory, start, value) => memory.setBigUint64(start, value, true)
)

/** Eight bytes whose value a number holds: addresses, lengths, flags. A negative one stands for its two's complement. */
const word = type<number>(
  8,
  (memory, start) => memory.getUint32(start, true) + memory.getUint32(start + 4, true) * 2 ** 32,
  (memory, start, value) => {
    const high = Math.floor(value / 2 ** 32)
    memory.setUint32(start, value - high * 2 ** 32, true)
    memory.setUint32(start + 4, high, true)
  }
)

/** An array of bytes: text, or a path. */
const bytes = (at: number, size: number): Extent => ({ at, size })

const struct = <const Fields extends Readonly<Record<string, Extent>>>(
  type: string,
  header: string,
  size: number,
  fields: Fields
): Struct<Fields> => ({ type, header, size, fields })

/** @see statx(2) */
export const statx = struct("struct statx", "linux/stat.h", 256, {
  stx_mask: u32(0),
  // the lower half, which holds every attribute that is used
  stx_attributes: u32(8),
  stx_nlink: u32(16),
  stx_uid: u32(20),
  stx_gid: u32(24),
  stx_mode: u16(28),
  stx_ino: u64(32),
  stx_size: u64(40),
  stx_rdev_major: u32(128),
  stx_rdev_minor: u32(132),
  stx_dev_major: u32(136),
  stx_dev_minor: u32(140),
  stx_mnt_id: u64(144)
})

/** @see statfs(2) */
export const statfs = struct("struct statfs", "asm/statfs.h", 120, {
  f_type: word(0),
  f_flags: word(80)
})

/** The fixed head of an entry; its name follows. @see getdents(2) */
export const linux_dirent64 = struct("struct dirent64", "dirent.h", 280, {
  d_ino: u64(0),
  d_reclen: u16(16),
  d_type: u8(18),
  d_name: bytes(19, 256)
})

/** @see openat2(2) */
export const open_how = struct("struct open_how", "linux/openat2.h", 24, {
  flags: word(0),
  mode: word(8),
  resolve: word(16)
})

/** @see mount_setattr(2) */
export const mount_attr = struct("struct mount_attr", "linux/mount.h", 32, {
  attr_set: word(0),
  attr_clr: word(8),
  propagation: word(16),
  userns_fd: word(24)
})

/** @see nanosleep(2) */
export const timespec = struct("struct timespec", "linux/time.h", 16, {
  tv_sec: u64(0),
  tv_nsec: u64(8)
})

/** @see socket(7), `SO_RCVTIMEO` */
export const timeval = struct("struct timeval", "linux/time.h", 16, {
  tv_sec: u64(0),
  tv_usec: u64(8)
})

/** @see waitid(2) */
export const siginfo = struct("siginfo_t", "signal.h", 128, {
  si_signo: i32(0),
  si_code: i32(8),
  si_pid: i32(16),
  si_uid: u32(20),
  si_status: i32(24)
})

/** @see getrusage(2) */
export const rusage = struct("struct rusage", "sys/resource.h", 144, {
  "ru_utime.tv_sec": u64(0),
  "ru_utime.tv_usec": u64(8),
  "ru_stime.tv_sec": u64(16),
  "ru_stime.tv_usec": u64(24),
  ru_maxrss: u64(32),
  ru_inblock: u64(88),
  ru_oublock: u64(96)
})

/** The kernel's own structure, which differs from the C library's. @see sigaction(2) */
export const kernel_sigaction = struct("struct sigaction", "asm/signal.h", 32, {
  sa_handler: word(0),
  sa_flags: word(8),
  sa_restorer: word(16),
  sa_mask: u64(24)
})

/** @see capget(2) */
export const cap_user_header = struct("struct __user_cap_header_struct", "linux/capability.h", 8, {
  version: u32(0),
  pid: i32(4)
})

/** One half of the sets; version 3 takes two. @see capget(2) */
export const cap_user_data = struct("struct __user_cap_data_struct", "linux/capability.h", 12, {
  effective: u32(0),
  permitted: u32(4),
  inheritable: u32(8)
})

/** @see prlimit(2) */
export const rlimit64 = struct("struct rlimit64", "linux/resource.h", 16, {
  rlim_cur: u64(0),
  rlim_max: u64(8)
})

/** The first version, of 48 bytes (`SCHED_ATTR_SIZE_VER0`): utilization clamps are not set. @see sched_setattr(2) */
export const sched_attr = struct("struct sched_attr", "linux/sched/types.h", 48, {
  size: u32(0),
  sched_policy: u32(4),
  sched_flags: u64(8),
  sched_nice: i32(16),
  sched_priority: u32(20),
  sched_runtime: u64(24),
  sched_deadline: u64(32),
  sched_period: u64(40)
})

/** Six texts of 65 bytes. @see uname(2) */
export const new_utsname = struct("struct new_utsname", "linux/utsname.h", 390, {
  nodename: bytes(65, 65),
  release: bytes(130, 65),
  machine: bytes(260, 65),
  domainname: bytes(325, 65)
})

/** @see unix(7) */
export const sockaddr_un = struct("struct sockaddr_un", "sys/un.h", 110, {
  sun_family: u16(0),
  sun_path: bytes(2, 108)
})

/** Port and address in network order. @see ip(7) */
export const sockaddr_in = struct("struct sockaddr_in", "netinet/in.h", 16, {
  sin_family: u16(0),
  sin_port: bytes(2, 2),
  sin_addr: bytes(4, 4)
})

/** @see netlink(7) */
export const sockaddr_nl = struct("struct sockaddr_nl", "linux/netlink.h", 12, {
  nl_family: u16(0),
  nl_pid: u32(4),
  nl_groups: u32(8)
})

/** @see readv(2) */
export const iovec = struct("struct iovec", "linux/uio.h", 16, {
  iov_base: word(0),
  iov_len: word(8)
})

/** @see sendmsg(2), recvmsg(2) */
export const msghdr = struct("struct msghdr", "sys/socket.h", 56, {
  msg_name: word(0),
  msg_namelen: u32(8),
  msg_iov: word(16),
  msg_iovlen: word(24),
  msg_control: word(32),
  msg_controllen: word(40),
  msg_flags: u32(48)
})

/** The head of a control message; its data follows, padded to 8 bytes. @see cmsg(3) */
export const cmsghdr = struct("struct cmsghdr", "sys/socket.h", 16, {
  cmsg_len: word(0),
  cmsg_level: i32(8),
  cmsg_type: i32(12)
})

/** @see unix(7) */
export const ucred = struct("struct ucred", "sys/socket.h", 12, {
  pid: i32(0),
  uid: u32(4),
  gid: u32(8)
})

/** @see poll(2) */
export const pollfd = struct("struct pollfd", "poll.h", 8, {
  fd: i32(0),
  events: u16(4),
  revents: u16(6)
})

/** @see ioctl_tty(2) */
export const winsize = struct("struct winsize", "sys/ioctl.h", 8, {
  ws_row: u16(0),
  ws_col: u16(2)
})

/** The kernel's own structure, which differs from the C library's. @see ioctl_tty(2), termios(3) */
export const termios = struct("struct termios", "asm/termbits.h", 36, {
  c_iflag: u32(0),
  c_oflag: u32(4),
  c_cflag: u32(8),
  c_lflag: u32(12),
  c_line: u8(16),
  c_cc: bytes(17, 19)
})

/** @see seccomp(2) */
export const sock_fprog = struct("struct sock_fprog", "linux/filter.h", 16, {
  len: u16(0),
  filter: word(8)
})

/** The part of `union bpf_attr` that `BPF_PROG_LOAD` needs; the kernel takes any length whose rest is zero. @see bpf(2) */
export const bpf_attr_load = struct("union bpf_attr", "linux/bpf.h", 48, {
  prog_type: u32(0),
  insn_cnt: u32(4),
  insns: word(8),
  license: word(16),
  log_level: u32(24),
  log_size: u32(28),
  log_buf: word(32)
})

/** The part of `union bpf_attr` that `BPF_PROG_ATTACH` needs. @see bpf(2) */
export const bpf_attr_attach = struct("union bpf_attr", "linux/bpf.h", 16, {
  target_fd: u32(0),
  attach_bpf_fd: u32(4),
  attach_type: u32(8),
  attach_flags: u32(12)
})

/** All structures, for the test against the C headers. */
export const all: ReadonlyArray<Struct> = [
  statx,
  statfs,
  linux_dirent64,
  open_how,
  mount_attr,
  timespec,
  timeval,
  rusage,
  siginfo,
  kernel_sigaction,
  cap_user_header,
  cap_user_data,
  rlimit64,
  sched_attr,
  new_utsname,
  sockaddr_un,
  sockaddr_in,
  sockaddr_nl,
  iovec,
  msghdr,
  cmsghdr,
  ucred,
  pollfd,
  winsize,
  termios,
  sock_fprog,
  bpf_attr_load,
  bpf_attr_attach
]
