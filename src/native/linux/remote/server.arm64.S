// System calls for another process to make: the machine code of both sides, for arm64. As server.x64.S.
.set STATE, 0
.set SERVER_SLEEPS, 4
.set NUMBER, 64
.set ARGUMENTS, 72
.set RESULT, 128
.set CLIENT_SLEEPS, 136
.set NEXT, 144
.set LIFELINE, 152
.set SERVER_TIMEOUT, 176
.set THREAD, 192
.set SERVER_SPINS, 196
.set ROBUST, 200
.set YIELDS, 232
.set SPINS, 236
.set CLOSES, 256
.set CLOSE_FDS, 260
.set NO_TIME, 240

.set OWN_SPINS, 0
.set OWN_YIELDS, 4
.set OWN_FULL, 8
.set OWN_TIMEOUT, 16

.set FAMILY_SHIFT, 29
.set FAMILY_SIZE, 1 << FAMILY_SHIFT
.set BORN_SEAT, 0
.set BORN_MASK, 8
.set BORN_ERROR, 16
.set BORN_LIMIT, 20
.set BORN_IMAGE, 24
.set BORN_COUNT, 28
.set BORN_ARGV, 32
.set BORN_EMPTY, 40
.set BORN_ALL, 48
.set BORN_ENVP, 56
.set BORN_NAME, 64
.set BORN_FDS, 80

.set FCNTL, 25
.set CLOSE, 57
.set PPOLL, 73
.set EXIT_GROUP, 94
.set FUTEX, 98
.set SET_ROBUST_LIST, 99
.set SCHED_YIELD, 124
.set SIGPROCMASK, 135
.set PRCTL, 167
.set GETTID, 178
.set CLONE, 220
.set MMAP, 222
.set EXECVEAT, 281
.set PIDFD_SEND_SIGNAL, 424
.set EBADF, 9
.set EAGAIN, 11
.set ETIMEDOUT, 110

.globl wake
wake:
  mov x8, #FUTEX
  mov x1, #1
  mov x2, #1
  svc #0
  ret

