/* Written by `node scripts/assemble.mjs` from layout.ts. */
#define STATE_ASKED 0x80000000
#define STATE_DIED 0x40000000
#define SIZE_HEAD 0x10000
#define SIZE_SPAWN_STACK 0x1000
#define SIZE_ENTRY 0x80
#define NUMBER_LIST (-1)
#define NUMBER_CHECK (-2)
#define EXPECTED_ANYTHING 0x0
#define EXPECTED_SUCCESS 0x1
#define EXPECTED_WANTED 0x2
#define CHECK_MAILBOX \
  _Static_assert(__builtin_offsetof(struct mailbox, state) == 0, "mailbox.state"); \
  _Static_assert(__builtin_offsetof(struct mailbox, server_sleeps) == 4, "mailbox.serverSleeps"); \
  _Static_assert(__builtin_offsetof(struct mailbox, number) == 64, "mailbox.number"); \
  _Static_assert(__builtin_offsetof(struct mailbox, arguments) == 72, "mailbox.arguments"); \
  _Static_assert(__builtin_offsetof(struct mailbox, result) == 128, "mailbox.result"); \
  _Static_assert(__builtin_offsetof(struct mailbox, rings) == 136, "mailbox.rings"); \
  _Static_assert(__builtin_offsetof(struct mailbox, next) == 144, "mailbox.next"); \
  _Static_assert(__builtin_offsetof(struct mailbox, link) == 152, "mailbox.link"); \
  _Static_assert(__builtin_offsetof(struct mailbox, server_timeout) == 176, "mailbox.serverTimeout"); \
  _Static_assert(__builtin_offsetof(struct mailbox, thread) == 192, "mailbox.thread"); \
  _Static_assert(__builtin_offsetof(struct mailbox, looks) == 196, "mailbox.looks"); \
  _Static_assert(__builtin_offsetof(struct mailbox, robust) == 200, "mailbox.robust"); \
  _Static_assert(__builtin_offsetof(struct mailbox, robust_entry) == 224, "mailbox.robustEntry"); \
  _Static_assert(__builtin_offsetof(struct mailbox, no_time) == 232, "mailbox.noTime"); \
  _Static_assert(__builtin_offsetof(struct mailbox, closes) == 256, "mailbox.closes"); \
  _Static_assert(__builtin_offsetof(struct mailbox, close_fds) == 260, "mailbox.closeFds");
#define CHECK_HEAD \
  _Static_assert(__builtin_offsetof(struct head, mailbox) == 0, "head.mailbox"); \
  _Static_assert(__builtin_offsetof(struct head, mask) == 8, "head.mask"); \
  _Static_assert(__builtin_offsetof(struct head, error) == 16, "head.error"); \
  _Static_assert(__builtin_offsetof(struct head, call) == 20, "head.call"); \
  _Static_assert(__builtin_offsetof(struct head, image) == 24, "head.image"); \
  _Static_assert(__builtin_offsetof(struct head, closed_on_exec) == 28, "head.closedOnExec"); \
  _Static_assert(__builtin_offsetof(struct head, all_signals) == 32, "head.allSignals"); \
  _Static_assert(__builtin_offsetof(struct head, name) == 40, "head.name"); \
  _Static_assert(__builtin_offsetof(struct head, ranges) == 56, "head.ranges"); \
  _Static_assert(__builtin_offsetof(struct head, kept) == 60, "head.kept"); \
  _Static_assert(__builtin_offsetof(struct head, argv) == 64, "head.argv"); \
  _Static_assert(__builtin_offsetof(struct head, envp) == 72, "head.envp"); \
  _Static_assert(__builtin_offsetof(struct head, moves) == 96, "head.moves"); \
  _Static_assert(__builtin_offsetof(struct head, list) == 100, "head.list");
#define CHECK_WATCH \
  _Static_assert(__builtin_offsetof(struct watch, epoll) == 0, "watch.epoll"); \
  _Static_assert(__builtin_offsetof(struct watch, output) == 4, "watch.output");
#define CHECK_ENTRY \
  _Static_assert(__builtin_offsetof(struct entry, number) == 0, "entry.number"); \
  _Static_assert(__builtin_offsetof(struct entry, arguments) == 8, "entry.arguments"); \
  _Static_assert(__builtin_offsetof(struct entry, result) == 56, "entry.result"); \
  _Static_assert(__builtin_offsetof(struct entry, expected) == 64, "entry.expected"); \
  _Static_assert(__builtin_offsetof(struct entry, wanted) == 72, "entry.wanted"); \
  _Static_assert(__builtin_offsetof(struct entry, skip) == 80, "entry.skip"); \
  _Static_assert(__builtin_offsetof(struct entry, skip_on) == 88, "entry.skipOn");
