/** Processors, io priorities, personalities, memory policies, the oom score. */
import { MPOL_F, O, PR, RLIMIT } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  become,
  exit,
  fork,
  join,
  line,
  lookAt,
  prctl,
  readFile,
  see,
  start,
  uids,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { limit, nobody, policy, sleeper } from "./lines.ts"

const affinity = (cpus: ReadonlyArray<number>, pid: string | number = 0): Line =>
  line("sched_setaffinity", { pid, cpus })

const where = (pid: string | number = 0): Line => line("sched_getaffinity", { pid }, see)

const priority = (kind: number, level: number, which = 1, who: string | number = 0): Line =>
  line("ioprio_set", { which, who, ioprio: kind << 13 | level })

export const rest: Readonly<Record<string, Scenario>> = {
  "processors that are there": [
    affinity([0]),
    where(),
    affinity([0, 100]),
    where(),
    affinity([100]),
    affinity([]),
    affinity([0, 1]),
    where()
  ],
  "children inherit processors": [affinity([0]), fork(0, [where(), affinity([1])]), where()],
  "processors of others": [
    ...sleeper("other", become(nobody)),
    affinity([0], "$other"),
    where("$other"),
    fork(0, [...become(nobody), affinity([1], "$other"), where("$other")]),
    fork(0, [...become(nobody + 1), affinity([0], "$other"), affinity([], "$other"), where("$other")]),
    affinity([0], 99999999),
    affinity([], 99999999),
    where(99999999),
    where(-1),
    affinity([0], -1)
  ],
  "io priorities have classes and levels": [
    priority(0, 0),
    priority(0, 1),
    priority(1, 0),
    priority(1, 7),
    priority(2, 0),
    priority(2, 7),
    priority(3, 0),
    priority(3, 5),
    priority(4, 0),
    priority(7, 0)
  ],
  "real time io takes CAP_SYS_ADMIN or CAP_SYS_NICE": [
    prctl(PR.SET_KEEPCAPS, 1),
    uids(nobody),
    line("capset", { effective: 1n << 23n, permitted: 1n << 23n | 1n << 21n, inheritable: 0n }),
    priority(1, 0),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    priority(1, 0),
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    priority(1, 0),
    priority(2, 0),
    priority(3, 0)
  ],
  "io priorities of others": [
    ...sleeper("other", become(nobody)),
    priority(2, 4, 1, "$other"),
    fork(0, [...become(nobody), priority(2, 4, 1, "$other")]),
    fork(0, [...become(nobody + 1), priority(2, 4, 1, "$other"), priority(0, 4, 1, "$other")]),
    priority(2, 4, 1, 99999999),
    priority(2, 4, 9, 0)
  ],
  "io priorities of process groups": [
    fork(0, [line("setsid", {}), priority(2, 4, 2), line("getpid", {}, as("me")), priority(2, 4, 2, "$me")]),
    priority(2, 4, 2, 99999999)
  ],
  "personality tells the one before": [
    line("personality", { persona: 0xffffffff }, see),
    line("personality", { persona: 8 }, see),
    line("personality", { persona: 0xffffffff }, see),
    fork(0, [line("personality", { persona: 0 }, see)]),
    line("personality", { persona: 0x0040000 }, see),
    line("personality", { persona: -1 }, see)
  ],
  "memory policies": [0, 1, 2, 3, 4, 5, 6, 7, -1].flatMap((mode) => [
    policy(mode, []),
    policy(mode, [0]),
    policy(mode, [1]),
    policy(mode, [0, 1])
  ]),
  "memory policies with flags": [1, 2, 3, 4, 5].flatMap((mode) =>
    [MPOL_F.STATIC_NODES, MPOL_F.RELATIVE_NODES, MPOL_F.NUMA_BALANCING, 0xc000].flatMap((flag) => [
      policy(mode | flag, []),
      policy(mode | flag, [0]),
      policy(mode | flag, [1])
    ])
  ),
  "oom_score_adj is within 1000": [
    ...write("/proc/self/oom_score_adj", "1001"),
    ...write("/proc/self/oom_score_adj", "-1001"),
    ...write("/proc/self/oom_score_adj", "x"),
    ...write("/proc/self/oom_score_adj", "1000\n"),
    ...readFile("/proc/self/oom_score_adj"),
    ...write("/proc/self/oom_score_adj", " 7"),
    ...readFile("/proc/self/oom_score_adj")
  ],
  "oom_score_adj is lowered to where it began without CAP_SYS_RESOURCE": [
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    ...write("/proc/self/oom_score_adj", "500"),
    ...write("/proc/self/oom_score_adj", "0"),
    ...write("/proc/self/oom_score_adj", "-1"),
    fork(0, [...write("/proc/self/oom_score_adj", "10"), ...readFile("/proc/self/oom_score_adj")]),
    ...readFile("/proc/self/oom_score_adj")
  ],
  "umask has nine bits": [
    line("umask", { mask: 0o7777 }, see),
    line("umask", { mask: 0o22 }, see),
    line("umask", { mask: -1 }, see),
    line("openat", { dirfd: cwd, path: "f", flags: O.CREAT | O.WRONLY, mode: 0o6777 }),
    line("statx", { dirfd: cwd, path: "f", flags: 0, mask: 0x7ff }, { see: "mode" }),
    line("umask", { mask: 0 }, see)
  ],
  "time that passes is not negative": [
    line("nanosleep", { nanoseconds: -1n }),
    line("nanosleep", { nanoseconds: 0n }),
    line("nanosleep", { nanoseconds: 1000n })
  ],
  "an exit status has eight bits": [
    start("child", 0, [exit(0x1ff)]),
    join("child"),
    waitFor("$child")
  ],
  "limits of another as its file tells": [
    ...sleeper("other", [limit(RLIMIT.CORE, 3n, 9n)]),
    ...lookAt("/proc/$other/limits", /core file size/)
  ]
}
