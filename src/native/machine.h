/*
 * What runfx's machine code needs of the machine: how to make a system call, the numbers of system calls, and a clock. The
 * code uses no C library and no data, and is position-independent.
 */
typedef signed int s32;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef signed long s64;
typedef unsigned long u64;

#if defined(__x86_64__)

enum {
  SYS_write = 1, SYS_close = 3, SYS_poll = 7, SYS_mmap = 9, SYS_rt_sigprocmask = 14, SYS_ioctl = 16, SYS_getpid = 39, SYS_clone = 56,
  SYS_execve = 59, SYS_exit = 60, SYS_wait4 = 61, SYS_kill = 62, SYS_fcntl = 72, SYS_setpgid = 109, SYS_rt_sigtimedwait = 128,
  SYS_prctl = 157, SYS_gettid = 186, SYS_futex = 202, SYS_exit_group = 231,
  SYS_set_robust_list = 273, SYS_epoll_pwait = 281, SYS_dup3 = 292, SYS_seccomp = 317, SYS_execveat = 322, SYS_close_range = 436,
  SYS_recvfrom = 45, SYS_recvmsg = 47, SYS_chdir = 80, SYS_setsid = 112, SYS_epoll_ctl = 233, SYS_signalfd4 = 289,
  SYS_epoll_create1 = 291, SYS_prlimit64 = 302, SYS_pidfd_send_signal = 424
};

static inline s64 syscall6(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  s64 result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* Lets the other hyperthread run. */
#define PAUSE() __asm__ volatile("pause")
/* A fault, if not even exit_group(2) is allowed. */
#define FAULT() __asm__ volatile("hlt")

/* Ticks of a clock, and how many of them are a moment, which is some 50 microseconds. */
static inline u64 ticks(void) {
  u32 low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (u64)high << 32 | low;
}
static inline u64 moment_ticks(void) { return 125000; }

/* clone(2) with a new stack for the child, which runs `child(argument)` and never returns. */
static inline s64 clone_onto(u64 flags, u64 stack, void (*child)(void *), void *argument) {
  s64 result;
  register void *kept __asm__("rbx") = argument;
  register void (*entry)(void *) __asm__("r12") = child;
  register u64 r10 __asm__("r10") = 0;
  register u64 r8 __asm__("r8") = 0;
  __asm__ volatile("syscall\n\t"
                   "test %%rax, %%rax\n\t"
                   "jnz 1f\n\t"
                   "mov %%rbx, %%rdi\n\t"
                   "call *%%r12\n\t"
                   "hlt\n"
                   "1:"
                   : "=a"(result)
                   : "a"(SYS_clone), "D"(flags), "S"(stack), "d"(0), "r"(r10), "r"(r8), "r"(kept), "r"(entry)
                   : "rcx", "r11", "memory");
  return result;
}

/* The start of a program: calls `run(stack)`, where argc is. */
#define START(run) \
  __asm__(".pushsection .text.entry, \"ax\"\n.globl start\nstart:\n  mov %rsp, %rdi\n  call " #run "\n.popsection");

#elif defined(__aarch64__)

enum {
  SYS_epoll_pwait = 22, SYS_dup3 = 24, SYS_fcntl = 25, SYS_ioctl = 29, SYS_close = 57, SYS_write = 64, SYS_ppoll = 73, SYS_exit = 93, SYS_exit_group = 94, SYS_futex = 98,
  SYS_set_robust_list = 99, SYS_kill = 129, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_setpgid = 154,
  SYS_prctl = 167, SYS_getpid = 172, SYS_gettid = 178,
  SYS_clone = 220, SYS_execve = 221, SYS_mmap = 222, SYS_wait4 = 260, SYS_seccomp = 277, SYS_execveat = 281, SYS_close_range = 436,
  SYS_epoll_create1 = 20, SYS_epoll_ctl = 21, SYS_chdir = 49, SYS_signalfd4 = 74, SYS_setsid = 157, SYS_recvfrom = 207,
  SYS_recvmsg = 212, SYS_prlimit64 = 261, SYS_pidfd_send_signal = 424
};

static inline s64 syscall6(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 x8 __asm__("x8") = number;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  register u64 x2 __asm__("x2") = c;
  register u64 x3 __asm__("x3") = d;
  register u64 x4 __asm__("x4") = e;
  register u64 x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

#define PAUSE() __asm__ volatile("yield")
#define FAULT() __asm__ volatile("brk #0")

static inline u64 ticks(void) {
  u64 now;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
}
static inline u64 moment_ticks(void) {
  u64 frequency;
  __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency / 20000;
}

static inline s64 clone_onto(u64 flags, u64 stack, void (*child)(void *), void *argument) {
  register u64 x8 __asm__("x8") = SYS_clone;
  register u64 x0 __asm__("x0") = flags;
  register u64 x1 __asm__("x1") = stack;
  register u64 x2 __asm__("x2") = 0;
  register u64 x3 __asm__("x3") = 0;
  register u64 x4 __asm__("x4") = 0;
  register void *kept __asm__("x9") = argument;
  register void (*entry)(void *) __asm__("x10") = child;
  __asm__ volatile("svc #0\n\t"
                   "cbnz x0, 1f\n\t"
                   "mov x0, x9\n\t"
                   "blr x10\n\t"
                   "brk #0\n"
                   "1:"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(kept), "r"(entry)
                   : "x30", "memory");
  return x0;
}

#define START(run) \
  __asm__(".pushsection .text.entry, \"ax\"\n.globl start\nstart:\n  mov x0, sp\n  bl " #run "\n.popsection");

#endif

/* Makes a system call with any number of arguments. */
#define syscall(...) SYSCALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYSCALL_(number, a, b, c, d, e, f, ...) \
  syscall6((u64)(number), (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

enum {
  ENOENT_ = 2, EINTR_ = 4, EBADF_ = 9, ECHILD_ = 10, EAGAIN_ = 11, EACCES_ = 13, ENODEV_ = 19, ETIMEDOUT_ = 110,
  F_GETFD = 1, F_SETFD = 2, FD_CLOEXEC = 1, O_CLOEXEC = 02000000,
  MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_DONTWAIT = 0x40, MSG_CMSG_CLOEXEC = 0x40000000,
  EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLLIN = 1, EPOLLRDHUP = 0x2000,
  WNOHANG = 1, SIGKILL = 9, SIGCHLD = 17, TIOCSPGRP = 0x5410,
  FUTEX_WAIT = 0, FUTEX_WAKE = 1,
  SIG_SETMASK = 2, PR_SET_PDEATHSIG = 1, PR_SET_DUMPABLE = 4, PR_SET_NAME = 15, RLIMIT_NOFILE = 7, SECCOMP_SET_MODE_FILTER = 1, AT_EMPTY_PATH = 0x1000, POLLHUP = 0x10
};
#define EPOLLET 0x80000000u

static inline void __attribute__((noreturn)) leave(s32 status) {
  syscall(SYS_exit_group, status);
  for (;;) FAULT();
}
