/** Words for the scenarios here. */
import { CLONE, PR, SIG, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { file, sleeping } from "../../support/programs.ts"
import {
  capset,
  fork,
  gids,
  join,
  kill,
  line,
  lookAt,
  mount,
  prctl,
  raise,
  start,
  uids,
  waitFor
} from "../../support/vocabulary.ts"

export const execve = (path: string, argv: ReadonlyArray<string> = ["x"], envp: ReadonlyArray<string> = []) =>
  line("execve", { path, argv, envp })

export const execAt = (dirfd: string | number, path: string, flags = 0, argv: ReadonlyArray<string> = ["x"]) =>
  line("execveat", { dirfd, path, argv, envp: [], flags })

/** Executes in a child, which ends with the program. */
export const tryExec = (...args: Parameters<typeof execve>) => fork(0, [execve(...args)])
export const proc = mount("proc", "/proc", "proc", 0)

/** As process 2 of a pid namespace: executes a program in a child, and looks at it from outside. */
export const executed = (files: Scenario, prepare: Scenario, look: Scenario, last = execve("p")): Scenario => [
  ...files,
  fork(CLONE.NEWPID, [fork(0, [
    proc,
    start("child", 0, [...prepare, last]),
    join("child"),
    // it stops when it first gets to run: exec is over then
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    ...look,
    kill("$child", SIG.KILL),
    waitFor("$child")
  ])])
]

export const status = lookAt("/proc/$child/status", /^(Name|Uid|Gid|Groups|Cap\w+|NoNewPrivs):/)

/** Whose the files of its /proc directory are, which tells whether it is dumpable. */
export const dumpable = line("statx", { dirfd: cwd, path: "/proc/$child/status", flags: 0, mask: 0x7ff }, {
  see: ["uid", "gid"]
})

/** What credentials become. */
export const becomes = (
  prepare: Scenario,
  mode = 0o755,
  owner: readonly [number, number] = [0, 0],
  more: Scenario = []
) => executed([...file("p", sleeping, mode, owner), ...more], prepare, [...status, dumpable])

export const user = (id: number, groups: ReadonlyArray<number> = []): Scenario => [
  gids(id),
  line("setgroups", { groups }),
  uids(id)
]

/** A user with capabilities that outlast nothing, or that are ambient. */
export const capableUser = (
  id: number,
  permitted: bigint,
  inheritable = 0n,
  ambient: ReadonlyArray<number> = []
): Scenario => [
  prctl(PR.SET_KEEPCAPS, 1),
  ...user(id),
  capset(permitted, permitted, inheritable),
  ...ambient.map(raise)
]

export const nnp = prctl(PR.SET_NO_NEW_PRIVS, 1)
