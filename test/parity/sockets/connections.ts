/** Options, connections, poll(2), addresses. */
import { AF, CLONE, O, POLL, S, SHUT, SO, SOCK } from "../../../src/native/constants.ts"
import { hasPassRights } from "../../support/kernelVersion.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import {
  fork,
  gate,
  join,
  line,
  mkdir,
  open,
  openGate,
  pass,
  start,
  symlink,
  touch,
  uids
} from "../../support/vocabulary.ts"
import { close, each, get, mknod, option, pair, pipe, poll, put, receive, send, shutdown, socket } from "./lines.ts"

const inet = (name: string): Line => socket(name, SOCK.STREAM | SOCK.CLOEXEC, AF.INET)
const bind = (fd: string | number, address: string, port: number): Line => line("bind", { fd, address, port })
const listen = (fd: string | number): Line => line("listen", { fd, backlog: 8 })
const connect = (fd: string, path: string): Line => line("connect", { fd, path })
const chmod = (path: string, mode: number): Line => line("fchmodat", { dirfd: cwd, path, mode })

export const connections: Readonly<Record<string, Scenario>> = {
  ...hasPassRights
    ? {
      "a socket that takes no descriptors": each((type) => [
        pair("s", type),
        option("$s.1", SO.PASSRIGHTS, 0),
        send("$s.0", "x", 0, ["$s.0"]),
        send("$s.0", "y"),
        send("$s.1", "x", 0, ["$s.0"]),
        option("$s.1", SO.PASSRIGHTS, 1),
        send("$s.0", "z", 0, ["$s.0"]),
        receive("$s.1"),
        receive("$s.1"),
        receive("$s.0")
      ])
    }
    : {},
  "options of sockets": [
    pair("s", SOCK.STREAM),
    option("$s.0", SO.RCVTIMEO, 10),
    receive("$s.0", 10, 0),
    get("$s.0"),
    option("$s.0", SO.SNDTIMEO, 10),
    option("$s.0", 9999, 1),
    pipe("p"),
    option("$p.0", SO.PASSCRED, 1),
    option(400, SO.PASSCRED, 1)
  ],
  "calls for sockets on what is none": [
    pipe("p"),
    send("$p.1", "x"),
    receive("$p.0"),
    shutdown("$p.0", 0),
    connect("$p.0", "x"),
    touch("f"),
    open("f", O.PATH, "f"),
    send("$f", "x"),
    receive("$f")
  ],
  "a connection needs a socket that listens": [
    touch("f"),
    mknod("s", S.IFSOCK | 0o666),
    mkdir("d"),
    symlink("s", "l"),
    symlink("nothing", "dangling"),
    symlink("loop", "loop"),
    ...[SOCK.STREAM, SOCK.SEQPACKET, SOCK.DGRAM].flatMap((type) => [
      socket("c", type),
      ...[
        "missing",
        "f",
        "s",
        "d",
        "l",
        "dangling",
        "loop",
        "f/x",
        "missing/x",
        "",
        "x".repeat(107),
        "x".repeat(108),
        "d/" + "y".repeat(200)
      ].map((path) => connect("$c", path))
    ])
  ],
  "a connection needs the right to write": [
    mkdir("closed", 0o700),
    mknod("closed/s", S.IFSOCK | 0o777),
    mknod("s", S.IFSOCK | 0o600),
    mknod("w", S.IFSOCK | 0o600),
    chmod("w", 0o622),
    fork(0, [uids(1000), socket("c", SOCK.STREAM), connect("$c", "closed/s"), connect("$c", "s"), connect("$c", "w")])
  ],
  "a connected socket connects no more": [
    mknod("s", S.IFSOCK | 0o600),
    ...each((type) => [pair("p", type), connect("$p.0", "s"), connect("$p.0", "missing")])
  ],
  "an interface of the kernel is no file": [
    mknod("s", S.IFSOCK | 0o666),
    open("s", O.RDONLY),
    open("s", O.PATH),
    open("s", O.RDWR | O.NONBLOCK)
  ],
  "poll waits": [
    pipe("p"),
    poll(["$p.0"], POLL.IN, 20),
    start("other", 0, [line("nanosleep", { nanoseconds: 20_000_000n }), put("$p.1", "x")]),
    poll(["$p.0"], POLL.IN, 5000),
    join("other")
  ],
  "poll waits for an end": [
    pair("s", SOCK.SEQPACKET),
    gate("go"),
    start("other", 0, [close("$s.0"), pass("go")]),
    close("$s.1"),
    openGate("go"),
    poll(["$s.0"], POLL.IN, 5000),
    join("other")
  ],
  "poll of what is not there": [
    poll([400, -1]),
    poll([]),
    poll([], POLL.IN, 5),
    pipe("p"),
    poll(["$p.0", 400, "$p.1"], POLL.IN)
  ],
  "poll of files is always ready": [
    touch("f"),
    open("f", O.RDONLY, "f"),
    open("/", O.RDONLY, "d"),
    open("/dev/null", O.RDWR, "n"),
    open("/proc/self/status", O.RDONLY, "s"),
    poll(["$f", "$d", "$n", "$s"]),
    poll(["$f"], POLL.OUT),
    poll(["$f"], 0)
  ],
  "poll of sockets": each((
    type
  ) => [
    pair("s", type),
    poll(["$s.0"]),
    send("$s.1", "x"),
    poll(["$s.0"]),
    poll(["$s.0"], POLL.OUT),
    poll(["$s.0"], 0),
    shutdown("$s.1", SHUT.WR),
    poll(["$s.0", "$s.1"]),
    close("$s.1"),
    poll(["$s.0"])
  ]),
  "sockets by /proc can't be opened": [
    pair("s", SOCK.STREAM),
    open("/proc/self/fd/$s.0", O.RDWR),
    open("/proc/self/fd/$s.0", O.PATH),
    pipe("p"),
    open("/proc/self/fd/$p.0", O.RDONLY, "r"),
    put("$p.1", "abc"),
    get("$r"),
    open("/proc/self/fd/$p.0", O.WRONLY, "w"),
    put("$w", "def"),
    get("$p.0")
  ],
  "a mode of a socket": [
    pair("s", SOCK.STREAM),
    pipe("p"),
    line("statx", { dirfd: "$s.0", path: "", flags: 0x1000, mask: 0x7ff }, { see: ["mode", "uid", "nlink", "size"] }),
    line("statx", { dirfd: "$p.0", path: "", flags: 0x1000, mask: 0x7ff }, { see: ["mode", "uid", "nlink", "size"] }),
    line("statx", { dirfd: cwd, path: "/proc/self/fd/$p.0", flags: 0, mask: 0x7ff }, { see: "mode" }),
    line("statx", { dirfd: cwd, path: "/proc/self/fd/$p.0", flags: 0x100, mask: 0x7ff }, { see: "mode" }),
    line("statx", { dirfd: cwd, path: "/proc/self/fd/$p.1", flags: 0x100, mask: 0x7ff }, { see: "mode" })
  ],
  "an address of IPv4": [
    fork(CLONE.NEWNET, [
      inet("early"),
      // nobody knows yet what is whose
      bind("$early", "10.0.0.1", 3128),
      line("rtnetlink", { request: { _tag: "LinkSet", link: "lo", up: true } }),
      line("rtnetlink", { request: { _tag: "LinkSet", link: "lo", up: false } }),
      inet("a"),
      bind("$a", "127.0.0.1", 3128),
      line("rtnetlink", { request: { _tag: "LinkSet", link: "lo", up: true } }),
      bind("$a", "127.0.0.1", 3128),
      bind("$a", "127.0.0.1", 3129),
      listen("$a"),
      listen("$a"),
      poll(["$a"]),
      inet("b"),
      poll(["$b"]),
      bind("$b", "127.0.0.1", 3128),
      bind("$b", "0.0.0.0", 3128),
      bind("$b", "127.0.0.2", 3128),
      bind("$b", "10.0.0.1", 4000),
      bind("$b", "nonsense", 4000),
      bind("$b", "127.0.0.1", 65536),
      close("$a"),
      inet("c"),
      bind("$c", "127.0.0.1", 3128)
    ])
  ],
  "a port below 1024": [
    fork(CLONE.NEWUSER | CLONE.NEWNET, [
      line("rtnetlink", { request: { _tag: "LinkSet", link: "lo", up: true } }),
      inet("a"),
      bind("$a", "127.0.0.1", 80),
      line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
      inet("b"),
      bind("$b", "127.0.0.1", 81),
      bind("$b", "127.0.0.1", 1024)
    ])
  ],
  "what is bound and listened on must be a socket of IPv4": each((type) => [
    pair("s", type),
    bind("$s.0", "127.0.0.1", 4000),
    listen("$s.0"),
    socket("u", type),
    listen("$u"),
    pipe("p"),
    bind("$p.0", "127.0.0.1", 4000),
    listen("$p.0"),
    bind(999, "127.0.0.1", 4000),
    listen(999)
  ])
}
