/*
 * A server, which makes system calls for another process, and its start. ServerPool.ts explains how it is used, and
 * layout.ts has the offsets of the fields in the shared memory.
 *
 * A server is a process that serves one mailbox. It trusts its client, but the client may end at any time. The client does
 * not trust the server, which a container may have taken over.
 */
#include "../../machine.h"
#include "layout.h"

typedef struct { s64 seconds, nanoseconds; } timespec;

struct mailbox {
  u32 state;
  u32 server_sleeps;
  u64 line[7];
  u64 number;
  u64 arguments[6];
  u64 other_line;
  s64 result;
  u32 rings, unused;
  struct mailbox *next;
  struct { s32 fd; u16 events, revents; } link;
  u64 unused_too[2];
  timespec server_timeout;
  u32 thread;
  u32 looks;
  u64 robust[3];
  u64 robust_entry;
  timespec no_time;
  u64 unused_three;
  u32 closes;
  s32 close_fds[];
};
CHECK_MAILBOX

struct head {
  struct mailbox *mailbox;
  u64 mask;
  s32 error;
  u32 call;
  s32 image;
  u32 closed_on_exec;
  u64 all_signals;
  char name[16];
  u32 ranges;
  u32 kept;
  u64 argv;
  u64 envp[3];
  u32 moves;
  u32 list[];
};
CHECK_HEAD

struct entry {
  u64 number;
  u64 arguments[6];
  s64 result;
  u64 expected;
  s64 wanted;
  u64 skip;
  s64 skip_on[2];
  u64 unused[3];
};
CHECK_ENTRY
_Static_assert(sizeof(struct entry) == SIZE_ENTRY, "entry");

static int is_asked(struct mailbox *mailbox) {
  return (s32)__atomic_load_n(&mailbox->state, __ATOMIC_ACQUIRE) < 0;
}

/*
 * Polls for a request for a moment: most of the client's JavaScript between two calls takes less, and a wake-up takes
 * longer. A server that finds none polls for half as long the next time, because the CPU time is charged to its container.
 */
static int look(struct mailbox *mailbox, u64 *moment) {
  u64 start = ticks();
  do {
    if (is_asked(mailbox)) return 1;
    PAUSE();
  } while (ticks() - start < *moment);
  *moment /= 2;
  return 0;
}

/* Sleeps until there is a request. Ends the process if its client has ended. */
static void sleep(struct mailbox *mailbox) {
  __atomic_exchange_n(&mailbox->server_sleeps, 1, __ATOMIC_SEQ_CST);
  while (!is_asked(mailbox)) {
    s64 result = syscall(SYS_futex, &mailbox->state, FUTEX_WAIT, mailbox->thread, &mailbox->server_timeout);
    // EAGAIN: the word has a value that it never has while a client needs this server
    if (result != -EAGAIN_ && result != -ETIMEDOUT_) continue;
#ifdef __x86_64__
    syscall(SYS_poll, &mailbox->link, 1, 0);
#else
    syscall(SYS_ppoll, &mailbox->link, 1, &mailbox->no_time, 0, 8);
#endif
    if (mailbox->link.revents & POLLHUP) leave(255);
  }
  __atomic_store_n(&mailbox->server_sleeps, 0, __ATOMIC_RELEASE);
}

/* Closes the descriptors that the client has queued. */
static void close_handles(struct mailbox *mailbox) {
  u32 count = mailbox->closes;
  if (count == 0) return;
  while (count > 0) syscall(SYS_close, mailbox->close_fds[--count]);
  mailbox->closes = 0;
}

/* Registers the robust list, by which the kernel marks this server's end. */
static s64 introduce(struct mailbox *mailbox) {
  mailbox->thread = syscall(SYS_gettid);
  return syscall(SYS_set_robust_list, mailbox->robust, sizeof mailbox->robust);
}

static s64 make(u64 number, const u64 with[6]) {
  return syscall6(number, with[0], with[1], with[2], with[3], with[4], with[5]);
}

/*
 * A check: compares some bits of the eight bytes at an address, XORed with those at a second address if there is one, with
 * a value.
 */
static int is_so(const u64 with[6]) {
  u64 bits = *(u64 *)with[0];
  if (with[1]) bits ^= *(u64 *)with[1];
  return ((bits & with[2]) == with[3]) == with[4];
}

static int is_expected(const struct entry *entry) {
  if (entry->expected == EXPECTED_ANYTHING) return 1;
  if (entry->expected == EXPECTED_SUCCESS) return (u64)entry->result < (u64)-4095;
  return entry->result == entry->wanted;
}

/*
 * Makes a list of calls, each only if the result of the one before was as expected. Returns how many entries were as
 * expected; the entry after these, if any, was not.
 */
static s64 make_list(struct entry *list, u64 count) {
  u64 at = 0;
  for (; at < count; at++) {
    struct entry *entry = &list[at];
    if ((s64)entry->number == NUMBER_CHECK) {
      if (!is_so(entry->arguments)) break;
      continue;
    }
    entry->result = make(entry->number, entry->arguments);
    if (is_expected(entry)) continue;
    if (entry->skip == 0 || (entry->result != entry->skip_on[0] && entry->result != entry->skip_on[1])) break;
    at += entry->skip;
  }
  return at;
}

