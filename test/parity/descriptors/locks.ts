/** Locks and seals: flock(2), memfd_create(2). */
import { F, F_SEAL, LOCK, MFD, O, SOCK } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  fork,
  gate,
  join,
  line,
  mkdir,
  mount,
  open,
  openGate,
  pass,
  see,
  start,
  touch,
  uids
} from "../../support/vocabulary.ts"
import { at100, close, fcntl, flock, get, isOpen, put } from "./lines.ts"

export const locks: Readonly<Record<string, Scenario>> = {
  "a lock is the description's": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    open("f", O.RDONLY, "b"),
    flock("$a", LOCK.EX),
    flock("$b", LOCK.EX),
    flock("$b", LOCK.SH),
    flock("$a", LOCK.EX),
    fcntl("$a", F.DUPFD, 100, "c"),
    flock("$c", LOCK.EX),
    close("$a"),
    flock("$b", LOCK.EX),
    close("$c"),
    flock("$b", LOCK.EX)
  ],
  "a lock is shared, or exclusive": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    open("f", O.RDONLY, "b"),
    flock("$a", LOCK.SH),
    flock("$b", LOCK.SH),
    flock("$a", LOCK.EX),
    flock("$b", LOCK.UN),
    flock("$a", LOCK.EX),
    flock("$b", LOCK.SH),
    flock("$a", LOCK.SH),
    flock("$b", LOCK.SH)
  ],
  "a refused change of a lock loses the lock": [
    touch("f"),
    ...["a", "b", "c"].map((name) => open("f", O.RDONLY, name)),
    flock("$a", LOCK.SH),
    flock("$b", LOCK.SH),
    flock("$a", LOCK.EX),
    flock("$b", LOCK.UN),
    flock("$c", LOCK.EX)
  ],
  "a fork holds a lock on": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    flock("$a", LOCK.EX),
    gate("go"),
    start("other", 0, [pass("go")]),
    open("f", O.RDONLY, "b"),
    close("$a"),
    flock("$b", LOCK.EX),
    openGate("go"),
    join("other"),
    line("waitid", { idtype: 1, id: "$other", options: 4 }),
    flock("$b", LOCK.EX)
  ],
  "a fork may unlock for its parent": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    flock("$a", LOCK.EX),
    fork(0, [flock("$a", LOCK.UN)]),
    open("f", O.RDONLY, "b"),
    flock("$b", LOCK.EX)
  ],
  "a lock waits": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    flock("$a", LOCK.EX),
    start("other", 0, [open("f", O.RDONLY, "b"), line("flock", { fd: "$b", operation: LOCK.EX }), put(2, "")]),
    line("nanosleep", { nanoseconds: 30_000_000n }),
    flock("$a", LOCK.UN),
    join("other")
  ],
  "an operation on a lock is one of three": [
    touch("f"),
    open("f", O.RDONLY, "a"),
    line("flock", { fd: "$a", operation: 0 }),
    line("flock", { fd: "$a", operation: 3 }),
    flock("$a", LOCK.UN)
  ],
  "what can be locked": [
    mkdir("d"),
    open("d", O.RDONLY, "d"),
    flock("$d", LOCK.EX),
    line("pipe2", { flags: 0 }, as("p")),
    flock("$p.0", LOCK.EX),
    line("socketpair", { type: SOCK.STREAM }, as("s")),
    flock("$s.0", LOCK.EX),
    line("memfd_create", { name: "x", flags: 0 }, as("m")),
    flock("$m", LOCK.EX),
    open("/dev/null", O.RDWR, "null"),
    flock("$null", LOCK.SH)
  ],
  "a memfd may be sealed": [
    line("memfd_create", { name: "x", flags: MFD.ALLOW_SEALING }, as("m")),
    fcntl("$m", F.GET_SEALS),
    put("$m", "abc"),
    fcntl("$m", F.ADD_SEALS, F_SEAL.GROW),
    put("$m", "d"),
    line("ftruncate", { fd: "$m", length: 4n }),
    line("ftruncate", { fd: "$m", length: 2n }),
    fcntl("$m", F.ADD_SEALS, F_SEAL.SHRINK | F_SEAL.WRITE),
    line("ftruncate", { fd: "$m", length: 1n }),
    put("$m", "d"),
    fcntl("$m", F.ADD_SEALS, F_SEAL.SEAL),
    fcntl("$m", F.ADD_SEALS, F_SEAL.SEAL),
    fcntl("$m", F.GET_SEALS),
    fcntl("$m", F.ADD_SEALS, 0x1000)
  ],
  "a memfd that was made without seals": [
    line("memfd_create", { name: "x", flags: MFD.CLOEXEC }, as("m")),
    fcntl("$m", F.GET_SEALS),
    fcntl("$m", F.ADD_SEALS, F_SEAL.WRITE),
    fcntl("$m", F.GETFD),
    line("memfd_create", { name: "x".repeat(249), flags: 0 }),
    line("memfd_create", { name: "x".repeat(250), flags: 0 }),
    line("memfd_create", { name: "", flags: 0 }),
    line("memfd_create", { name: "x", flags: 0x100 })
  ],
  "only a memfd and a tmpfs have seals": [
    touch("f"),
    open("f", O.RDWR, "f"),
    fcntl("$f", F.GET_SEALS),
    fcntl("$f", F.ADD_SEALS, F_SEAL.WRITE),
    line("pipe2", { flags: 0 }, as("p")),
    fcntl("$p.0", F.GET_SEALS),
    open("/dev/null", O.RDWR, "null"),
    fcntl("$null", F.GET_SEALS)
  ],
  "a memfd opened again through /proc": [
    line("memfd_create", { name: "x", flags: MFD.ALLOW_SEALING }, as("m")),
    put("$m", "abc"),
    open("/proc/self/fd/$m", O.RDONLY, "r"),
    get("$r"),
    fcntl("$r", F.ADD_SEALS, F_SEAL.WRITE),
    fcntl("$m", F.ADD_SEALS, F_SEAL.WRITE),
    open("/proc/self/fd/$m", O.RDWR),
    open("/proc/self/fd/$m", O.RDONLY | O.TRUNC),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$m" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$r" }, see)
  ],
  "links of descriptors": [
    touch("f"),
    open("f", O.RDONLY, "f"),
    open("/dev/null", O.RDONLY, "null"),
    open("/", O.RDONLY, "root"),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$f" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$null" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$root" }, see),
    line("unlinkat", { dirfd: cwd, path: "f", flags: 0 }),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$f" }, see),
    open("/proc/self/fd/$f", O.RDONLY, "again"),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/400" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/x" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/-1" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/01" }, see)
  ],
  "descriptors are another's business": [
    touch("f"),
    open("f", O.RDONLY, "f"),
    gate("go"),
    start("other", 0, [pass("go")]),
    line("readlinkat", { dirfd: cwd, path: "/proc/$other/fd/$f" }, see),
    open("/proc/$other/fd/$f", O.RDONLY),
    fork(0, [
      uids(1000),
      line("readlinkat", { dirfd: cwd, path: "/proc/$other/fd/$f" }),
      open("/proc/$other/fd", O.RDONLY),
      open("/proc/$other/fdinfo/$f", O.RDONLY),
      open("/proc/$other/fd/$f", O.RDONLY)
    ]),
    openGate("go"),
    join("other")
  ],
  "what an unlinked file leaves": [
    ...at100,
    put(100, "abc"),
    line("unlinkat", { dirfd: cwd, path: "f", flags: 0 }),
    line("statx", { dirfd: 100, path: "", flags: 0x1000, mask: 0x7ff }, { see: ["nlink", "size"] }),
    open("/proc/self/fd/100", O.RDONLY, "again"),
    get("$again")
  ],
  "a descriptor keeps a mount busy": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    open("m", O.PATH, "m"),
    line("umount2", { target: "m", flags: 0 }),
    close("$m"),
    line("umount2", { target: "m", flags: 0 })
  ],
  "devices of memory": [
    open("/dev/null", O.RDWR, "null"),
    put("$null", "abc"),
    get("$null"),
    open("/dev/zero", O.RDWR, "zero"),
    put("$zero", "abc"),
    get("$zero", 3),
    open("/dev/full", O.RDWR, "full"),
    put("$full", "abc"),
    get("$full", 3),
    line("ftruncate", { fd: "$null", length: 0n }),
    line("fsync", { fd: "$null" })
  ],
  "another process shares a description, not the table": [
    ...at100,
    fork(0, [close(100), isOpen(100)]),
    isOpen(100)
  ]
}
