/** Open file descriptions: offsets, access modes. */
import { F, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, mkdir, open, touch } from "../../support/vocabulary.ts"
import { at100, dup3, fcntl, get, put } from "./lines.ts"

export const offsets: Readonly<Record<string, Scenario>> = {
  "an offset is shared by dup and fork, not by a second open": [
    ...at100,
    dup3(100, 101),
    put(100, "abc"),
    put(101, "def"),
    fork(0, [put(100, "ghi")]),
    put(100, "jkl"),
    open("f", O.RDONLY, "again"),
    get("$again", 4),
    fork(0, [get("$again", 4)]),
    get("$again")
  ],
  "what is appended goes to the end": [
    ...at100,
    put(100, "abcdef"),
    open("f", O.RDWR | O.APPEND, "end"),
    get("$end", 2),
    put("$end", "X"),
    get("$end"),
    open("f", O.RDONLY, "r"),
    get("$r"),
    fcntl(100, F.SETFL, O.APPEND),
    put("$end", "Y"),
    put(100, "Z"),
    get("$r")
  ],
  "a hole reads as zeros": [
    ...at100,
    line("ftruncate", { fd: 100, length: 3n }),
    get(100),
    line("ftruncate", { fd: 100, length: 1n }),
    put(100, "x"),
    open("f", O.RDONLY, "r"),
    get("$r")
  ],
  "the access mode holds": [
    touch("f"),
    open("f", O.RDONLY, "r"),
    open("f", O.WRONLY, "w"),
    put("$r", "x"),
    get("$w"),
    line("ftruncate", { fd: "$r", length: 0n }),
    line("ftruncate", { fd: "$w", length: -1n }),
    put("$w", ""),
    get("$r", 0)
  ],
  "a directory is not read and not written": [
    mkdir("d"),
    open("d", O.RDONLY, "d"),
    get("$d"),
    put("$d", "x"),
    line("ftruncate", { fd: "$d", length: 0n }),
    line("fsync", { fd: "$d" })
  ]
}
