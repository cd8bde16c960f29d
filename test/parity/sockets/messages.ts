/** Descriptors and credentials that come with messages: unix(7). */
import { CLONE, F, MSG, O, POLL, SO, SOCK } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, open, see, touch, uids } from "../../support/vocabulary.ts"
import { close, each, get, many, option, pair, pipe, poll, put, receive, send } from "./lines.ts"

export const messages: Readonly<Record<string, Scenario>> = {
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
  ]
}
