/**
 * The errnos that Linux can fail a call with, as the man pages have it, for the calls that the flows make. What only a wrong
 * argument in the code brings about (EBADF, EFAULT) is left out, and so is what a handler repeats (EINTR).
 */
import type { Errno } from "../../src/native/Errno.ts"
import type { CallName } from "../../src/native/Kernel.ts"

const path = ["EACCES", "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EIO", "ENOMEM"] as const
const opening = [...path, "EMFILE", "ENFILE", "ENXIO", "ENODEV", "EPERM"] as const
// without EEXIST: what is there then is looked at, which a fault alone does not bring about
const making = [...path, "ENOSPC", "EDQUOT", "EROFS", "EPERM"] as const
const noRoom = ["EMFILE", "ENFILE", "ENOMEM"] as const

/** By call. */
export const manPageErrnos: Readonly<Partial<Record<CallName, ReadonlyArray<Errno>>>> = {
  openat: [...opening, "EROFS", "ENOSPC", "EDQUOT"],
  openat2: [...opening, "EROFS", "EXDEV", "EAGAIN", "ENOSYS"],
  read: ["EIO", "EINVAL", "ENODEV", "ESTALE"],
  write: ["EIO", "EINVAL", "ENOSPC", "EDQUOT", "EFBIG", "EPERM", "EBUSY", "EACCES"],
  mkdirat: making,
  mknodat: making,
  symlinkat: making,
  // without ENOTDIR and ELOOP, by which a removal learns that a file is no directory
  unlinkat: ["EACCES", "ENOENT", "EIO", "ENOMEM", "EBUSY", "EPERM", "EROFS"],
  renameat2: [...path, "EBUSY", "ENOSPC", "EROFS", "EDQUOT", "EXDEV", "EPERM"],
  readlinkat: [...path, "EINVAL"],
  statx: [...path, "ENOSYS"],
  fstatfs: ["EIO", "ENOMEM", "ENOSYS"],
  fchmod: ["EPERM", "EROFS", "EIO"],
  fchmodat: ["EPERM", "EROFS", "EIO", "ENOENT"],
  fchownat: ["EPERM", "EROFS", "EIO", "EINVAL"],
  getdents64: ["ENOENT", "EIO"],
  ftruncate: ["EIO", "EFBIG", "EPERM"],
  memfd_create: [...noRoom, "ENOSYS"],
  faccessat2: [...path, "EROFS", "ENOSYS"],
  chdir: path,
  fchdir: ["EACCES", "ENOTDIR"],
  chroot: ["EPERM", "EACCES", "ENOENT"],
  mount: [...path, "EPERM", "EBUSY", "EINVAL", "ENODEV", "ENXIO", "EROFS"],
  fsopen: ["EPERM", "ENODEV", "ENOSYS", ...noRoom],
  fsconfig: ["EPERM", "EINVAL", "EBUSY", "EACCES", "ENODEV", "ENOMEM", "EROFS", "ENOSPC"],
  fsmount: ["EPERM", "EINVAL", "EBUSY", "ENOSPC", ...noRoom],
  open_tree: ["EPERM", "EACCES", "ENOENT", "ENOSPC", "EINVAL", "ENOSYS", ...noRoom],
  move_mount: ["EPERM", "EINVAL", "ELOOP", "ENOENT", "EACCES", "ENOSPC", "ENOTDIR"],
  mount_setattr: ["EPERM", "EINVAL", "EBUSY", "ENOSYS", "ENOMEM"],
  umount2: ["EPERM", "EBUSY", "EINVAL", "ENOENT"],
  pivot_root: ["EPERM", "EBUSY", "EINVAL", "ENOTDIR"],
  setns: ["EPERM", "EINVAL", "ENOMEM", "ESRCH"],
  unshare: ["EPERM", "EINVAL", "ENOMEM", "ENOSPC", "EUSERS"],
  clone: ["EPERM", "EAGAIN", "ENOMEM", "ENOSPC", "EINVAL", "EUSERS"],
  reclone: ["EPERM", "EAGAIN", "ENOMEM", "ENOSPC"],
  socketpair: noRoom,
  socket: [...noRoom, "EACCES", "ENOBUFS"],
  setsockopt: ["EPERM", "ENOMEM"],
  sendmsg: ["EPIPE", "EAGAIN", "ECONNRESET", "ENOBUFS", "ENOMEM"],
  recvmsg: ["ENOMEM", "EAGAIN"],
  poll: ["ENOMEM", "EINVAL"],
  rtnetlink: ["EPERM", "EEXIST", "ENODEV", "EINVAL", "ENOTSUP", "ENOBUFS", "EBUSY", "EMFILE"],
  sethostname: ["EPERM"],
  setdomainname: ["EPERM"],
  setgroups: ["EPERM", "EINVAL", "ENOMEM"],
  setresuid: ["EPERM", "EAGAIN", "EINVAL"],
  setresgid: ["EPERM", "EINVAL"],
  capset: ["EPERM"],
  prctl: ["EPERM", "EINVAL"],
  prlimit64: ["EPERM", "EINVAL"],
  seccomp: ["EACCES", "EINVAL", "ENOMEM"],
  setsid: ["EPERM"],
  keyctl: ["EDQUOT", "ENOMEM", "EACCES", "EPERM", "ENOSYS"],
  ioctl: ["ENOTTY", "EIO", "EPERM"],
  execve: ["E2BIG", "EACCES", "ENOENT", "ENOEXEC", "ENOMEM", "ETXTBSY", "EPERM", "EIO", "ELOOP", "EISDIR", "EMFILE"],
  execveat: ["E2BIG", "EACCES", "ENOENT", "ENOEXEC", "ENOMEM", "ETXTBSY", "EPERM"],
  kill: ["EPERM", "ESRCH"],
  pidfd_open: ["ESRCH", "ENOSYS", ...noRoom],
  pidfd_send_signal: ["EPERM", "ESRCH"],
  waitid: ["ECHILD"],
  sched_setaffinity: ["EPERM", "EINVAL"],
  sched_setattr: ["EPERM", "EINVAL", "EBUSY"],
  ioprio_set: ["EPERM", "EINVAL"],
  close_range: ["EMFILE", "ENOMEM", "ENOSYS"],
  fcntl: ["EMFILE", "EACCES", "EAGAIN", "EPERM"],
  dup3: ["EMFILE", "EBUSY"],
  flock: ["ENOLCK"],
  setxattr: ["EPERM", "ENOTSUP", "ENOSPC", "EDQUOT", "EACCES"]
}
