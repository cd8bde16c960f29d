/**
 * The numbers of the system calls, for x86-64 and for arm64.
 *
 * x86-64 has a table of its own; arm64 uses the generic one. Calls added since 2019 have one number on both. Calls that
 * arm64 does not have (open, pipe, poll, …) are not used.
 *
 * @see syscalls(2), asm/unistd_64.h, asm-generic/unistd.h
 */

/** Name, to the number on x86-64 and the number on arm64. */
export const table = {
  bind: [49, 200],
  bpf: [321, 280],
  capget: [125, 90],
  capset: [126, 91],
  chdir: [80, 49],
  chroot: [161, 51],
  clone: [56, 220],
  close: [3, 57],
  close_range: [436, 436],
  connect: [42, 203],
  dup: [32, 23],
  dup3: [292, 24],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  execve: [59, 221],
  execveat: [322, 281],
  exit_group: [231, 94],
  faccessat2: [439, 439],
  fchdir: [81, 50],
  fchmod: [91, 52],
  fchmodat: [268, 53],
  fchownat: [260, 54],
  fcntl: [72, 25],
  flock: [73, 32],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fstatfs: [138, 44],
  fsync: [74, 82],
  ftruncate: [77, 46],
  clock_gettime: [228, 113],
  futex: [202, 98],
  getcwd: [79, 17],
  getdents64: [217, 61],
  getgroups: [115, 158],
  getpid: [39, 172],
  getppid: [110, 173],
  getrandom: [318, 278],
  getresgid: [120, 150],
  getresuid: [118, 148],
  getsid: [124, 156],
  getsockopt: [55, 209],
  ioctl: [16, 29],
  ioprio_set: [251, 30],
  keyctl: [250, 219],
  kill: [62, 129],
  listen: [50, 201],
  memfd_create: [319, 279],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  madvise: [28, 233],
  mmap: [9, 222],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  mprotect: [10, 226],
  munmap: [11, 215],
  nanosleep: [35, 101],
  open_tree: [428, 428],
  openat: [257, 56],
  openat2: [437, 437],
  personality: [135, 92],
  pidfd_getfd: [438, 438],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  pipe2: [293, 59],
  pivot_root: [155, 41],
  ppoll: [271, 73],
  prctl: [157, 167],
  prlimit64: [302, 261],
  pselect6: [270, 72],
  read: [0, 63],
  readlinkat: [267, 78],
  recvfrom: [45, 207],
  recvmsg: [47, 212],
  renameat2: [316, 276],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  sched_getaffinity: [204, 123],
  sched_setaffinity: [203, 122],
  sched_setattr: [314, 274],
  seccomp: [317, 277],
  sendmsg: [46, 211],
  sendto: [44, 206],
  set_mempolicy: [238, 237],
  setdomainname: [171, 162],
  setgroups: [116, 159],
  sethostname: [170, 161],
  setns: [308, 268],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setsid: [112, 157],
  setsockopt: [54, 208],
  setxattr: [188, 5],
  shutdown: [48, 210],
  socket: [41, 198],
  socketpair: [53, 199],
  statx: [332, 291],
  symlinkat: [266, 36],
  umask: [95, 166],
  umount2: [166, 39],
  uname: [63, 160],
  unlinkat: [263, 35],
  unshare: [272, 97],
  wait4: [61, 260],
  waitid: [247, 95],
  write: [1, 64]
} as const

/** The number of each system call on one architecture. */
export type Numbers = { readonly [N in keyof typeof table]: number }

const made = new Map<string, Numbers>()

const numbersOf = (arch: string): Numbers =>
  Object.fromEntries(
    Object.entries(table).map(([name, [x64, arm64]]) => [name, arch === "arm64" ? arm64 : x64])
  ) as Numbers

/** The numbers for a value of `process.arch`. Made once for each: every process that makes calls has a client that asks. */
export const numbersFor = (arch: string): Numbers => {
  const before = made.get(arch)
  if (before !== undefined) return before
  const numbers = numbersOf(arch)
  made.set(arch, numbers)
  return numbers
}
