/** Flags of open(2), openat2(2), fcntl(2), flock(2) and statx(2). */
import { AT, CLONE, F, LOCK, MS, O, RESOLVE, S } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  as,
  become,
  chmod,
  chown,
  fork,
  line,
  mkdir,
  mknod,
  mount,
  open,
  see,
  stat,
  symlink,
  touch
} from "../support/vocabulary.ts"

const openat2 = (path: string, flags: number, resolve = 0, mode = 0): Scenario[number] =>
  line("openat2", { dirfd: cwd, path, flags, mode, resolve }, as("o"))
const getFlags = line("fcntl", { fd: "$o", command: F.GETFL, argument: 0 }, see)
const setFlags = (argument: number): Scenario => [line("fcntl", { fd: "$o", command: F.SETFL, argument }), getFlags]
const use: Scenario = [
  getFlags,
  line("read", { fd: "$o", count: 1 }),
  line("write", { fd: "$o", data: "x" }),
  line("ftruncate", { fd: "$o", length: 0n }),
  line("flock", { fd: "$o", operation: LOCK.SH | LOCK.NB })
]
const largeFile = 0o100000
/** Access mode 3: neither for reading nor for writing. */
const neither = 3

export const opening: Readonly<Record<string, Scenario>> = {
  "every flag that open takes is one for openat2, and is kept": [
    touch("f"),
    mkdir("d"),
    ...[O.SYNC, O.DSYNC, O.NOATIME, O.ASYNC, O.DIRECT, largeFile, O.SYNC & ~O.DSYNC, O.APPEND | O.NONBLOCK].flatMap(
      (flags) => [openat2("f", flags), getFlags, openat2("d", flags), open("f", flags, "o"), getFlags]
    ),
    ...[4, 8, 16, 0x80000000, 0o40000000, O.PATH | O.RDWR, O.PATH | O.CREAT, O.PATH | O.NONBLOCK].map((flags) =>
      openat2("f", flags)
    ),
    open("f", O.PATH | O.RDWR | O.TRUNC | O.DIRECT, "o"),
    getFlags,
    openat2("f", O.RDONLY, 0, 0o644),
    openat2("n", O.CREAT | O.WRONLY, 0, 0o10644),
    openat2("n", O.CREAT | O.DIRECTORY, 0, 0o644),
    openat2(".", O.TMPFILE, 0, 0o600),
    openat2(".", O.TMPFILE & ~O.DIRECTORY | O.RDWR, 0, 0o600),
    openat2(".", O.TMPFILE | O.RDWR | O.CREAT, 0, 0o600)
  ],
  "access mode 3 asks for both rights, and gives neither": [
    touch("f"),
    mkdir("d"),
    mknod("p", S.IFIFO | 0o666),
    openat2("f", neither),
    ...use,
    open("f", neither | O.TRUNC, "o"),
    ...use,
    open("d", neither),
    open("p", neither | O.NONBLOCK),
    open("/dev/null", neither, "o"),
    ...use,
    open("/proc/self/uid_map", neither, "o"),
    ...use,
    open("/proc/self/ns/uts", neither),
    open("new", neither | O.CREAT, "o", 0o600),
    ...use,
    chmod("f", 0o444),
    fork(0, [...become(1000), open("f", neither), open("f", O.RDONLY)]),
    mount("/mnt", "/mnt", null, MS.BIND),
    mount(null, "/mnt", null, MS.BIND | MS.REMOUNT | MS.RDONLY),
    open("/mnt/f", neither),
    open("/mnt/f", neither | O.TRUNC)
  ],
  "only its owner reads a file without a trace": [
    touch("f"),
    touch("other"),
    chown("other", 5, 5),
    mkdir("d"),
    ...[1000, 5].map((id) =>
      fork(0, [
        ...become(id),
        ...["f", "other", "d", "/dev/null"].flatMap((path) => [
          open(path, O.NOATIME),
          openat2(path, O.NOATIME),
          openat2(path, O.NOATIME | O.WRONLY),
          open(path, O.RDONLY, "o"),
          ...setFlags(O.NOATIME)
        ])
      ])
    ),
    fork(CLONE.NEWUSER, [open("f", O.NOATIME), open("other", O.NOATIME)])
  ],
  "what has no way past the cache is not opened for it": [
    touch("f"),
    mkdir("r"),
    mount("ramfs", "r", "ramfs", 0),
    mknod("p", S.IFIFO | 0o666),
    ...["f", ".", "/etc/passwd", "/etc", "/dev/null", "/proc/self/status", "/sys/kernel/notes"].flatMap((path) => [
      open(path, O.DIRECT),
      openat2(path, O.DIRECT),
      open(path, O.RDONLY, "o"),
      ...setFlags(O.DIRECT),
      ...setFlags(0)
    ]),
    open("p", O.RDWR | O.DIRECT),
    open("p", O.RDWR, "o"),
    ...setFlags(O.DIRECT),
    // it is made before it is refused
    open("r/new", O.RDWR | O.CREAT | O.DIRECT, undefined, 0o600),
    stat("r/new", "mode")
  ],
  "the cache is walked as long as all is in it": [
    touch("f"),
    mkdir("d"),
    symlink("f", "l"),
    ...[0, RESOLVE.NO_XDEV, RESOLVE.NO_SYMLINKS, RESOLVE.BENEATH, RESOLVE.IN_ROOT].flatMap((how) =>
      [".", "f", "f/", "d", "d/../f", "/", "..", "/mnt/f", "missing", "missing/f", "f/x", ""].map((path) =>
        openat2(path, O.RDONLY, how | RESOLVE.CACHED)
      )
    ),
    openat2("l", O.RDONLY, RESOLVE.CACHED | RESOLVE.NO_SYMLINKS),
    chmod("d", 0),
    fork(0, [
      ...become(1000),
      openat2("d/f", O.RDONLY),
      openat2("d/f", O.RDONLY, RESOLVE.CACHED),
      openat2("d", O.RDONLY, RESOLVE.CACHED)
    ]),
    openat2("f", O.WRONLY | O.TRUNC, RESOLVE.CACHED),
    openat2("f", O.WRONLY | O.CREAT, RESOLVE.CACHED, 0o600),
    openat2(".", O.RDWR | O.TMPFILE, RESOLVE.CACHED, 0o600)
  ],
  "somebody's device in a sticky directory is not opened as if it were new": [
    mkdir("s"),
    chmod("s", 0o1777),
    chown("s", 1000, 0),
    mknod("s/null", S.IFCHR | 0o666, 1, 3),
    mkdir("s/d"),
    ...[1000, 2000].map((id) =>
      fork(0, [...become(id), open("s/null", O.CREAT | O.RDWR), open("s/null", O.RDWR), open("s/d", O.CREAT)])
    ),
    chown("s/null", 3, 3),
    open("s/null", O.CREAT | O.RDWR)
  ],
  "flock looks at what it is asked before it looks at the descriptor": [
    touch("f"),
    open("f", O.RDWR, "f"),
    open("f", O.PATH, "p"),
    ...["$f", "$p", -1, 400].flatMap((fd) =>
      [0, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 32, 33, 36, 64, 96, 128, 224, 256, -1].map((operation) =>
        line("flock", { fd, operation })
      )
    )
  ],
  "statx wants fields and flags that go together": [
    touch("f"),
    open("f", O.RDONLY, "f"),
    ...[0, 0x2000, 0x4000, 0x6000, 0x100, 0x200, 0x400, 0x10000].flatMap((flags) =>
      ["f", "", "missing"].map((path) => line("statx", { dirfd: cwd, path, flags, mask: 0x7ff }))
    ),
    ...[0, 0x1000, 0x7fffffff, 0x80000000, -1].flatMap((mask) =>
      ["f", "missing"].map((path) => line("statx", { dirfd: cwd, path, flags: 0, mask }))
    ),
    // beside a descriptor alone, unknown flags are not looked at
    ...[0, 0x100, 0x200, 0x6000, 0x10000].flatMap((flags) =>
      ["$f", -1, cwd].map((dirfd) => line("statx", { dirfd, path: "", flags: flags | AT.EMPTY_PATH, mask: 0x7ff }))
    )
  ]
}
