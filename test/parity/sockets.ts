/** Pipes, fifos and unix sockets: pipe(7), fifo(7), unix(7), poll(2). */
import { AF, CLONE, F, MSG, O, POLL, S, SHUT, SIG, SO, SOCK } from "../../src/native/constants.ts"
import { type Bytes, cwd, type Line, type Scenario } from "../support/parity.ts"
import {
  as,
  fork,
  gate,
  join,
  line,
  mkdir,
  open,
  openGate,
  pass,
  see,
  start,
  symlink,
  touch,
  uids
} from "../support/vocabulary.ts"

/** So many bytes. */
const many = (byte: string, times: number): Bytes => ({ byte, times })
const pipe = (name: string, flags: number = 0): Line => line("pipe2", { flags }, as(name))
const pair = (name: string, type: number): Line => line("socketpair", { type }, as(name))
const get = (fd: string, count = 100): Line => line("read", { fd, count }, see)
const put = (fd: string, data: string | Bytes): Line => line("write", { fd, data }, see)
const send = (fd: string, data: string | Bytes, flags = 0, fds: ReadonlyArray<string | number> = []): Line =>
  line("sendmsg", { fd, data, fds, flags }, see)
/** What came, without the numbers of descriptors. */
const receive = (fd: string, size = 100, flags: number = MSG.DONTWAIT, name?: string): Line =>
  line("recvmsg", { fd, size, flags }, { see: ["data", "fds.length"], ...name === undefined ? {} : { as: name } })
const close = (fd: string | number): Line => line("close", { fd })
const poll = (fds: ReadonlyArray<string | number>, events: number = POLL.IN | POLL.OUT, timeout = 0): Line =>
  line("poll", { fds, events, timeout }, see)
const shutdown = (fd: string, how: number): Line => line("shutdown", { fd, how })
const option = (fd: string | number, name: number, value: number): Line =>
  line("setsockopt", { fd, option: name, value })
const flag = (fd: string, flags: number): Line => line("fcntl", { fd, command: F.SETFL, argument: flags })
const socket = (name: string, type: number, domain: number = AF.UNIX): Line =>
  line("socket", { domain, type, protocol: 0 }, as(name))
const inet = (name: string): Line => socket(name, SOCK.STREAM | SOCK.CLOEXEC, AF.INET)
const bind = (fd: string | number, address: string, port: number): Line => line("bind", { fd, address, port })
const listen = (fd: string | number): Line => line("listen", { fd, backlog: 8 })
const connect = (fd: string, path: string): Line => line("connect", { fd, path })
const ignorePipe = line("rt_sigaction", { signal: SIG.PIPE, disposition: "SIG_IGN" })
const withPipe = line("rt_sigaction", { signal: SIG.PIPE, disposition: "SIG_DFL" })
const each = (lines: (type: number) => Scenario): Scenario => [SOCK.STREAM, SOCK.SEQPACKET, SOCK.DGRAM].flatMap(lines)
const mknod = (path: string, mode: number): Line => line("mknodat", { dirfd: cwd, path, mode, major: 0, minor: 0 })
const chmod = (path: string, mode: number): Line => line("fchmodat", { dirfd: cwd, path, mode })
const fifo = (path: string, mode = 0o644): Line => mknod(path, S.IFIFO | mode)

