/** Pipes and fifos: pipe(7), fifo(7). */
import { O, POLL, S, SIG } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { fork, join, line, open, start } from "../../support/vocabulary.ts"
import { close, get, ignorePipe, many, mknod, pipe, poll, put, withPipe } from "./lines.ts"

const fifo = (path: string, mode = 0o644): Line => mknod(path, S.IFIFO | mode)

export const pipes: Readonly<Record<string, Scenario>> = {
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
  ]
}
