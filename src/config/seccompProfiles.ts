/**
 * Seccomp filters by name, in the OCI form: `default` and `strict`.
 *
 * `default` follows the profile that container engines use (the default profile of Moby,
 * https://github.com/moby/profiles, and that of Podman, https://github.com/containers/common): all system calls that
 * programs need are allowed, and what is left out fails with an errno. It is written for a program without capabilities, and
 * differs in that calls of the kernel since then are known, and io_uring, which goes around filters, is not allowed.
 * `strict` takes away from it what a program that only computes, reads, writes, and speaks over sockets does without.
 *
 * @see seccomp(2), syscalls(2)
 */
import process from "node:process"
import { AF, CLONE } from "../native/constants.ts"
import type { Seccomp } from "./Container.ts"

/** Allowed whatever their arguments are. */
const allowed = `
  _llseek _newselect accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod
  chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
  epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve
  execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod
  fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr
  fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64
  futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64
  getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp
  getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid
  getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
  inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
  io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
  lchown lchown32 lgetxattr link linkat listen listxattr listxattrat llistxattr lremovexattr lseek lsetxattr
  lsm_get_self_attr lsm_list_modules lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
  mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify
  mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl
  msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open
  pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv
  preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead
  readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
  removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
  sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile
  sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid
  setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
  setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr
  setxattrat shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd signalfd4 sigpending
  sigprocmask sigreturn sigsuspend socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat
  sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
  timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
  timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat
  utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
`.trim().split(/\s+/)

/** Of the calls above, those that a strict filter leaves out: each has had its share of the kernel's holes. */
const lessTrodden = new Set([
  "adjtimex",
  "clock_adjtime",
  "clock_adjtime64",
  "fanotify_mark",
  "io_cancel",
  "io_destroy",
  "io_getevents",
  "io_pgetevents",
  "io_pgetevents_time64",
  "io_setup",
  "io_submit",
  "ipc",
  "memfd_secret",
  "mknod",
  "mknodat",
  "modify_ldt",
  "mq_getsetattr",
  "mq_notify",
  "mq_open",
  "mq_timedreceive",
  "mq_timedreceive_time64",
  "mq_timedsend",
  "mq_timedsend_time64",
  "mq_unlink",
  "msgctl",
  "msgget",
  "msgrcv",
  "msgsnd",
  "process_mrelease",
  "ptrace",
  "remap_file_pages",
  "semctl",
  "semget",
  "semop",
  "semtimedop",
  "semtimedop_time64",
  "shmat",
  "shmctl",
  "shmdt",
  "shmget",
  "socketcall",
  "splice",
  "tee",
  "vmsplice"
])

type Rule = Seccomp["syscalls"][number]

const allow = (names: ReadonlyArray<string>, args: Rule["args"] = []): Rule => ({
  names,
  action: "SCMP_ACT_ALLOW",
  args
})

const equals = (value: bigint) => [{ index: 0, value, valueTwo: 0n, op: "SCMP_CMP_EQ" }]

/** `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and the question which one it is. */
const personalities = [0n, 0x8n, 0x20000n, 0x20008n, 0xffffffffn]

/** `AF_VSOCK` of `bits/socket.h`: it reaches the hypervisor, and no network namespace holds it back. */
const AF_VSOCK = 40n

/** All flags that make a namespace. In clone(2), that of time is a part of the signal's number. */
const newNamespaces = BigInt(
  CLONE.NEWNS | CLONE.NEWCGROUP | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWUSER | CLONE.NEWPID | CLONE.NEWNET
)

const common: ReadonlyArray<Rule> = [
  ...personalities.map((value) => allow(["personality"], equals(value))),
  // without a new namespace
  allow(["clone"], [{ index: 0, value: newNamespaces, valueTwo: 0n, op: "SCMP_CMP_MASKED_EQ" }]),
  // its flags are in memory, where a filter can't look: C libraries fall back to clone(2)
  { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38, args: [] }
]

/** What container engines have, with the differences above. */
export const defaultProfile: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1,
  architectures: process.arch === "arm64"
    ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  flags: [],
  syscalls: [
    allow(allowed),
    ...common,
    allow(["socket"], [{ index: 0, value: AF_VSOCK, valueTwo: 0n, op: "SCMP_CMP_NE" }])
  ]
}

/** For an untrusted program: the machine's own calling convention, and no socket but those of files and of IP. */
export const strictProfile: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1,
  architectures: [process.arch === "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"],
  flags: [],
  syscalls: [
    allow(allowed.filter((name) => !lessTrodden.has(name))),
    ...common,
    ...[AF.UNIX, AF.INET, AF.INET6].map((family) => allow(["socket"], equals(BigInt(family))))
  ]
}

/** Filters by name. */
export const seccompProfiles = { default: defaultProfile, strict: strictProfile } as const
