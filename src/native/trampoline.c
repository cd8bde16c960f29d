/* The exec trampoline: what it does, and why, is said in trampoline.ts. */
#include "machine.h"

/* What it was made for. It is written here before the program is; the path stands right behind, then a filter. */
__attribute__((section(".parameters"))) volatile struct {
  s32 channel;
  u32 flags;
  /* Instructions of the filter, and where they are, from the parameters on; none without a filter. */
  u32 length;
  u32 filter;
} parameters;

static const char *at(u64 offset) { return (const char *)&parameters + offset; }

/* Tells the other end of the channel why the program could not be executed, and exits as shells do. */
static __attribute__((noreturn)) void fail(s32 number) {
  char record[5] = {'E', number, number >> 8, number >> 16, number >> 24};
  // nobody is left to tell if this fails
  syscall(SYS_write, parameters.channel, record, sizeof record);
  leave(number == ENOENT_ ? 127 : 126);
}

static void must(s64 result) {
  if (result < 0) fail(-result);
}

#ifdef REAPER
#include "reaper.h"
#endif

/* The kernel puts argc, argv, NULL, envp, NULL on the stack. */
__attribute__((used, noreturn)) static void run(u64 *stack) {
  u64 *argv = stack + 1;
  u64 *envp = argv + *stack + 1;
  must(syscall(SYS_fcntl, parameters.channel, F_SETFD, FD_CLOEXEC));
  if (parameters.length > 0) {
    struct { u16 length; const char *instructions; } filter = {parameters.length, at(parameters.filter)};
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, parameters.flags, &filter));
  }
#ifdef REAPER
  become_init();
#endif
  must(syscall(SYS_execve, at(sizeof parameters), argv, envp));
  for (;;) FAULT();
}

START(run)
