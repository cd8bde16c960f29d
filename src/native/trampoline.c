/* The exec trampoline. trampoline.ts explains what it does and why. */
#include "machine.h"

/* The length of the text `misled`, which trampoline.ts has. */
enum { MISLED = 84 };

/* Its parameters, which trampoline.ts fills in. The path follows them, and then the filter. */
__attribute__((section(".parameters"), aligned(4))) volatile struct {
  s32 channel;
  u32 flags;
  /* The number of the filter's instructions, and their offset from the parameters; zero without a filter. */
  u32 length;
  u32 filter;
} parameters;

static const char *at(u64 offset) { return (const char *)&parameters + offset; }

/*
 * Reports to the other end of the channel why the program could not be executed, and exits as shells do. If there is no channel, this
 * is the second time that the trampoline runs, as the interpreter of its program: then only standard error is left.
 */
static __attribute__((noreturn)) void fail(s32 number, s64 channel) {
  volatile char record[5];
  record[0] = 'E';
  *(volatile __attribute__((aligned(1), may_alias)) s32 *)(record + 1) = number;
  u64 where = (u64)record, length = sizeof record, to = parameters.channel;
  if (channel < 0) where = (u64)at(parameters.filter) - MISLED, length = MISLED, to = 2;
  // if this fails, nobody is left to report to
  syscall(SYS_write, to, where, length);
  leave(number == ENOENT_ ? 127 : 126);
}

#ifdef REAPER
static void must(s64 result) {
  if (result < 0) fail(-result, 0);
}

#include "reaper.h"
#endif

/* The kernel puts argc, argv, NULL, envp, NULL on the stack. */
__attribute__((used, noreturn)) static void run(u64 *stack) {
  u64 *argv = stack + 1;
  u64 *envp = argv + *stack + 1;
  s64 channel = syscall(SYS_fcntl, parameters.channel, F_SETFD, FD_CLOEXEC);
  s64 result = channel;
  if (result >= 0 && parameters.length > 0) {
    struct { u16 length; const char *instructions; } filter = {parameters.length, at(parameters.filter)};
    result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, parameters.flags, &filter);
  }
  if (result >= 0) {
#ifdef REAPER
    become_init(envp);
#endif
    result = syscall(SYS_execve, at(sizeof parameters), argv, envp);
  }
  fail(-result, channel);
}

START(run)
