/**
 * The processes of a container, as its cgroups know them: who is in, putting one in, killing all.
 */
import * as Effect from "effect/Effect"
import { using } from "../../native/Files.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { CgroupFileInvalid, CgroupJoinError, type NotACgroup } from "./errors.ts"
import { directoriesIn, fileCalls, gone, openDirectory, readIn, withGroup, writeIn, writeTo } from "./files.ts"
import { type CgroupManager, groupOf, groups, unified } from "./Manager.ts"

/** The calls that the functions of this module may make. */
export const memberCalls = [...fileCalls, "getdents64", "nanosleep"] as const

/** How often and at what distance a join is tried again. */
const joinTries = 5
const joinDistance = 30_000_000n

/**
 * Puts a process, with all of its threads, into all groups. Groups that are gone are an error.
 *
 * EINVAL is tried again, 5 times at a distance of 30 ms: the kernel gives it for a process that is just being made.
 */
export const join = (
  manager: CgroupManager,
  pid: number
): Effect.Effect<void, CgroupJoinError | SyscallError | NotACgroup, Kernel> =>
  Effect.forEach(groups(manager), (group) =>
    withGroup(group, (dirfd) =>
      Effect.gen(function*() {
        for (let tries = 1;; tries++) {
          const result = yield* Effect.result(writeIn(dirfd, "cgroup.procs", String(pid)))
          if (result._tag === "Success") return
          if (result.failure.code !== "EINVAL" || tries === joinTries) {
            return yield* new CgroupJoinError({ path: group.path, pid, reason: result.failure })
          }
          yield* sys.nanosleep({ nanoseconds: joinDistance })
        }
      })), { discard: true })

/**
 * Puts the calling process, which must have one thread only, into all groups.
 *
 * Cheaper than {@link join} by a wait for all CPUs in each v1 hierarchy (milliseconds on an idle host): a thread that
 * moves itself, by `0` in `tasks`, can neither end nor execute meanwhile, so the kernel needs no lock against that.
 */
export const joinSelf = (
  manager: CgroupManager
): Effect.Effect<void, CgroupJoinError | SyscallError | NotACgroup, Kernel> =>
  Effect.forEach(groups(manager), (group) =>
    // cgroup2 moves threads only within a threaded subtree, so there it is the whole process
    Effect.catchTag(
      writeTo(group, group.keys.includes(unified) ? "cgroup.procs" : "tasks", "0"),
      "SyscallError",
      (reason) => Effect.fail(new CgroupJoinError({ path: group.path, pid: 0, reason }))
    ), { discard: true })

/** The pids in an open group and all groups below it; those that this pid namespace has no number for are left out. */
export const pidsOfGroup = (dirfd: number): Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> =>
  Effect.gen(function*() {
    // ENOTSUP: a threaded group has threads only, its processes are listed where the subtree begins
    const own = yield* readIn(dirfd, "cgroup.procs").pipe(orOn([...gone, "ENOTSUP"], ""))
    // 0 stands for a process of another pid namespace; to signal it would mean to signal ourselves
    const pids = parsePids(own).filter((pid) => pid > 0)
    const children = yield* directoriesIn(dirfd).pipe(orOn(gone, []))
    for (const child of children) {
      pids.push(...(yield* using(openDirectory(dirfd, child), pidsOfGroup).pipe(orOn(gone, []))))
    }
    return pids
  })

const parsePids = (text: string): Array<number> =>
  text.split("\n").filter((line) => /^\d+$/.test(line)).map((line) => Number(line))

/**
 * The pids of all processes in any of the container's groups and those below them, ascending. Empty where the groups are
 * gone. A process that has ended and waits for its parent (a zombie) is not among them.
 */
export const pids = (
  manager: CgroupManager
): Effect.Effect<ReadonlyArray<number>, SyscallError | NotACgroup, Kernel> =>
  Effect.map(
    Effect.forEach(groups(manager), (group) => withGroup(group, pidsOfGroup).pipe(orOn(gone, []))),
    (lists) => [...new Set(lists.flat())].toSorted((a, b) => a - b)
  )

/**
 * Kills all processes in the cgroup2 group and below, at once and without a gap through which a fork could slip, frozen or
 * not. `false` where that is not to be had: no cgroup2 hierarchy, no `cgroup.kill` (before Linux 5.14), or no group any
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
