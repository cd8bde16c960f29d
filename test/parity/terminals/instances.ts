/** devpts instances, masters and slaves, and where ptmx is. */
import { CLONE, O, S } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import { as, fork, line, mkdir, mount, open, see, symlink, touch, uids, umount } from "../../support/vocabulary.ts"
import {
  close,
  control,
  get,
  giveUp,
  instance,
  noctty,
  number,
  peer,
  put,
  resize,
  size,
  terminal,
  unlock
} from "./lines.ts"

const stat = (path: string, ...see: ReadonlyArray<string>): Line =>
  line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see })

export const instances: Readonly<Record<string, Scenario>> = {
  "terminals are numbered from 0, the lowest that is free": [
    ...instance,
    open("pts/ptmx", noctty, "a"),
    open("pts/ptmx", noctty, "b"),
    open("pts/ptmx", noctty, "c"),
    number("$a"),
    number("$b"),
    number("$c"),
    close("$b"),
    open("pts/ptmx", noctty, "d"),
    number("$d")
  ],
  "an instance has terminals of its own": [
    ...instance,
    mkdir("other"),
    mount("devpts", "other", "devpts", 0, "newinstance,ptmxmode=0666"),
    open("pts/ptmx", noctty, "a"),
    open("other/ptmx", noctty, "b"),
    number("$a"),
    number("$b"),
    open("other/1", noctty)
  ],
  "the options of an instance": [
    ...instance,
    open("pts/ptmx", noctty, "a"),
    stat("pts", "mode", "uid", "gid"),
    stat("pts/ptmx", "mode", "uid", "gid", "rdev"),
    stat("pts/0", "mode", "uid", "gid", "rdev", "nlink"),
    mkdir("plain"),
    mount("devpts", "plain", "devpts", 0, null),
    open("plain/ptmx", noctty, "b"),
    stat("plain/ptmx", "mode"),
    stat("plain/0", "mode", "uid", "gid")
  ],
  "options that are none": [
    mkdir("pts"),
    mount("devpts", "pts", "devpts", 0, "mode=999"),
    mount("devpts", "pts", "devpts", 0, "nothing"),
    mount("devpts", "pts", "devpts", 0, "ptmxmode=x"),
    mount("devpts", "pts", "devpts", 0, "gid=-1"),
    mount("devpts", "pts", "devpts", 0, "max=1"),
    open("pts/ptmx", noctty, "a"),
    open("pts/ptmx", noctty)
  ],
  "a terminal belongs to whoever opens the master": [
    ...instance,
    fork(0, [uids(1000), open("pts/ptmx", noctty, "a"), stat("pts/0", "uid", "gid", "mode")])
  ],
  "a slave is locked at first": [
    ...instance,
    open("pts/ptmx", noctty, "master"),
    open("pts/0", noctty),
    peer("$master"),
    unlock("$master"),
    open("pts/0", noctty),
    peer("$master"),
    unlock("$master", 1),
    open("pts/0", noctty),
    peer("$master")
  ],
  "a slave needs a terminal": [
    ...instance,
    open("pts/0", noctty),
    open("pts/ptmx", noctty, "m"),
    unlock("$m"),
    open("pts/0", O.PATH, "p"),
    close("$m"),
    open("pts/0", noctty),
    open("/proc/self/fd/$p", noctty)
  ],
  "a slave's number goes with its master": [
    ...terminal,
    close("$master"),
    stat("pts/0", "mode"),
    open("pts/0", noctty),
    open("pts/ptmx", noctty, "again"),
    number("$again")
  ],
  "a slave's number is kept while the slave is open": [
    ...terminal,
    close("$master"),
    open("pts/ptmx", noctty, "again"),
    number("$again"),
    close("$slave"),
    open("pts/ptmx", noctty, "more"),
    number("$more")
  ],
  "a node of a slave opens it": [
    ...terminal,
    line("mknodat", { dirfd: cwd, path: "node", mode: S.IFCHR | 0o666, major: 136, minor: 0 }),
    open("node", noctty)
  ],
  "questions about a master are not for a slave": [
    ...terminal,
    number("$slave"),
    unlock("$slave"),
    peer("$slave"),
    size("$slave"),
    size("$master")
  ],
  "questions about terminals are not for files": [
    touch("f"),
    open("f", O.RDWR, "f"),
    open("/dev/null", O.RDWR, "null"),
    line("pipe2", { flags: 0 }, as("p")),
    ...["$f", "$null", "$p.0"].flatMap((
      fd
    ) => [
      number(fd),
      unlock(fd),
      size(fd),
      resize(fd, 1, 1),
      control(fd),
      giveUp(fd),
      peer(fd),
      line("ioctl_tcgets", { fd })
    ])
  ],
  "ptmx beside a mounted pts": [
    mkdir("dev"),
    mkdir("dev/pts"),
    line("mknodat", { dirfd: cwd, path: "dev/ptmx", mode: S.IFCHR | 0o666, major: 5, minor: 2 }),
    open("dev/ptmx", noctty),
    mount("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666"),
    open("dev/ptmx", noctty, "m"),
    number("$m"),
    stat("dev/pts/0", "rdev"),
    umount("dev/pts", 2),
    open("dev/ptmx", noctty)
  ],
  "ptmx by a link": [
    ...instance,
    symlink("pts/ptmx", "ptmx"),
    open("ptmx", noctty, "m"),
    number("$m")
  ],
  "a bind mount of ptmx": [
    ...instance,
    touch("ptmx"),
    mount("pts/ptmx", "ptmx", null, 0x1000),
    open("ptmx", noctty, "m"),
    number("$m")
  ],
  "a terminal through a link of /proc": [
    ...terminal,
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$slave" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$master" }, see),
    open("/proc/self/fd/$slave", noctty, "again"),
    size("$again"),
    line("statx", { dirfd: "$slave", path: "", flags: 0x1000, mask: 0x7ff }, { see: ["mode", "uid", "gid", "rdev"] }),
    line("statx", { dirfd: "$master", path: "", flags: 0x1000, mask: 0x7ff }, { see: ["mode", "uid", "gid", "rdev"] })
  ],
  "a mode and an owner of a terminal": [
    ...terminal,
    line("fchmod", { fd: "$slave", mode: 0o600 }),
    stat("pts/0", "mode"),
    line("fchownat", { dirfd: cwd, path: "pts/0", uid: 1000, gid: 1000, flags: 0 }),
    stat("pts/0", "uid", "gid"),
    fork(0, [uids(1000), open("pts/0", noctty), open("pts/ptmx", noctty)]),
    fork(0, [uids(1001), open("pts/0", noctty)])
  ],
  "no name is made or removed in an instance": [
    ...terminal,
    touch("pts/x"),
    mkdir("pts/d"),
    line("unlinkat", { dirfd: cwd, path: "pts/0", flags: 0 }),
    line("mknodat", { dirfd: cwd, path: "pts/n", mode: S.IFCHR, major: 136, minor: 3 }),
    symlink("x", "pts/l")
  ],
  "an instance of a user namespace": [
    mkdir("pts"),
    fork(CLONE.NEWUSER | CLONE.NEWNS, [
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance,ptmxmode=0666"),
      open("/mnt/pts/ptmx", noctty),
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance,gid=5")
    ])
  ],
  "a busy instance stays, and goes lazily": [
    ...terminal,
    umount("pts"),
    umount("pts", 2),
    ...put("$slave", "x"),
    get("$master"),
    number("$master")
  ]
}
