/** Time namespaces, and their offsets. */
import { CLONE, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, gate, line, open, openGate, pass, readFile, see, start, write } from "../../support/vocabulary.ts"
import { setns, unshare } from "./lines.ts"

const offsets = "/proc/self/timens_offsets"

export const times: Readonly<Record<string, Scenario>> = {
  "a time namespace is for children": [
    open("/proc/self/ns/time", O.RDONLY, "own"),
    unshare(CLONE.NEWTIME),
    ...readFile(offsets),
    ...write(offsets, "monotonic 1000 5\n"),
    ...readFile(offsets),
    fork(0, [...readFile(offsets), ...write(offsets, "boottime 1 1\n")]),
    ...write(offsets, "boottime 1 1\n"),
    unshare(CLONE.NEWTIME),
    ...readFile(offsets),
    ...write(offsets, "boottime 1 1\n"),
    setns("$own"),
    ...write(offsets, "boottime 1 1\n")
  ],
  "offsets of the first namespace stay": [...readFile(offsets), ...write(offsets, "monotonic 0 0\n")],
  "lines of offsets": [
    unshare(CLONE.NEWTIME),
    ...[
      "monotonic 1 2",
      "boottime -1 2\n",
      "1 5 0\n",
      "7 6 0\n",
      "monotonic 1 2\nboottime 3 4\n",
      "boottime 5 6\nmonotonic 7 8\n",
      "boottime 5 6\nmonotonic 7 8\nboottime 9 9\n",
      "monotonic 1 2\n\n",
      "monotonic 1\n",
      "monotonic 1 1000000000\n",
      "monotonic 1 999999999\n",
      "monotonic 1 -1\n",
      "realtime 1 1\n",
      "0 1 1\n",
      "monotonic x 1\n",
      "monotonic 1 1 trailing\n",
      "  monotonic   2   3\n",
      "\n",
      "monotonic 9223372036 0\n",
      "monotonic 9223372037 0\n",
      "monotonic -9223372037 0\n",
      "monotonic 4611600000 0\n",
      "monotonic 4611686019 0\n",
      "monotonic -9000000000 0\n",
      "boottime -900000000 0\n"
    ].flatMap((text) => write(offsets, text)),
    ...readFile(offsets)
  ],
  "offsets take CAP_SYS_TIME": [
    unshare(CLONE.NEWTIME),
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), unshare(CLONE.NEWTIME)]),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    ...write(offsets, "monotonic 1 1\n"),
    unshare(CLONE.NEWTIME)
  ],
  "offsets take CAP_SYS_TIME in the owner": [
    unshare(CLONE.NEWTIME),
    unshare(CLONE.NEWUSER),
    ...write(offsets, "monotonic 1 1\n"),
    unshare(CLONE.NEWTIME),
    ...write(offsets, "monotonic 1 1\n")
  ],
  "a time namespace is joined at once": [
    gate("never"),
    gate("ready"),
    start("child", 0, [unshare(CLONE.NEWTIME), openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$child/ns/time_for_children", O.RDONLY, "ns"),
    ...write("/proc/$child/timens_offsets", "monotonic 50 0\n"),
    setns("$ns", CLONE.NEWTIME),
    ...readFile(offsets),
    ...write("/proc/$child/timens_offsets", "monotonic 60 0\n")
  ],
  "offsets are written at the beginning of the file": [
    unshare(CLONE.NEWTIME),
    open(offsets, O.RDWR, "file"),
    line("write", { fd: "$file", data: "monotonic 1 1\n" }, see),
    line("write", { fd: "$file", data: "monotonic 2 1\n" }, see),
    line("read", { fd: "$file", count: 100 }, see),
    line("write", { fd: "$file", data: "monotonic 3 1\n" }, see)
  ]
}
