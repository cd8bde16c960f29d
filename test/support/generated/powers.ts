/** Capabilities, securebits, and what they are for. */
import * as fc from "fast-check"
import { AT, CLONE, O, PR, S } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { become, child, flags, ids, modes, nothing, powers, rootOnly, some, zero } from "./meetings.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"

const all = 0x1fffeffffffn

const without = fc.subarray(powers, { minLength: 1, maxLength: 3 }).map((bits) =>
  bits.reduce((set, bit) => set & ~(1n << BigInt(bit)), all)
)

const sets = fc.oneof({ weight: 3, arbitrary: some }, { weight: 3, arbitrary: without }, {
  weight: 1,
  arbitrary: from(0n, all)
})

const prctl = (option: number, arg2: fc.Arbitrary<number>, arg3: fc.Arbitrary<number> = zero): Steps =>
  call("prctl", { option: fc.constant(option), arg2, arg3, arg4: zero, arg5: zero }, see)

const things = from("f", "f", "o", "o", "d", "d/f", "s", "s/o", "s/f", "g", "g/f", "x")

const powerStep: Steps = weighted(
  [
    4,
    fc.tuple(sets, sets).map((
      [effective, inheritable]
    ): Scenario => [line("capset", { effective, permitted: all, inheritable })])
  ],
  [3, sets.map((set): Scenario => [line("capset", { effective: set, permitted: set, inheritable: 0n })])],
  [3, prctl(PR.SET_SECUREBITS, flags(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80))],
  [1, prctl(PR.GET_SECUREBITS, zero)],
  [2, prctl(PR.SET_KEEPCAPS, from(0, 1))],
  [
    2,
    prctl(
      PR.CAP_AMBIENT,
      from<number>(PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_LOWER, PR.CAP_AMBIENT_IS_SET),
      from(...powers)
    )
  ],
  [2, prctl(PR.CAPBSET_DROP, from(...powers))],
  [5, become],
  [2, call("setresgid", { rgid: ids, egid: ids, sgid: ids })],
  [1, call("setgroups", { groups: from<ReadonlyArray<number>>([], [2000], [0, 1000]) })],
  [3, call("fchownat", { dirfd: here, path: things, uid: ids, gid: ids, flags: zero })],
  [3, call("fchmodat", { dirfd: here, path: things, mode: from(0o644, 0o4755, 0o2755, 0o6711, 0o600, 0o1777) })],
  [
    2,
    call("statx", { dirfd: here, path: things, flags: zero, mask: fc.constant(0x7ff) }, { see: ["mode", "uid", "gid"] })
  ],
  [
    3,
    call("openat", {
      dirfd: here,
      path: things,
      flags: from(O.RDONLY, O.RDWR | O.NONBLOCK, O.WRONLY | O.TRUNC, O.CREAT | O.RDWR),
      mode: from(0o600, 0o2755)
    }, as("h"))
  ],
  [1, call("write", { fd: fc.constant("$h"), data: fc.constant("x") }, see)],
  [2, call("unlinkat", { dirfd: here, path: things, flags: from(0, AT.REMOVEDIR) })],
  [2, call("renameat2", { olddirfd: here, oldpath: things, newdirfd: here, newpath: things, flags: from(0, 1, 2) })],
  [1, call("mkdirat", { dirfd: here, path: from("x", "s/x", "g/x"), mode: modes })],
  [
    1,
    call("mknodat", {
      dirfd: here,
      path: from("n", "s/n"),
      mode: from(S.IFCHR | 0o666, S.IFIFO | 0o600),
      major: fc.constant(1),
      minor: from(3, 0)
    })
  ],
  [1, call("chroot", { path: from("d", "s") })],
  [1, call("sethostname", { name: from("one", "two") })],
  [
    1,
    call("mount", {
      source: fc.constant("t"),
      target: from("d", "s"),
      type: fc.constant("tmpfs"),
      flags: zero,
      data: nothing
    })
  ],
  [
    1,
    call("setxattr", {
      path: things,
      name: from("user.x", "trusted.x", "security.x"),
      value: fc.constant(new TextEncoder().encode("1"))
    })
  ],
  [1, call("faccessat2", { dirfd: here, path: things, mode: from(1, 2, 4), flags: from(0, AT.EACCESS) })],
  [1, call("capget", { pid: zero }, see)]
)

export const powerStart: ReadonlyArray<Line> = [
  line("openat", { dirfd: cwd, path: "f", flags: O.CREAT, mode: 0o644 }),
  line("openat", { dirfd: cwd, path: "o", flags: O.CREAT, mode: 0o640 }),
  line("fchownat", { dirfd: cwd, path: "o", uid: 1000, gid: 2000, flags: 0 }),
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o700 }),
  line("mkdirat", { dirfd: cwd, path: "s", mode: 0o755 }),
  line("fchmodat", { dirfd: cwd, path: "s", mode: 0o1777 }),
  line("openat", { dirfd: cwd, path: "s/o", flags: O.CREAT, mode: 0o666 }),
  line("fchownat", { dirfd: cwd, path: "s/o", uid: 2000, gid: 2000, flags: 0 }),
  line("mkdirat", { dirfd: cwd, path: "g", mode: 0o755 }),
  line("fchownat", { dirfd: cwd, path: "g", uid: 1000, gid: 2000, flags: 0 }),
  line("fchmodat", { dirfd: cwd, path: "g", mode: 0o2777 })
]

export const powerSteps: Steps = fc.oneof(
  { weight: 14, arbitrary: powerStep },
  { weight: 1, arbitrary: child(from<number>(0, CLONE.NEWUSER), powerStep, rootOnly) }
)
