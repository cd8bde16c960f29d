/** Words for scenarios: calls in short, with the arguments that a scenario is about. */
import { AT, O, P, PR, SIG, W } from "../../src/native/constants.ts"
import { type Child, cwd, type Join, type Line, type Scenario, type Start } from "./parityLines.ts"

export const line = (call: Line["call"], args: Line["args"] = {}, more: Partial<Line> = {}): Line => ({
  call,
  args,
  ...more
})
export const as = (name: string) => ({ as: name })
export const see = { see: true } as const

export const open = (path: string, flags: number, name?: string, mode = 0): Line =>
  line("openat", { dirfd: cwd, path, flags, mode }, name === undefined ? {} : as(name))
export const openIn = (dirfd: string, path: string, resolve: number, flags: number = O.PATH): Line =>
  line("openat2", { dirfd, path, flags, mode: 0, resolve })
export const mkdir = (path: string, mode = 0o755): Line => line("mkdirat", { dirfd: cwd, path, mode })
export const touch = (path: string, mode = 0o644): Line => open(path, O.CREAT | O.WRONLY, undefined, mode)
export const symlink = (target: string, path: string): Line => line("symlinkat", { target, dirfd: cwd, path })
export const mount = (
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null
): Line => line("mount", { source, target, type, flags, data })
export const umount = (target: string, flags = 0): Line => line("umount2", { target, flags })
export const unlink = (path: string, flags = 0): Line => line("unlinkat", { dirfd: cwd, path, flags })
export const chown = (path: string, uid: number, gid: number): Line =>
  line("fchownat", { dirfd: cwd, path, uid, gid, flags: 0 })
export const uids = (id: number): Line => line("setresuid", { ruid: id, euid: id, suid: id })
export const gids = (id: number): Line => line("setresgid", { rgid: id, egid: id, sgid: id })
export const caps = line("capget", { pid: 0 }, see)
export const prctl = (option: number, arg2 = 0, arg3 = 0): Line =>
  line("prctl", { option, arg2, arg3, arg4: 0, arg5: 0 }, see)
export const link = (request: unknown): Line => line("rtnetlink", { request })
export const fork = (flags: number, lines: Scenario): Child => ({ fork: flags, lines })
export const write = (path: string, data: string): Scenario => [
  open(path, O.WRONLY, "file"),
  line("write", { fd: "$file", data }, see),
  line("close", { fd: "$file" })
]
export const readFile = (path: string): Scenario => [
  open(path, O.RDONLY, "file"),
  line("read", { fd: "$file", count: 4096 }, see),
  line("close", { fd: "$file" })
]
/** A process beside, whose pid is `$name`. */
export const start = (name: string, flags: number, lines: Scenario): Start => ({ start: name, flags, lines })
/** Waits until it has run its last line, ended or executed a program. */
export const join = (name: string): Join => ({ join: name })
export const exit = (status: number): Line => line("exit_group", { status })
export const kill = (pid: string | number, signal: number): Line => line("kill", { pid, signal })
/** A gate: `pass` waits until another process opens it. */
export const gate = (name: string): Line => line("pipe2", { flags: O.CLOEXEC }, as(name))
export const pass = (name: string): Line => line("read", { fd: `$${name}.0`, count: 1 })
export const openGate = (name: string): Line => line("write", { fd: `$${name}.1`, data: "x" }, { quiet: true })
/** How a child went: its code and status. */
export const waitFor = (pid: string | number, options: number = W.EXITED): Line =>
  line("waitid", { idtype: P.PID, id: pid, options }, { see: ["code", "status"] })
/** Lines of a file of /proc. */
export const lookAt = (path: string, only: RegExp): Scenario => [
  open(path, O.RDONLY, "file"),
  line("read", { fd: "$file", count: 65536 }, { see: true, only }),
  line("close", { fd: "$file" })
]
/** The mounts at and below a path, as a process sees them: `self`, or a pid. */
export const mounts = (below: string, process = "self"): Scenario => [
  open(`/proc/${process}/mountinfo`, O.RDONLY, "file"),
  line("read", { fd: "$file", count: 65536 }, { mounts: below }),
  line("close", { fd: "$file" })
]
/** A statx(2) of a path, of which parts are compared. */
export const stat = (
  path: string,
  part: string | ReadonlyArray<string>,
  flags = 0,
  dirfd: string | number = cwd
): Line => line("statx", { dirfd, path, flags, mask: 0x7ff }, { see: part })
export const chmod = (path: string, mode: number): Line => line("fchmodat", { dirfd: cwd, path, mode })
export const rename = (from: string, to: string, flags = 0): Line =>
  line("renameat2", { olddirfd: cwd, oldpath: from, newdirfd: cwd, newpath: to, flags })
export const mknod = (path: string, mode: number, major = 0, minor = 0): Line =>
  line("mknodat", { dirfd: cwd, path, mode, major, minor })
export const rmdir = (path: string): Line => unlink(path, AT.REMOVEDIR)
export const readlink = (path: string): Line => line("readlinkat", { dirfd: cwd, path }, see)
export const chdir = (path: string): Line => line("chdir", { path })
export const chroot = (path: string): Line => line("chroot", { path })
export const getcwd: Line = line("getcwd", {}, see)
/** Becomes somebody without capabilities. */
export const become = (id: number, groups: ReadonlyArray<number> = []): Scenario => [
  line("setgroups", { groups }),
  gids(id),
  uids(id)
]

/** A child that waits until it is ended. */
export const sleeper = (child: string, lines: Scenario = []): Scenario => [
  gate("asleep"),
  gate("ready"),
  start(child, 0, [...lines, openGate("ready"), pass("asleep")]),
  pass("ready")
]
export const end = (child: string): Scenario => [kill(`$${child}`, SIG.KILL), waitFor(`$${child}`)]

/** Capabilities as a set. */
export const set = (...capabilities: ReadonlyArray<number>): bigint =>
  capabilities.reduce((bits, capability) => bits | 1n << BigInt(capability), 0n)
export const capset = (effective: bigint, permitted: bigint, inheritable: bigint) =>
  line("capset", { effective, permitted, inheritable })
/** Makes a capability ambient. */
export const raise = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, capability)
/** Takes a capability out of the bounding set. */
export const drop = (capability: number) => prctl(PR.CAPBSET_DROP, capability)
