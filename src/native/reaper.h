/*
 * Process 1 of a container whose program is its child. It reaps orphans, passes signals on to the program, and ends as the
 * program ends. With it, all other processes of its pid namespace end.
 *
 * It has no descriptors and no signal handlers, and only its own memory. The seccomp filter, which is loaded by now,
 * applies to it too.
 */

/* Tries the calls that the rest needs while a failure can still be reported: a filter may refuse them. */
static void try_all(void) {
  u64 none = 0, all = ~0ul;
  s64 no_time[2] = {0, 0};
  must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8));
  s64 result = syscall(SYS_rt_sigtimedwait, &none, 0, no_time, 8);
  if (result != -EAGAIN_) must(result);
  result = syscall(SYS_wait4, -1, 0, WNOHANG, 0);
  if (result != -ECHILD_) must(result);
  must(syscall(SYS_kill, syscall(SYS_getpid), 0));
}

/* Closes all descriptors: the standard streams are the program's, and the channel must close when the program runs. */
static void close_all(void) {
  if (syscall(SYS_close_range, 0, ~0u, 0) == 0) return;
  for (u32 fd = 0; fd < 4096; fd++) syscall(SYS_close, fd);
}

/* Reaps all processes that have ended. Does not return if the program is among them. */
static void reap(s64 program) {
  for (;;) {
    s32 status = 0;
    s64 ended = syscall(SYS_wait4, -1, &status, WNOHANG, 0);
    if (ended == -EINTR_) continue;
    if (ended <= 0) return;
    if (ended == program) leave((status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f));
  }
}

/* Writes the number of the program where a variable has the mark of environment.ts: for whom the sockets of a manager are. */
static void name_listener(u64 *envp, u64 own) {
  static const char mark[] = "LISTEN_PID=##########";
  for (; *envp != 0; envp++) {
    char *entry = (char *)*envp;
    u32 same = 0;
    while (same < sizeof mark && entry[same] == mark[same]) same++;
    if (same < sizeof mark) continue;
    u64 scale = 1;
    while (own / scale >= 10) scale *= 10;
    char *to = entry + 11;
    for (; scale > 0; scale /= 10) *to++ = '0' + own / scale % 10;
    *to = 0;
  }
}

/* Returns in the process that becomes the program. The other process stays as process 1. */
static void become_init(u64 *envp) {
  u64 none = 0, all = ~0ul;
  try_all();
  s64 program = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  must(program);
  // a terminal's signals are for the program, which becomes the foreground group; SIGTTOU must be blocked for that
  syscall(SYS_setpgid, program, program);
  if (program == 0) {
    s32 own = syscall(SYS_getpid);
    syscall(SYS_ioctl, 0, TIOCSPGRP, &own);
    name_listener(envp, own);
    must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8));
    return;
  }
  close_all();
  for (;;) {
    s64 signal = syscall(SYS_rt_sigtimedwait, &all, 0, 0, 8);
    if (signal == SIGCHLD) reap(program);
    else if (signal > 0) syscall(SYS_kill, program, signal);
  }
}