export const sockets: Readonly<Record<string, Scenario>> = {
  "a pipe gives what it got, in order": [
    pipe("p"),
    put("$p.1", "abc"),
    put("$p.1", "def"),
    get("$p.0", 4),
    get("$p.0", 4)
  ],
  "an empty pipe": [pipe("p", O.NONBLOCK), get("$p.0"), get("$p.0", 0), close("$p.1"), get("$p.0")],
  "a pipe has two ends": [pipe("p"), get("$p.1"), put("$p.0", "x")],
  "a pipe that nobody reads": [ignorePipe, pipe("p"), close("$p.0"), put("$p.1", "x"), put("$p.1", "")],
  "a pipe that nobody reads kills": [fork(0, [withPipe, pipe("p"), close("$p.0"), put("$p.1", "x"), put("$p.1", "y")])],
  "a blocked SIGPIPE waits": [
    fork(0, [
      withPipe,
      line("rt_sigprocmask", { how: 0, signals: [SIG.PIPE] }),
      pipe("p"),
      close("$p.0"),
      put("$p.1", "x"),
      line("rt_sigprocmask", { how: 1, signals: [SIG.PIPE] }),
      put("$p.1", "y")
    ])
  ],
  "what is in a pipe outlives its writer": [
    pipe("p"),
    put("$p.1", "abc"),
    close("$p.1"),
    get("$p.0", 2),
    get("$p.0"),
    get("$p.0")
  ],
  "a full pipe": [
    pipe("p", O.NONBLOCK),
    ...Array.from({ length: 16 }, () => put("$p.1", many("x", 4096))),
    put("$p.1", "y"),
    poll(["$p.1"]),
    line("read", { fd: "$p.0", count: 4096 }),
    poll(["$p.1"]),
    put("$p.1", "z"),
    put("$p.1", many("z", 4096))
  ],
  "more than a pipe holds is written in part": [
    pipe("p", O.NONBLOCK),
    put("$p.1", many("x", 70000)),
    put("$p.1", "y"),
    line("read", { fd: "$p.0", count: 5000 }),
    put("$p.1", many("y", 70000))
  ],
  "poll of a pipe": [
    pipe("p"),
    poll(["$p.0", "$p.1"]),
    put("$p.1", "x"),
    poll(["$p.0", "$p.1"]),
    close("$p.1"),
    poll(["$p.0"]),
    get("$p.0"),
    poll(["$p.0"])
  ],
  "poll of a pipe that nobody reads": [pipe("p"), close("$p.0"), poll(["$p.1"])],
  "poll of both ends gone by fork": [
    pipe("p"),
    start("other", 0, [close("$p.0"), close("$p.1")]),
    join("other"),
    poll(["$p.0"], POLL.IN),
    close("$p.1"),
    poll(["$p.0"], POLL.IN)
  ],
  "a fifo in a directory": [
    fifo("f"),
    open("f", O.RDONLY | O.NONBLOCK, "r"),
    get("$r"),
    open("f", O.WRONLY | O.NONBLOCK, "w"),
    get("$r"),
    put("$w", "abc"),
    get("$r"),
    close("$w"),
    get("$r"),
    poll(["$r"])
  ],
  "a fifo that nobody reads can't be opened for writing": [
    fifo("f"),
    open("f", O.WRONLY | O.NONBLOCK),
    open("f", O.RDWR | O.NONBLOCK, "rw"),
    put("$rw", "x"),
    get("$rw")
  ],
  "a fifo waits for its other end": [
    fifo("f"),
    start("other", 0, [open("f", O.WRONLY, "w"), put("$w", "hello")]),
    open("f", O.RDONLY, "r"),
    line("poll", { fds: ["$r"], events: POLL.IN, timeout: -1 }),
    get("$r"),
    join("other")
  ],
  "a fifo keeps nothing without its users": [
    fifo("f"),
    open("f", O.RDWR, "rw"),
    put("$rw", "x"),
    close("$rw"),
    open("f", O.RDONLY | O.NONBLOCK, "r"),
    get("$r")
  ],
  "types of sockets": [
    socket("s", SOCK.STREAM),
    socket("s", SOCK.DGRAM),
    socket("s", SOCK.SEQPACKET),
    socket("s", SOCK.RAW),
    socket("s", 77),
    socket("s", 0),
    line("socket", { domain: AF.UNIX, type: SOCK.STREAM, protocol: 1 }),
    line("socket", { domain: AF.UNIX, type: SOCK.STREAM, protocol: 5 }),
    line("socket", { domain: 99, type: SOCK.STREAM, protocol: 0 }),
    line("socket", { domain: 0, type: SOCK.STREAM, protocol: 0 }),
    line("socketpair", { type: SOCK.RAW }),
    line("socketpair", { type: 77 }),
    line("socketpair", { type: SOCK.STREAM | 0x10 })
  ],
  "a stream runs together, messages stay apart": each((
    type
  ) => [pair("s", type), put("$s.0", "abc"), put("$s.0", "def"), get("$s.1", 4), receive("$s.1"), receive("$s.1")]),
  "both ways": each((type) => [pair("s", type), put("$s.1", "abc"), get("$s.0"), put("$s.0", "def"), get("$s.1")]),
  "an empty message": each((
    type
  ) => [pair("s", type), send("$s.0", ""), receive("$s.1"), close("$s.0"), receive("$s.1")]),
  "nothing to receive": each((
    type
  ) => [pair("s", type), receive("$s.0"), flag("$s.0", O.NONBLOCK), receive("$s.0", 100, 0), get("$s.0")]),
  "a message that is longer than its room": each((type) => [
    pair("s", type),
    send("$s.0", "abcdef"),
    send("$s.0", "ghi"),
    receive("$s.1", 4),
    receive("$s.1", 4),
    receive("$s.1", 4)
  ]),
  "the length of a message that is cut": each((
    type
  ) => [
    pair("s", type),
    send("$s.0", "abcdef"),
    receive("$s.1", 4, MSG.TRUNC | MSG.DONTWAIT),
    receive("$s.1", 4, MSG.TRUNC | MSG.DONTWAIT)
  ]),
  "a look does not take": each((
    type
  ) => [
    pair("s", type),
    send("$s.0", "abcdef"),
    receive("$s.1", 100, MSG.PEEK),
    receive("$s.1", 3, MSG.PEEK | MSG.TRUNC),
    receive("$s.1"),
    receive("$s.1", 100, MSG.PEEK | MSG.DONTWAIT)
  ]),
  "a read of no bytes": each((
    type
  ) => [pair("s", type), get("$s.1", 0), send("$s.0", "abc"), get("$s.1", 0), receive("$s.1")]),
  "a peer that is gone": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      send("$s.0", "abc"),
      close("$s.0"),
      receive("$s.1"),
      receive("$s.1"),
      put("$s.1", "x"),
      send("$s.1", "x", MSG.NOSIGNAL),
      poll(["$s.1"])
    ])
  ],
  "a peer that leaves without reading": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      send("$s.1", "abc"),
      close("$s.0"),
      poll(["$s.1"]),
      receive("$s.1"),
      receive("$s.1"),
      put("$s.1", "x")
    ])
  ],
  "a peer that leaves without reading, and wrote": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      send("$s.1", "abc"),
      send("$s.0", "def"),
      close("$s.0"),
      receive("$s.1"),
      receive("$s.1"),
      receive("$s.1")
    ])
  ],
  "a broken socket kills, or not": [
    fork(0, [
      withPipe,
      pair("s", SOCK.STREAM),
      close("$s.0"),
      send("$s.1", "x", MSG.NOSIGNAL),
      send("$s.1", "x"),
      put("$s.1", "x")
    ]),
    fork(0, [withPipe, pair("s", SOCK.SEQPACKET), close("$s.0"), send("$s.1", "x", MSG.NOSIGNAL), send("$s.1", "x")]),
    fork(0, [withPipe, pair("s", SOCK.DGRAM), close("$s.0"), send("$s.1", "x"), put("$s.1", "x")])
  ],
  "an end that writes no more": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      send("$s.0", "abc"),
      shutdown("$s.0", SHUT.WR),
      put("$s.0", "x"),
      receive("$s.1"),
      receive("$s.1"),
      put("$s.1", "back"),
      receive("$s.0"),
      poll(["$s.0", "$s.1"])
    ])
  ],
  "an end that reads no more": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      send("$s.1", "abc"),
      shutdown("$s.0", SHUT.RD),
      receive("$s.0"),
      receive("$s.0"),
      put("$s.1", "x"),
      put("$s.0", "y"),
      receive("$s.1"),
      poll(["$s.0", "$s.1"])
    ])
  ],
  "an end that does neither": [
    ignorePipe,
    ...each((
      type
    ) => [
      pair("s", type),
      shutdown("$s.0", SHUT.RDWR),
      receive("$s.0"),
      receive("$s.1"),
      put("$s.0", "x"),
      put("$s.1", "x"),
      poll(["$s.0", "$s.1"]),
      shutdown("$s.0", SHUT.WR)
    ])
  ],
  "a shutdown of what": [
    pipe("p"),
    shutdown("$p.0", 0),
    socket("s", SOCK.STREAM),
    shutdown("$s", 1),
    socket("d", SOCK.DGRAM),
    shutdown("$d", 1),
    pair("q", SOCK.STREAM),
    shutdown("$q.0", 3),
    shutdown("$q.0", -1)
  ],
  "a socket without a peer": [
    ignorePipe,
    ...each((type) => [socket("s", type), receive("$s"), put("$s", "x"), send("$s", "x"), get("$s", 0), poll(["$s"])])
  ],
  "a long message": each((
    type
  ) => [
    pair("s", type),
    option("$s.0", SO.SNDTIMEO, 1),
    send("$s.0", many("x", 200000), MSG.DONTWAIT),
    send("$s.0", many("x", 212992), MSG.DONTWAIT),
    poll(["$s.0"])
  ]),
  "messages until it is full": each((
    type
  ) => [
    pair("s", type),
    ...Array.from({ length: 4 }, () => send("$s.0", many("x", 50000), MSG.DONTWAIT)),
    send("$s.0", "x", MSG.DONTWAIT),
    line("recvmsg", { fd: "$s.1", size: 50000, flags: 0 }),
    send("$s.0", "x", MSG.DONTWAIT)
  ]),
  "descriptors are passed": each((type) => [
    touch("f"),
    open("f", O.RDWR, "f"),
    pair("s", type),
    send("$s.0", "x", 0, ["$f"]),
    receive("$s.1", 100, 0, "m"),
    line("fcntl", { fd: "$m.fds.0", command: F.GETFD, argument: 0 }, see),
    line("write", { fd: "$m.fds.0", data: "abc" }, see),
    put("$f", "def"),
    close("$f"),
    put("$m.fds.0", "ghi"),
    line("fcntl", { fd: "$m.fds.0", command: F.GETFL, argument: 0 }, see)
  ]),
  "a descriptor on its way is open": [
    pipe("p"),
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, ["$p.1"]),
    close("$p.1"),
    poll(["$p.0"], POLL.IN),
    receive("$s.1", 100, 0, "m"),
    put("$m.fds.0", "abc"),
    close("$m.fds.0"),
    get("$p.0"),
    get("$p.0")
  ],
  "a descriptor that never arrives is closed": [
    pipe("p"),
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, ["$p.1"]),
    close("$p.1"),
    close("$s.1"),
    close("$s.0"),
    get("$p.0")
  ],
  "descriptors of a message that is cut are closed": [
    pipe("p"),
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "abcdef", 0, ["$p.1"]),
    close("$p.1"),
    receive("$s.1", 3),
    poll(["$p.0"], POLL.IN)
  ],
  "descriptors of a stream come with their bytes": [
    pipe("p"),
    pair("s", SOCK.STREAM),
    send("$s.0", "abc"),
    send("$s.0", "def", 0, ["$p.1"]),
    send("$s.0", "ghi"),
    receive("$s.1", 2),
    receive("$s.1", 100),
    receive("$s.1", 100),
    receive("$s.1", 100)
  ],
  "descriptors of a stream are read in part": [
    pipe("p"),
    pair("s", SOCK.STREAM),
    send("$s.0", "abcdef", 0, ["$p.1"]),
    receive("$s.1", 2),
    receive("$s.1", 2),
    receive("$s.1")
  ],
  "a read leaves descriptors behind": each((
    type
  ) => [
    pipe("p"),
    pair("s", type),
    send("$s.0", "abc", 0, ["$p.1"]),
    close("$p.1"),
    get("$s.1"),
    poll(["$p.0"], POLL.IN)
  ]),
  "descriptors need bytes on a stream": each((
    type
  ) => [pair("s", type), send("$s.0", "", 0, ["$s.0"]), receive("$s.1"), receive("$s.1")]),
  "what is passed must be open": [
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, [400]),
    send("$s.0", "x", 0, [-1]),
    receive("$s.1")
  ],
  "an O_PATH descriptor is passed": [
    touch("f"),
    open("f", O.PATH, "f"),
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, ["$f"]),
    receive("$s.1", 100, 0, "m"),
    line("fcntl", { fd: "$m.fds.0", command: F.GETFL, argument: 0 }, see)
  ],
  "at most 253 descriptors": [
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, Array.from({ length: 253 }, () => "$s.0")),
    send("$s.0", "x", 0, Array.from({ length: 254 }, () => "$s.0")),
    receive("$s.1")
  ],
  "a look at descriptors gives new ones": [
    pipe("p"),
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x", 0, ["$p.1"]),
    receive("$s.1", 100, MSG.PEEK),
    receive("$s.1", 100),
    receive("$s.1", 100)
  ],
  "who sent it": [
    pair("s", SOCK.SEQPACKET),
    option("$s.1", SO.PASSCRED, 1),
    send("$s.0", "x"),
    line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: ["credentials.uid", "credentials.gid"] }),
    option("$s.1", SO.PASSCRED, 0),
    send("$s.0", "x"),
    line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: "credentials" })
  ],
  "who sent it, from a user namespace and from a pid namespace": [
    fork(CLONE.NEWPID, [
      fork(0, [
        pair("s", SOCK.SEQPACKET),
        option("$s.1", SO.PASSCRED, 1),
        fork(CLONE.NEWUSER, [send("$s.0", "x")]),
        fork(CLONE.NEWPID, [send("$s.0", "x")]),
        fork(0, [line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 }), send("$s.0", "x")]),
        line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: "credentials" }),
        line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: "credentials" }),
        line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: "credentials" })
      ])
    ])
  ],
  "nobody said who sent it": [
    pair("s", SOCK.SEQPACKET),
    send("$s.0", "x"),
    option("$s.1", SO.PASSCRED, 1),
    line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: "credentials" })
  ],
  "a stream does not glue what others sent": [
    pair("s", SOCK.STREAM),
    option("$s.1", SO.PASSCRED, 1),
    send("$s.0", "a"),
    send("$s.0", "b"),
    fork(0, [uids(1000), send("$s.0", "c")]),
    receive("$s.1"),
    receive("$s.1"),
    receive("$s.1")
  ],
  "messages of many sizes until it is full": each((type) => [
    pair("s", type),
    ...[1, 600, 3776, 3777, 16064, 16065, 36544, 36545, 60000, 30000, 20000, 10000, 5000, 2000, 1000].flatMap((
      times
    ) => [
      send("$s.0", many("x", times), MSG.DONTWAIT),
      poll(["$s.0"], POLL.OUT)
    ])
  ]),
  "who sent it, seen from a user namespace": [
    pair("s", SOCK.SEQPACKET),
    option("$s.1", SO.PASSCRED, 1),
    send("$s.0", "x"),
    fork(CLONE.NEWUSER, [
      line("recvmsg", { fd: "$s.1", size: 10, flags: 0 }, { see: ["credentials.uid", "credentials.gid"] })
    ])
  ],
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
