/**
 * The processes of a container, as its cgroups know them: who is in, putting one in, killing all.
 *
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { AnyFd, AnyPid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { CgroupFileInvalid, CgroupJoinError, type NotACgroup } from "./errors.ts"
import { eachBelow, fileCalls, gone, readIn, withGroup, writeIn, writeTo } from "./files.ts"
import { type CgroupManager, type Group, groupOf, groups, unified } from "./Manager.ts"

/** The calls that the functions of this module may make. */
export const memberCalls = [...fileCalls, "getdents64", "nanosleep"] as const

/** How often and at what distance a join is tried again. */
const joinTries = 5
const joinDistance = 30_000_000n

/**
 * Puts a process, with all of its threads, into all groups. Groups that are gone are an error.
 *
 * EINVAL is tried again, 5 times at a distance of 30 ms: the kernel returns it for a process that is just being made.
 */
export const join = (
  manager: CgroupManager,
  pid: AnyPid
): Effect.Effect<void, CgroupJoinError | SyscallError | NotACgroup, Kernel> =>
  Effect.forEach(groups(manager), (group) =>
    withGroup(group, (dirfd) =>
      Effect.gen(function*() {
        for (let tries = 1;; tries++) {
          const result = yield* Effect.result(writeIn(dirfd, "cgroup.procs", String(pid)))
          if (result._tag === "Success") return
          if (result.failure.code !== "EINVAL" || tries === joinTries) {
            return yield* new CgroupJoinError({
              path: group.path,
              pid,
              controllers: group.keys,
              reason: result.failure
            })
          }
          yield* sys.nanosleep({ nanoseconds: joinDistance })
        }
      })), { discard: true })

/** Whether a group of version 1 shares out the time of the CPUs, or counts it. */
const isOfCpuTime = ({ keys }: Group): boolean => keys.includes("cpu") || keys.includes("cpuacct")

/** All groups, with those of the CPUs' time last: what it takes to move into the others is then not the container's own time. */
const cpuTimeLast = (all: ReadonlyArray<Group>): ReadonlyArray<Group> => [
  ...all.filter((group) => !isOfCpuTime(group)),
  ...all.filter(isOfCpuTime)
]

/**
 * Puts the calling process, which must have one thread only, into all groups.
 *
 * Cheaper than {@link join} by a wait for all CPUs in each v1 hierarchy (milliseconds on an idle host): a thread that
 * moves itself, by `0` in `tasks`, can neither end nor execute meanwhile, so the kernel needs no lock against that.
 */
export const joinSelf = (
  manager: CgroupManager
): Effect.Effect<void, CgroupJoinError | SyscallError | NotACgroup, Kernel> =>
  Effect.forEach(cpuTimeLast(groups(manager)), (group) =>
    // cgroup2 moves threads only within a threaded subtree, so there it is the whole process
    Effect.catchTag(
      writeTo(group, group.keys.includes(unified) ? "cgroup.procs" : "tasks", "0"),
      "SyscallError",
      (reason) => Effect.fail(new CgroupJoinError({ path: group.path, pid: 0, controllers: group.keys, reason }))
    ), { discard: true })

/**
 * The lines of `cgroup.procs` in an open group and all groups below it. Each group takes one look: its name and its file are
 * opened together, and its link count shows how many directories are in it.
 */
const linesOfGroup = (dirfd: AnyFd): Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const lines: Array<number> = [...(yield* linesOf(dirfd, "cgroup.procs"))]
    yield* eachBelow(dirfd, (parent, name) =>
      Effect.map(linesOf(parent, `${name}/cgroup.procs`), (more) => {
        for (const line of more) lines.push(line)
      }))
    return lines
  })

const linesOf = (dirfd: AnyFd, file: string): Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> =>
  // ENOTSUP: a threaded group has threads only, its processes are listed where the subtree begins
  Effect.map(readIn(dirfd, file).pipe(orOn([...gone, "ENOTSUP"], "")), parsePids)

/** The pids in an open group and all groups below it; those that this pid namespace has no number for are left out. */
export const pidsOfGroup = (dirfd: AnyFd): Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> =>
  // 0 stands for a process of another pid namespace; to signal it would mean to signal ourselves
  Effect.map(linesOfGroup(dirfd), (lines) => lines.filter((pid) => pid > 0))

const parsePids = (text: string): ReadonlyArray<number> =>
  text === "" ? [] : text.split("\n").filter((line) => /^\d+$/.test(line)).map((line) => Number(line))

/**
 * The pids of all processes in any of the container's groups and those below them, ascending. Empty if the groups are
 * gone. A process that has ended and waits for its parent (a zombie) is not among them.
 */
export const pids = (
  manager: CgroupManager
): Effect.Effect<ReadonlyArray<number>, SyscallError | NotACgroup, Kernel> =>
  Effect.map(
    Effect.forEach(groups(manager), (group) => withGroup(group, pidsOfGroup).pipe(orOn(gone, []))),
    (lists) => [...new Set(lists.flat())].toSorted((a, b) => a - b)
  )

/** How many processes are in the container's groups, with those that this pid namespace has no number for. */
export const population = (
  manager: CgroupManager
): Effect.Effect<number, SyscallError | NotACgroup, Kernel> =>
  Effect.map(
    Effect.forEach(groups(manager), (group) => withGroup(group, linesOfGroup).pipe(orOn(gone, []))),
    (lists) => Math.max(0, ...lists.map(({ length }) => length))
  )

/**
 * Kills all processes in the cgroup2 group and below, at once and without a gap through which a fork could slip, frozen or
 * not. `false` if that is not to be had: no cgroup2 hierarchy, no `cgroup.kill` (before Linux 5.14), or no group any
 * more.
 */
export const killAll = (manager: CgroupManager): Effect.Effect<boolean, SyscallError | NotACgroup, Kernel> => {
  const group = groupOf(manager, unified)
  // ENOTSUP: a threaded group
  return group === undefined
    ? Effect.succeed(false)
    : withGroup(group, (dirfd) => Effect.as(writeIn(dirfd, "cgroup.kill", "1"), true)).pipe(
      orOn([...gone, "ENOTSUP"], false)
    )
}

/** The lines of a flat keyed file (`name value`), as numbers; a line of another form is an error. */
export const parseKeyed = (
  file: string,
  text: string
): Effect.Effect<Readonly<Record<string, bigint>>, CgroupFileInvalid> =>
  Effect.gen(function*() {
    const values: Record<string, bigint> = {}
    for (const line of text.split("\n")) {
      if (line === "") continue
      const match = /^(\S+)\s+(-?\d+)$/.exec(line)
      if (match === null) return yield* new CgroupFileInvalid({ file, line })
      values[match[1]!] = BigInt(match[2]!)
    }
    return values
  })
