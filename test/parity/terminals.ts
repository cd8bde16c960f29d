/** Terminals: devpts instances, masters and slaves, controlling terminals, sizes and modes. */
import { CLONE, O, POLL, S, SIG, TIOC } from "../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../support/parity.ts"
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
  symlink,
  touch,
  uids,
  umount
} from "../support/vocabulary.ts"

const noctty = O.RDWR | O.NOCTTY
const close = (fd: string | number): Line => line("close", { fd })
const unlock = (fd: string, locked = 0): Line => line("ioctl_sptlck", { fd, locked })
const number = (fd: string): Line => line("ioctl_gptn", { fd }, see)
const peer = (fd: string, name?: string, flags: number = noctty): Line =>
  line("ioctl", { fd, request: TIOC.GPTPEER, argument: flags }, name === undefined ? {} : as(name))
const control = (fd: string, argument = 0): Line => line("ioctl", { fd, request: TIOC.SCTTY, argument })
const giveUp = (fd: string): Line => line("ioctl", { fd, request: TIOC.NOTTY, argument: 0 })
const size = (fd: string): Line => line("ioctl_gwinsz", { fd }, see)
const resize = (fd: string, rows: number, columns: number): Line => line("ioctl_swinsz", { fd, rows, columns })
const modes = (fd: string): Line =>
  line("ioctl_tcgets", { fd }, { see: ["input", "output", "control", "local", "line", "characters"], as: "modes" })
const get = (fd: string, count = 100): Line => line("read", { fd, count }, see)
/** A write, and the moment that the kernel takes to carry it to the other end (flush_to_ldisc). */
const put = (fd: string, data: string): Scenario => [
  line("write", { fd, data }, see),
  line("nanosleep", { nanoseconds: 10_000_000n })
]
const setsid = line("setsid")
const stat = (path: string, ...see: ReadonlyArray<string>): Line =>
  line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see })
const poll = (fd: string): Line => line("poll", { fds: [fd], events: POLL.IN | POLL.OUT, timeout: 0 }, see)
const nonblocking = (fd: string): Line => line("fcntl", { fd, command: 4, argument: O.NONBLOCK })
/** Raw: no echo, no lines, no signals, nothing changed on the way out. */
const raw = (fd: string): Scenario => [
  line("ioctl_tcgets", { fd }, as("old")),
  line("ioctl_tcsetsw", {
    fd,
    modes: { input: 0, output: 0, control: "$old.control", local: 0, line: 0, characters: "$old.characters" }
  })
]
/** An own instance at `pts`, with a master and an unlocked slave. */
const instance: Scenario = [
  mkdir("pts"),
  mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
]
const terminal: Scenario = [
  ...instance,
  open("pts/ptmx", noctty, "master"),
  unlock("$master"),
  open("pts/0", noctty, "slave")
]
const rawTerminal: Scenario = [...terminal, ...raw("$slave")]

