/** What a map is, and how it is written. */
import { O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, open, readFile, see, write } from "../../support/vocabulary.ts"
import { newUser } from "./lines.ts"

/** What is written to a map of a new namespace of root. */
const tried = (text: string): Scenario => [fork(0, [newUser, ...write("/proc/self/uid_map", text)])]

export const formats: Readonly<Record<string, Scenario>> = {
  "lines of a map": [
    "0 0 1",
    "0 0 1\n",
    "  0\t0   1  \n",
    "0 0 1\n1 1 1\n",
    "0 0 1 \n 1 1 1",
    "0 0\n",
    "0 0 1 2\n",
    "0 0 1x\n",
    "a 0 1\n",
    "-1 0 1\n",
    "+1 0 1\n",
    "0x1 0 1\n",
    "007 0 1\n",
    "0,0,1\n",
    "\n",
    " ",
    "0 0 1\n\n",
    "\n0 0 1\n",
    "0 0 1\n\n1 1 1\n",
    "0 0 1\n# comment\n"
  ].flatMap(tried),
  "numbers of a map": [
    "0 0 0\n",
    "4294967295 0 1\n",
    "4294967294 0 1\n",
    "4294967294 0 2\n",
    "4294967293 0 2\n",
    "0 4294967295 1\n",
    "0 4294967294 1\n",
    "0 4294967294 2\n",
    "0 0 4294967295\n",
    "0 0 4294967296\n",
    "1 0 4294967295\n",
    "4294967296 0 1\n",
    "0 0 4294967297\n",
    "18446744073709551616 0 1\n"
  ].flatMap(tried),
  "ranges of a map do not overlap": [
    "0 0 10\n10 10 10\n",
    "0 0 10\n9 100 10\n",
    "0 0 10\n100 9 10\n",
    "0 0 10\n0 100 1\n",
    "5 0 10\n0 100 6\n",
    "5 0 10\n0 100 5\n",
    "0 100 5\n100 0 5\n"
  ].flatMap(tried),
  "a map has 340 lines at most, and less than a page": [
    ...tried(Array.from({ length: 340 }, (_, index) => `${index} ${index} 1\n`).join("")),
    ...tried(Array.from({ length: 341 }, (_, index) => `${index} ${index} 1\n`).join("")),
    ...tried(`0 0 1${" ".repeat(4090)}`),
    ...tried(`0 0 1${" ".repeat(4091)}`)
  ],
  "a map is shown as it was written, up to five lines": [
    newUser,
    ...write("/proc/self/uid_map", "10 50 1\n0 10 1\n20 20 5\n"),
    ...readFile("/proc/self/uid_map"),
    ...readFile("/proc/self/gid_map")
  ],
  "a map of more lines is shown in order": [
    newUser,
    ...write("/proc/self/uid_map", [6, 5, 4, 3, 2, 1, 0].map((id) => `${id} ${100 - id} 1\n`).join("")),
    ...readFile("/proc/self/uid_map")
  ],
  "a map is written at the beginning of the file": [
    newUser,
    open("/proc/self/uid_map", O.RDWR, "map"),
    line("write", { fd: "$map", data: "0 0 0\n" }),
    line("write", { fd: "$map", data: "0 0 1\n" }, see),
    line("write", { fd: "$map", data: "1 1 1\n" })
  ],
  "the map of the first namespace stays": [
    ...write("/proc/self/uid_map", "0 0 1\n"),
    ...write("/proc/self/uid_map", "nonsense"),
    ...write("/proc/self/setgroups", "deny"),
    ...readFile("/proc/self/uid_map"),
    ...readFile("/proc/self/setgroups")
  ],
  "words for setgroups": [
    newUser,
    ...["deny\n", "deny ", "denyx", "den", "DENY", "", "allow", "deny  \n\n", " deny", "allow\n", "deny    \n"].flatMap(
      (
        word
      ) => write("/proc/self/setgroups", word)
    ),
    ...readFile("/proc/self/setgroups")
  ]
}
