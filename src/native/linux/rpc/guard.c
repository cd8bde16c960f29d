/*
 * The guard: a process that holds a handle of each program that must not outlive the runtime, and kills these programs when
 * the runtime has gone. Guard.ts explains how it is used.
 *
 * Descriptor 0 is its end of a pair of sockets, 1 its own program. The runtime sends it the handles. It never answers, and
 * nothing but the runtime can reach it: it has no other descriptor, and all signals are blocked since its start.
 */
#include "../../machine.h"

enum {
  SOCKET = 0, IMAGE = 1,
  /* The first number of a handle: this process opens two descriptors before. */
  FIRST = 3,
  /* The most descriptors of one message (`SCM_MAX_FD`). */
  MOST = 253,
  /* Sent by the kernel when the thread that has made this process ends: nobody sends it by mistake. */
  DEATH = 64
};

typedef struct { u64 soft, hard; } limits;

struct event { u32 events; u64 data; }
#ifdef __x86_64__
__attribute__((packed))
#endif
;

struct guard {
  s32 epoll;
  s32 signals;
  /* How many handles it has, and may have. */
  u64 held, most;
  /* The highest number of a handle so far. */
  s32 highest;
};

static void watch(struct guard *guard, s32 fd, u32 events) {
  struct event event = {events, (u64)fd};
  // what can't be watched is held all the same
  syscall(SYS_epoll_ctl, guard->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Takes one message. Returns 0 if there is none, or no room for what comes with it. */
static int take(struct guard *guard) {
  u8 count = 0;
  s64 size = syscall(SYS_recvfrom, SOCKET, &count, 1, MSG_PEEK | MSG_DONTWAIT);
  // the rest waits in the socket, and the runtime sees when that is full
  if (size <= 0 || guard->held + count > guard->most) return 0;

  struct { u64 length; s32 level, type, fds[MOST + 1]; } control;
  struct { void *base; u64 length; } vector = {&count, 1};
  struct { void *name; u64 name_length; void *vectors; u64 vector_count; void *control; u64 control_length; u64 flags; } message = {
    0, 0, &vector, 1, &control, sizeof control, 0};
  if (syscall(SYS_recvmsg, SOCKET, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return 0;
  u64 came = message.control_length < 16 ? 0 : (control.length - 16) / 4;
  for (u64 index = 0; index < came; index++) {
    s32 fd = control.fds[index];
    if (fd > guard->highest) guard->highest = fd;
    guard->held++;
    watch(guard, fd, EPOLLIN);
  }
  // some are lost: the limit was lowered. The runtime sees that this guard has gone, and makes another one
  if (message.flags & MSG_CTRUNC) leave(1);
  return 1;
}

/* Kills all programs whose handles it has, then those whose handles wait in the socket. */
static __attribute__((noreturn)) void finish(struct guard *guard) {
  do {
    for (s32 fd = FIRST; fd <= guard->highest; fd++) {
      syscall(SYS_pidfd_send_signal, fd, SIGKILL);
      syscall(SYS_close, fd);
    }
    guard->held = 0;
  } while (take(guard));
  leave(0);
}

static void prepare(struct guard *guard) {
  syscall(SYS_close, IMAGE);
  syscall(SYS_prctl, PR_SET_NAME, "runfx-guard");
  syscall(SYS_prctl, PR_SET_DUMPABLE, 0);
  // a thread of the runtime can end before the runtime does
  syscall(SYS_prctl, PR_SET_PDEATHSIG, DEATH);
  // neither a terminal's nor a shell's signals to the runtime's group are for it, and it holds no directory
  syscall(SYS_setsid);
  syscall(SYS_chdir, "/");
  limits nofile = {0, 0};
  syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &nofile);
  nofile.soft = nofile.hard;
  syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &nofile, 0);

  u64 death = 1ul << (DEATH - 1);
  guard->epoll = syscall(SYS_epoll_create1, O_CLOEXEC);
  if (guard->epoll < 0) leave(1);
  guard->signals = syscall(SYS_signalfd4, -1, &death, 8, O_CLOEXEC);
  guard->held = 0;
  guard->most = nofile.hard > FIRST ? nofile.hard - FIRST : 0;
  guard->highest = 0;
  watch(guard, guard->signals, EPOLLIN);
  // edge-triggered: a message that has to wait does not wake this process again and again
  watch(guard, SOCKET, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

/* The program's start. */
__attribute__((noreturn)) void start(void) {
  struct guard guard;
  prepare(&guard);
  for (;;) {
    struct event events[16];
    s64 count = syscall(SYS_epoll_pwait, guard.epoll, events, 16, -1, 0, 8);
    if (count < 0 && count != -EINTR_) leave(1);
    for (s64 index = 0; index < count; index++) {
      s32 fd = events[index].data;
      // even if there is something to read, for which it has no room
      if (fd == guard.signals || (fd == SOCKET && events[index].events & EPOLLRDHUP)) finish(&guard);
      if (fd == SOCKET) continue;
      // the program has ended. To close the handle does not end the watch, since the runtime has it open, too
      syscall(SYS_epoll_ctl, guard.epoll, EPOLL_CTL_DEL, fd, 0);
      syscall(SYS_close, fd);
      guard.held--;
    }
    while (take(&guard)) {}
  }
}