export const terminals: Readonly<Record<string, Scenario>> = {
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
  "a size is that of both ends": [
    ...terminal,
    size("$master"),
    resize("$master", 20, 30),
    size("$slave"),
    resize("$slave", 65535, 1),
    size("$master"),
    resize("$slave", 0, 0),
    size("$slave")
  ],
  "modes are those of both ends": [
    ...terminal,
    modes("$slave"),
    modes("$master"),
    ...raw("$slave"),
    modes("$master"),
    modes("$slave"),
    ...raw("$master")
  ],
  "a terminal of bytes": [
    ...rawTerminal,
    ...put("$master", "abc"),
    get("$slave"),
    ...put("$slave", "d\ne"),
    get("$master"),
    nonblocking("$master"),
    nonblocking("$slave"),
    get("$master"),
    get("$slave")
  ],
  "a terminal of lines": [
    ...terminal,
    nonblocking("$slave"),
    nonblocking("$master"),
    ...put("$master", "ab"),
    get("$slave"),
    get("$master"),
    ...put("$master", "c\n"),
    get("$slave"),
    get("$master"),
    ...put("$slave", "x\ny"),
    get("$master"),
    ...put("$master", "q\r"),
    get("$slave"),
    ...put("$master", "one\ntwo\n"),
    get("$slave"),
    get("$slave", 2),
    get("$slave")
  ],
  "an end of file is typed": [
    ...terminal,
    ...put("$master", "\x04"),
    get("$slave"),
    ...put("$master", "ab\x04"),
    get("$slave"),
    nonblocking("$slave"),
    get("$slave")
  ],
  "typed letters are erased": [
    ...terminal,
    ...put("$master", "abc\x7fd\n"),
    get("$slave"),
    ...put("$master", "abc\x15de\n"),
    get("$slave")
  ],
  "a read of a part": [...rawTerminal, ...put("$master", "abcdef"), get("$slave", 2), get("$slave", 0), get("$slave")],
  "a master without slaves": [
    ...terminal,
    ...put("$slave", "bye"),
    close("$slave"),
    poll("$master"),
    get("$master"),
    get("$master"),
    ...put("$master", "x"),
    open("pts/0", noctty, "again"),
    nonblocking("$master"),
    get("$master"),
    poll("$master")
  ],
  "a master that never had a slave": [
    ...instance,
    open("pts/ptmx", noctty | O.NONBLOCK, "m"),
    get("$m"),
    poll("$m"),
    ...put("$m", "x")
  ],
  "a slave without a master": [
    ...terminal,
    close("$master"),
    poll("$slave"),
    get("$slave"),
    ...put("$slave", "x"),
    size("$slave"),
    resize("$slave", 1, 2),
    line("ioctl_tcgets", { fd: "$slave" })
  ],
  "poll of a terminal": [
    ...rawTerminal,
    poll("$master"),
    poll("$slave"),
    ...put("$master", "x"),
    poll("$slave"),
    ...put("$slave", "y"),
    poll("$master")
  ],
  "a session leader gets a terminal": [
    ...terminal,
    control("$slave"),
    fork(0, [
      setsid,
      control("$slave"),
      control("$slave"),
      open("/dev/tty", O.RDWR, "tty"),
      size("$tty"),
      giveUp("$slave"),
      giveUp("$slave"),
      open("/dev/tty", O.RDWR)
    ])
  ],
  "a process without a session of its own gets none": [
    ...terminal,
    fork(0, [setsid, fork(0, [control("$slave"), open("/dev/tty", O.RDWR)])])
  ],
  "a leader has one terminal": [
    ...terminal,
    open("pts/ptmx", noctty, "more"),
    unlock("$more"),
    open("pts/1", noctty, "second"),
    fork(0, [setsid, control("$slave"), control("$second"), giveUp("$second"), control("$slave")])
  ],
  "a terminal has one session": [
    ...terminal,
    gate("go"),
    gate("has"),
    start("other", 0, [
      setsid,
      control("$slave"),
      openGate("has"),
      pass("go"),
      open("/dev/tty", O.RDWR),
      control("$slave")
    ]),
    pass("has"),
    fork(0, [setsid, control("$slave"), control("$slave", 1), open("/dev/tty", O.RDWR)]),
    openGate("go"),
    join("other")
  ],
  "only root of the machine takes a terminal": [
    ...terminal,
    gate("go"),
    gate("has"),
    start("other", 0, [setsid, control("$slave"), openGate("has"), pass("go")]),
    pass("has"),
    fork(0, [setsid, uids(1000), control("$slave", 1)]),
    fork(CLONE.NEWUSER, [setsid, control("$slave", 1)]),
    openGate("go"),
    join("other")
  ],
  "children share the terminal of their session": [
    ...terminal,
    fork(0, [
      setsid,
      control("$slave"),
      fork(0, [open("/dev/tty", O.RDWR, "tty"), size("$tty"), control("$slave"), setsid, open("/dev/tty", O.RDWR)])
    ])
  ],
  "an open makes a terminal the leader's, or not": [
    ...terminal,
    fork(0, [setsid, open("pts/0", noctty), open("/dev/tty", O.RDWR), open("pts/0", O.RDWR), open("/dev/tty", O.RDWR)]),
    fork(0, [open("pts/0", O.RDWR), open("/dev/tty", O.RDWR)])
  ],
  "an open for writing alone makes no terminal the leader's": [
    ...terminal,
    fork(0, [
      setsid,
      open("pts/0", O.WRONLY),
      open("/dev/tty", O.RDWR),
      open("pts/0", O.RDONLY),
      open("/dev/tty", O.RDWR)
    ])
  ],
  "a peer by descriptor makes a terminal the leader's, or not": [
    ...terminal,
    fork(0, [
      setsid,
      peer("$master"),
      open("/dev/tty", O.RDWR),
      peer("$master", undefined, O.RDWR),
      open("/dev/tty", O.RDWR)
    ])
  ],
  "a master is no terminal of a session": [
    ...terminal,
    fork(0, [setsid, open("pts/ptmx", O.RDWR, "m"), open("/dev/tty", O.RDWR)])
  ],
  "no terminal without a session": [fork(0, [setsid, open("/dev/tty", O.RDWR), open("/dev/tty", O.RDWR | O.NOCTTY)])],
  "a hangup ends the session": [
    ...terminal,
    gate("has"),
    start("other", 0, [
      setsid,
      control("$slave"),
      close("$master"),
      openGate("has"),
      line("nanosleep", { nanoseconds: 5_000_000_000n })
    ]),
    pass("has"),
    line("nanosleep", { nanoseconds: 30_000_000n }),
    close("$master"),
    join("other"),
    get("$slave"),
    ...put("$slave", "x")
  ],
  "a leader that ends hangs the terminal up": [
    ...terminal,
    fork(0, [setsid, control("$slave")]),
    nonblocking("$slave"),
    get("$slave"),
    ...put("$slave", "x"),
    line("ioctl_gwinsz", { fd: "$slave" }),
    open("pts/0", noctty, "again"),
    size("$again"),
    ...put("$again", "y"),
    get("$master")
  ],
  "a leader that gives its terminal up": [
    ...terminal,
    fork(0, [
      setsid,
      control("$slave"),
      line("rt_sigaction", { signal: SIG.HUP, disposition: "SIG_IGN" }),
      giveUp("$slave"),
      open("/dev/tty", O.RDWR)
    ]),
    size("$slave")
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
