/** Sockets and their peers: types, ends, shutdowns. */
import { AF, F, MSG, O, SHUT, SO, SOCK } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, open, see, touch } from "../../support/vocabulary.ts"
import {
  close,
  each,
  flag,
  get,
  ignorePipe,
  many,
  option,
  pair,
  pipe,
  poll,
  put,
  receive,
  send,
  shutdown,
  socket,
  withPipe
} from "./lines.ts"

export const peers: Readonly<Record<string, Scenario>> = {
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
  ])
}