/* A new server. Its first answer reports that it has started. */
static __attribute__((noreturn)) void serve(struct mailbox *mailbox) {
  u64 moment = moment_ticks();
  s64 result = introduce(mailbox);
  for (;;) {
    mailbox->result = result;
    __atomic_exchange_n(&mailbox->state, mailbox->thread, __ATOMIC_SEQ_CST);
    // the client is there as long as the other end of the link is open
    if (__atomic_load_n(&mailbox->rings, __ATOMIC_SEQ_CST)) syscall(SYS_write, mailbox->link.fd, "", 1);

    if (!mailbox->looks || !look(mailbox, &moment)) {
      u64 asleep = ticks();
      sleep(mailbox);
      if (ticks() - asleep < moment_ticks()) moment = moment_ticks();
    }
    close_handles(mailbox);

    u64 *with = mailbox->arguments;
    u64 number = mailbox->number;
    struct mailbox *next = mailbox->next;
    result = (s64)number == NUMBER_LIST ? make_list((struct entry *)with[0], with[1]) : make(number, with);
    if (number == SYS_clone && result == 0) {
      mailbox = next;
      result = introduce(mailbox);
    }
  }
}

/* Ends a spawned process if its call has failed; the client reads why. */
static void must(struct head *head, u32 call, s64 result) {
  if (result >= 0) return;
  head->call = call;
  __atomic_store_n(&head->error, (s32)result, __ATOMIC_RELEASE);
  leave(127);
}

/* Moves some of a spawned process's copies of the client's descriptors, and closes those that it does not keep. */
static void keep_own(struct head *head) {
  u32 *list = head->list;
  for (u32 left = head->moves; left > 0; left--, list += 2) {
    s64 flags = syscall(SYS_fcntl, list[0], F_GETFD);
    // what the client does not have open, the process has not either
    if (syscall(SYS_dup3, list[0], list[1], flags == FD_CLOEXEC ? O_CLOEXEC : 0) < 0) syscall(SYS_close, list[1]);
  }
  for (u32 left = head->ranges; left > 0; left--, list += 2) {
    must(head, SYS_close_range, syscall(SYS_close_range, list[0], list[1], 0));
  }
  // execve(2) must not close any of those that it keeps, so close-on-exec is cleared; the program sets it again
  u32 *closed_on_exec = list;
  for (u32 left = head->kept; left > 0; left--, list++) {
    if (syscall(SYS_fcntl, *list, F_GETFD) != FD_CLOEXEC) continue;
    syscall(SYS_fcntl, *list, F_SETFD, 0);
    *closed_on_exec++ = *list;
    head->closed_on_exec++;
  }
}

/* Runs in the memory of the client still. */
static void execute(void *argument) {
  struct head *head = argument;
  keep_own(head);
  must(head, SYS_execveat, syscall(SYS_execveat, head->image, head->envp, &head->argv, head->envp, AT_EMPTY_PATH));
}

/*
 * Starts a process that executes the program in `head->image`, which serves `head->mailbox`; returns its pid. The process
 * first closes all descriptors that it is not given. It has its own stack, so this thread continues meanwhile.
 */
s64 spawn(u64 flags, struct head *head) {
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &head->all_signals, &head->mask, 8);
  head->error = 0;
  head->closed_on_exec = 0;
  s64 pid = clone_onto(flags, (u64)head + SIZE_HEAD, execute, head);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &head->mask, 0, 8);
  return pid;
}

/* The memory of the server's group. The client fills this in before it writes the program. */
__attribute__((section(".parameters"))) volatile struct { u64 address, size, descriptor; } shared;

/*
 * Ends a program of the start that was executed once more, as the interpreter of the container's program: /proc/self/exe leads
 * each process to what it runs. Nobody listens any more but who reads standard error.
 */
static __attribute__((noreturn)) void misled(void) {
  static const char text[] = "runfx: the program's interpreter leads to /proc/self/exe, which is the start itself\n";
  syscall(SYS_write, 2, text, sizeof text - 1);
  leave(126);
}

/* The program's start. */
__attribute__((noreturn)) void start(void) {
  s64 address = syscall(SYS_mmap, shared.address, shared.size, 3, 0x11, shared.descriptor, 0);
  // it has no such descriptor, or another one by this number, which is none of a memory file
  if (address == -EBADF_ || address == -EACCES_ || address == -ENODEV_) misled();
  if (address < 0) leave(255);
  struct head *head = (struct head *)address;
  u32 *closed_on_exec = head->list + 2 * (head->moves + head->ranges);
  for (u32 left = head->closed_on_exec; left > 0; left--) syscall(SYS_fcntl, *closed_on_exec++, F_SETFD, FD_CLOEXEC);
  // a process that gets hold of this one's descriptors could use it
  syscall(SYS_close, shared.descriptor);
  syscall(SYS_close, head->image);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &head->mask, 0, 8);
  syscall(SYS_prctl, PR_SET_NAME, head->name);
  serve(head->mailbox);
}

struct watch { s32 epoll, output; };
CHECK_WATCH

/* Runs in a thread of the client's process. Passes on the events of epoll(7), and ends at an event that is zero. */
static void forward(void *argument) {
  struct watch *watch = argument;
  struct epoll_event { u32 events; u64 data; }
#ifdef __x86_64__
  __attribute__((packed))
#endif
  events[64];
  for (;;) {
    s64 count = syscall(SYS_epoll_pwait, watch->epoll, events, 64, -1, 0, 8);
    if (count == -EINTR_) continue;
    if (count < 0) break;
    for (s64 index = 0; index < count; index++) {
      if (events[index].data == 0) goto end;
    }
    if (syscall(SYS_write, watch->output, events, count * sizeof *events) < 0) break;
  }
end:
  syscall(SYS_close, watch->output);
  syscall(SYS_close, watch->epoll);
  for (;;) syscall(SYS_exit, 0);
}

/* Clones a thread of this process that watches descriptors; returns its number. */
s64 watch(u64 flags, struct watch *watch, u64 stack) { return clone_onto(flags, stack, forward, watch); }
