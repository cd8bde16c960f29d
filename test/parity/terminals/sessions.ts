/** Controlling terminals. */
import { CLONE, O, SIG } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, gate, join, line, open, openGate, pass, start, uids } from "../../support/vocabulary.ts"
import { close, control, get, giveUp, noctty, nonblocking, peer, put, size, terminal, unlock } from "./lines.ts"

const setsid = line("setsid")

export const sessions: Readonly<Record<string, Scenario>> = {
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
  ]
}
