/** Control groups. */
import * as fc from "fast-check"
import { AT, O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"
import { group, sequence, top, writing, zero } from "./sequences.ts"

const ofGroup = (files: ReadonlyArray<string>) =>
  fc.tuple(group, from(...files)).map(([path, file]) => `${path}/${file}`)

const groupStep: Steps = weighted(
  [4, call("mkdirat", { dirfd: here, path: group, mode: fc.constant(0o755) })],
  [3, call("unlinkat", { dirfd: here, path: group, flags: from(AT.REMOVEDIR, AT.REMOVEDIR, 0) })],
  [
    4,
    fc.tuple(
      ofGroup(["pids.max", "notify_on_release", "cgroup.clone_children", "pids.current"]),
      from("0", "1", "max", "10", "x", "-1")
    ).chain(([path, data]) => writing(path, fc.constant(data)))
  ],
  // only the caller: another number may be a process of the machine
  [
    4,
    fc.tuple(ofGroup(["cgroup.procs", "tasks"]), from("0", "0", "0", "x", "-1", "4194305")).chain(([path, data]) =>
      writing(path, fc.constant(data))
    )
  ],
  [
    4,
    ofGroup(["pids.max", "pids.current", "notify_on_release", "cgroup.clone_children"]).map((path): Scenario => [
      line("openat", { dirfd: cwd, path, flags: O.RDONLY, mode: 0 }, as("r")),
      line("read", { fd: "$r", count: 100 }, see),
      line("close", { fd: "$r" })
    ])
  ],
  [1, fc.constant([{ fork: 0, lines: [line("getppid")] }])],
  [1, call("renameat2", { olddirfd: here, oldpath: group, newdirfd: here, newpath: group, flags: zero })],
  [1, call("fchmodat", { dirfd: here, path: group, mode: from(0o700, 0o755) })],
  [1, call("statx", { dirfd: here, path: group, flags: zero, mask: fc.constant(0x7ff) }, { see: ["mode", "uid"] })],
  [
    1,
    call("openat", {
      dirfd: here,
      path: group.map((path) => `${path}/file`),
      flags: fc.constant(O.CREAT | O.WRONLY),
      mode: fc.constant(0o644)
    })
  ]
)

export const groups = sequence(groupStep, [
  line("mkdirat", { dirfd: cwd, path: top, mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: `${top}/a`, mode: 0o755 })
], 10).map((lines): Scenario => [
  { fork: 0, lines },
  ...[`${top}/a/b`, `${top}/a`, `${top}/c`, top].map((path) =>
    line("unlinkat", { dirfd: cwd, path, flags: AT.REMOVEDIR })
  )
])
