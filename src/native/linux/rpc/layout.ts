/**
 * The offsets of the fields in the memory that a client and its servers share. `node scripts/assemble.mjs` writes
 * `layout.h` from this file, and the C compiler compares each offset with the structures of `server.c`.
 *
 * Each table is a structure: names of fields, and their offsets in bytes.
 */

/**
 * A mailbox, by which a client asks one server for one call at a time.
 *
 * The word of state has a cache line for itself, so that polling it does not slow down writes of the arguments.
 */
export const mailbox = {
  /** A futex word: see {@link state}. */
  state: 0,
  /** 1 while the server sleeps, and must be woken. */
  serverSleeps: 4,
  /** The request: the number of a system call, and its six arguments. */
  number: 64,
  arguments: 72,
  /** The answer: a result, or a negative errno. */
  result: 128,
  /** 1 if the server must ring when it has answered: write a byte to its link. */
  rings: 136,
  /** The mailbox of the process that the next clone(2) makes. */
  next: 144,
  /** A `struct pollfd` with the server's end of the link. */
  link: 152,
  /** A `struct timespec`: how long a server sleeps before it checks whether its client still lives. */
  serverTimeout: 176,
  /** The server's thread id. */
  thread: 192,
  /** Whether the server polls for the next request for a moment before it sleeps. */
  looks: 196,
  /** A `struct robust_list_head`, by which the kernel marks the end of the server in the word of state. */
  robust: 200,
  /** The one entry of that list. */
  robustEntry: 224,
  /** A `struct timespec` that is always zero. */
  noTime: 232,
  /** How many descriptors the server closes before its next call, and then their numbers. */
  closes: 256,
  closeFds: 260
} as const

/** Bits of a mailbox's word of state, as futex(2) has them; the rest is the server's thread id. */
export const state = {
  /** The server has a request that it has not answered (`FUTEX_WAITERS`). */
  asked: 0x8000_0000,
  /** The server has ended, or has become a program (`FUTEX_OWNER_DIED`). */
  died: 0x4000_0000
} as const

/** The head of a group's memory: what the spawned process must do before it serves. */
export const head = {
  /** Its mailbox. */
  mailbox: 0,
  /** The signal mask to restore. */
  mask: 8,
  /** Why it could not execute its program: a negative errno, and the number of the call that failed. */
  error: 16,
  call: 20,
  /** The descriptor of its program. */
  image: 24,
  /** How many of the descriptors that it keeps have close-on-exec (`FD_CLOEXEC`), which its program sets again. */
  closedOnExec: 28,
  /** A signal set with all signals. */
  allSignals: 32,
  /** Its name, for ps(1). */
  name: 40,
  /** How many ranges of descriptors it closes, and how many descriptors it keeps. */
  ranges: 56,
  kept: 60,
  argv: 64,
  envp: 72,
  /** How many descriptors it puts on other numbers. */
  moves: 96,
  /**
   * The moves, each with its old and its new number; the ranges, each with its first and its last descriptor; then the
   * descriptors that it keeps, by their new numbers.
   */
  list: 100
} as const

/** An entry of a list of calls that a server makes at once. */
export const entry = {
  /** The number of a system call, or {@link number}.check; and its arguments. */
  number: 0,
  arguments: 8,
  /** What the call returned. */
  result: 56,
  /** What it must return: see {@link expected}. */
  expected: 64,
  wanted: 72,
  /** How many of the next entries are skipped if it fails with one of two errnos, and these as negative numbers. */
  skip: 80,
  skipOn: 88
} as const

/** Numbers that no system call has. */
export const number = {
  /** In a request: make a list of calls. The arguments are its address and its number of entries. */
  list: -1,
  /** In an entry: check memory instead of making a call. */
  check: -2
} as const

/** What the call of an entry must return so that the list continues. */
export const expected = { anything: 0, success: 1, wanted: 2 } as const

/** Sizes in bytes. */
export const sizes = {
  /** The head of a group's memory, with the list of descriptors and the stack after it. */
  head: 0x10000,
  /** The stack of a process that is spawned, until it executes its program. */
  spawnStack: 0x1000,
  entry: 128
} as const

/** The parameters of the thread that watches descriptors: see `watch` in server.c. */
export const watch = {
  /** The epoll(7) instance whose events it waits for. */
  epoll: 0,
  /** The pipe that it writes them to. */
  output: 4
} as const

const upper = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
const lower = (name: string): string => upper(name).toLowerCase()

const constants = (prefix: string, values: Readonly<Record<string, number>>): ReadonlyArray<string> =>
  Object.entries(values).map(([name, value]) =>
    `#define ${prefix}_${upper(name)} ${value < 0 ? `(${value})` : `0x${value.toString(16)}`}`
  )

const assertions = (structure: string, offsets: Readonly<Record<string, number>>): ReadonlyArray<string> => [
  `#define CHECK_${upper(structure)} \\`,
  Object.entries(offsets).map(([name, at]) =>
    `  _Static_assert(__builtin_offsetof(struct ${structure}, ${lower(name)}) == ${at}, "${structure}.${name}");`
  ).join(" \\\n")
]

/** The offsets for the C compiler: constants, and for each structure a macro that compares its fields with these. */
export const header = (): string =>
  [
    "/* Written by `node scripts/assemble.mjs` from layout.ts. */",
    ...constants("STATE", state),
    ...constants("SIZE", sizes),
    ...constants("NUMBER", number),
    ...constants("EXPECTED", expected),
    ...assertions("mailbox", mailbox),
    ...assertions("head", head),
    ...assertions("watch", watch),
    ...assertions("entry", entry),
    ""
  ].join("\n")
