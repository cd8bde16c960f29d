/* The exec trampoline. trampoline.ts explains what it does and why. */
#include "machine.h"

/* Its parameters, which trampoline.ts fills in. The path follows them, and then the filter. */
__attribute__((section(".parameters"))) volatile struct {
  s32 channel;
  u32 flags;
  /* The number of the filter's instructions, and their offset from the parameters; zero without a filter. */
  u32 length;
  u32 filter;
} parameters;

static const char *at(u64 offset) { return (const char *)&parameters + offset; }

/* Reports to the other end of the channel why the program could not be executed, and exits as shells do. */
static __attribute__((noreturn)) void fail(s32 number) {
  char record[5] = {'E', number, number >> 8, number >> 16, number >> 24};
  // if this fails, nobody is left to report to
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