.globl answer
answer:
  mov x13, x0
  mov x14, x1
  ldr w9, [x14, #OWN_SPINS]
1:
  ldar w2, [x13]
  tbnz w2, #30, gone
  tbz w2, #31, 4f
  yield
  subs w9, w9, #1
  b.ne 1b
  ldr w9, [x14, #OWN_YIELDS]
  sub w11, w9, #1
  b 6f
5:
  mov x8, #SCHED_YIELD
  svc #0
  ldar w2, [x13]
  tbnz w2, #30, gone
  tbz w2, #31, 7f
6:
  subs w9, w9, #1
  b.pl 5b
  mov w10, #1
  str w10, [x13, #CLIENT_SLEEPS]
  dmb ish
  // an answer that came before the word above was seen wakes nobody
  ldar w2, [x13]
  tbnz w2, #30, 3f
  tbz w2, #31, 3f
2:
  mov x0, x13
  mov x8, #FUTEX
  mov x1, #0
  add x3, x14, #OWN_TIMEOUT
  svc #0
  ldar w2, [x13]
  tbnz w2, #30, 3f
  tbz w2, #31, 3f
  cmn x0, #EAGAIN
  b.eq 2b
  str wzr, [x13, #CLIENT_SLEEPS]
  mov x0, #-5001
  ret
7:
  ldr w10, [x14, #OWN_FULL]
  mov w12, #1
  cmp w9, w11
  csel w10, w12, w10, eq
  str w10, [x14, #OWN_SPINS]
  b 4f
3:
  str wzr, [x13, #CLIENT_SLEEPS]
  tbnz w2, #30, gone
4:
  ldr x0, [x13, #RESULT]
  ret
gone:
  mov x0, #-5000
  ret

.globl thread
thread:
  mov x13, x1
  mov x1, x2
  mov x2, #0
  mov x3, #0
  mov x4, #0
  mov x8, #CLONE
  svc #0
  cbz x0, 1f
  ret
1:
  mov x19, x13
  b born

.globl spawn
spawn:
  mov x13, x0
  mov x14, x1
  mov x8, #SIGPROCMASK
  mov x0, #2
  add x1, x14, #BORN_ALL
  add x2, x14, #BORN_MASK
  mov x3, #8
  svc #0
  str wzr, [x14, #BORN_ERROR]
  str wzr, [x14, #BORN_COUNT]
  mov x8, #CLONE
  mov x0, x13
  mov x1, #0
  mov x2, #0
  mov x3, #0
  mov x4, #0
  svc #0
  cbz x0, 1f
  mov x13, x0
  mov x8, #SIGPROCMASK
  mov x0, #2
  add x1, x14, #BORN_MASK
  mov x2, #0
  mov x3, #8
  svc #0
  mov x0, x13
  ret
1:
  mov w13, #0
  add x15, x14, #BORN_FDS
2:
  ldr w9, [x14, #BORN_LIMIT]
  cmp w13, w9
  b.hs 4f
  mov x8, #FCNTL
  mov w0, w13
  mov x1, #1
  svc #0
  cmp x0, #1
  b.ne 3f
  mov x8, #FCNTL
  mov w0, w13
  mov x1, #2
  mov x2, #0
  svc #0
  str w13, [x15], #4
  ldr w9, [x14, #BORN_COUNT]
  add w9, w9, #1
  str w9, [x14, #BORN_COUNT]
3:
  add w13, w13, #1
  b 2b
4:
  mov x8, #EXECVEAT
  ldr w0, [x14, #BORN_IMAGE]
  add x1, x14, #BORN_EMPTY
  ldr x2, [x14, #BORN_ARGV]
  ldr x3, [x14, #BORN_ENVP]
  mov x4, #0x1000
  svc #0
  str w0, [x14, #BORN_ERROR]
  mov x8, #EXIT_GROUP
  mov x0, #127
  svc #0
  brk #0

.balign 8
arena:
  .quad 0

.globl start
start:
  ldr x4, [sp]
  add x9, sp, #16
  add x9, x9, x4, lsl #3
  mov x10, #0
1:
  ldr x11, [x9], #8
  cbz x11, 2f
  add x10, x10, #1
  b 1b
2:
  ldr x0, arena
  add x0, x0, x10, lsl #FAMILY_SHIFT
  mov x8, #MMAP
  mov x1, #FAMILY_SIZE
  mov x2, #3
  mov x3, #0x11
  mov x5, #0
  svc #0
  tbnz x0, #63, orphaned
  mov x20, x0
  ldr w21, [x20, #BORN_COUNT]
  add x22, x20, #BORN_FDS
1:
  cbz w21, 2f
  mov x8, #FCNTL
  ldr w0, [x22], #4
  mov x1, #2
  mov x2, #1
  svc #0
  sub w21, w21, #1
  b 1b
2:
  mov x8, #CLOSE
  ldr x0, [sp]
  svc #0
  mov x8, #CLOSE
  ldr w0, [x20, #BORN_IMAGE]
  svc #0
  mov x8, #SIGPROCMASK
  mov x0, #2
  add x1, x20, #BORN_MASK
  mov x2, #0
  mov x3, #8
  svc #0
  mov x8, #PRCTL
  mov x0, #15
  add x1, x20, #BORN_NAME
  svc #0
  ldr x19, [x20, #BORN_SEAT]

born:
  mov x8, #GETTID
  svc #0
  str w0, [x19, #THREAD]
  mov x8, #SET_ROBUST_LIST
  add x0, x19, #ROBUST
  mov x1, #24
  svc #0

answered:
  str x0, [x19, #RESULT]
  ldr w10, [x19, #THREAD]
  dmb ish
  stlr w10, [x19]
  dmb ish
  ldr w10, [x19, #CLIENT_SLEEPS]
  cbz w10, serve
  mov x0, x19
  mov x8, #FUTEX
  mov x1, #1
  mov x2, #1
  svc #0

serve:
  ldr w9, [x19, #SERVER_SPINS]
1:
  ldar w10, [x19]
  tbnz w10, #31, 4f
  yield
  subs w9, w9, #1
  b.ne 1b
  ldr w9, [x19, #YIELDS]
  sub w11, w9, #1
  b 6f
5:
  mov x8, #SCHED_YIELD
  svc #0
  ldar w10, [x19]
  tbnz w10, #31, 7f
6:
  subs w9, w9, #1
  b.pl 5b
  mov w10, #1
  str w10, [x19, #SERVER_SLEEPS]
  dmb ish
2:
  ldar w10, [x19]
  tbnz w10, #31, 3f
  mov x0, x19
  mov x8, #FUTEX
  mov x1, #0
  ldr w2, [x19, #THREAD]
  add x3, x19, #SERVER_TIMEOUT
  svc #0
  cmn x0, #ETIMEDOUT
  b.ne 2b
  add x0, x19, #LIFELINE
  mov x8, #PPOLL
  mov x1, #1
  add x2, x19, #NO_TIME
  mov x3, #0
  mov x4, #8
  svc #0
  ldrh w10, [x19, #(LIFELINE + 6)]
  tbz w10, #0, 2b
  mov x8, #PIDFD_SEND_SIGNAL
  ldr w0, [x19, #LIFELINE]
  mov x1, #0
  mov x2, #0
  mov x3, #0
  svc #0
  cmn x0, #EBADF
  b.eq 2b
orphaned:
  mov x0, #255
  mov x8, #EXIT_GROUP
  svc #0
  brk #0
7:
  ldr w10, [x19, #SPINS]
  mov w12, #1
  cmp w9, w11
  csel w10, w12, w10, eq
  str w10, [x19, #SERVER_SPINS]
  b 4f
3:
  str wzr, [x19, #SERVER_SLEEPS]
4:
  ldr w9, [x19, #CLOSES]
  cbz w9, 9f
  add x10, x19, #CLOSE_FDS
8:
  sub w9, w9, #1
  mov x8, #CLOSE
  ldr w0, [x10, w9, uxtw #2]
  svc #0
  cbnz w9, 8b
  str wzr, [x19, #CLOSES]
9:
  ldr x8, [x19, #NUMBER]
  ldp x0, x1, [x19, #ARGUMENTS]
  ldp x2, x3, [x19, #(ARGUMENTS + 16)]
  ldp x4, x5, [x19, #(ARGUMENTS + 32)]
  cmp x8, #CLONE
  b.eq 5f
  svc #0
  b answered
5:
  ldr x20, [x19, #NEXT]
  svc #0
  cbnz x0, answered
  mov x19, x20
  b born
