/** What goes through a terminal: sizes, modes, lines. */
import { O, POLL } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { as, line, open, see } from "../../support/vocabulary.ts"
import { close, get, instance, noctty, nonblocking, put, resize, size, terminal } from "./lines.ts"

const modes = (fd: string): Line =>
  line("ioctl_tcgets", { fd }, { see: ["input", "output", "control", "local", "line", "characters"], as: "modes" })

const poll = (fd: string): Line => line("poll", { fds: [fd], events: POLL.IN | POLL.OUT, timeout: 0 }, see)

/** Raw: no echo, no lines, no signals, nothing changed on the way out. */
const raw = (fd: string): Scenario => [
  line("ioctl_tcgets", { fd }, as("old")),
  line("ioctl_tcsetsw", {
    fd,
    modes: { input: 0, output: 0, control: "$old.control", local: 0, line: 0, characters: "$old.characters" }
  })
]

const rawTerminal: Scenario = [...terminal, ...raw("$slave")]

export const data: Readonly<Record<string, Scenario>> = {
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
  ]
}
