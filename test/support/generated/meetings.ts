/** What the files share in which two matters meet. */
import * as fc from "fast-check"
import { CLONE, O } from "../../../src/native/constants.ts"
import { type Child, cwd, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { flagsUpTo, from, type Steps } from "./parts.ts"

export const flags = flagsUpTo(2)
export const zero = fc.constant(0)
export const nothing = fc.constant(null)
export const modes = from(0o755, 0o700, 0o777, 0o1777, 0o2775, 0o500, 0o000)

export const child = (flag: fc.Arbitrary<number>, step: Steps, before: Scenario = [], maxLength = 5): Steps =>
  fc.tuple(flag, fc.array(step, { minLength: 1, maxLength })).map(([some, lines]): Scenario => [
    { fork: some, lines: [...(some & CLONE.NEWUSER) === 0 ? [] : before, ...lines.flat()] } satisfies Child
  ])

export const writing = (path: string, data: string): Scenario => [
  line("openat", { dirfd: cwd, path, flags: O.WRONLY, mode: 0 }, as("w")),
  line("write", { fd: "$w", data }, see),
  line("close", { fd: "$w" })
]

export const rootOnly: Scenario = [
  ...writing("/proc/self/setgroups", "deny"),
  ...writing("/proc/self/uid_map", "0 0 1"),
  ...writing("/proc/self/gid_map", "0 0 1")
]

export const become: Steps = from<Scenario>(
  [
    line("setresgid", { rgid: 1000, egid: 1000, sgid: 1000 }),
    line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 })
  ],
  [line("setresuid", { ruid: -1, euid: 1000, suid: -1 })],
  [line("setresuid", { ruid: -1, euid: 2000, suid: -1 })],
  [line("setresuid", { ruid: -1, euid: 0, suid: -1 })]
)

export const trees = from("a", "a", "a/d", "a/d", "a/d/e", "b", "b/d", "c", "c/d", "a/f", "b/f", ".", "/mnt/a")
export const handles = from("h", "k")

/** CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, SETPCAP, SYS_CHROOT, SYS_ADMIN, MKNOD. */
export const powers = [0, 1, 2, 3, 4, 6, 7, 8, 18, 21, 27]

export const some = fc.subarray(powers, { maxLength: 4 }).map((bits) =>
  bits.reduce((set, bit) => set | 1n << BigInt(bit), 0n)
)

export const ids = from(0, 1000, 2000, -1)
