/**
 * Making and removing the directories of a container's cgroups.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { CgroupControllerMissing, CgroupInUse, CgroupNotEmpty, CgroupThreaded, type NotACgroup } from "./errors.ts"
import {
  directoriesIn,
  fileCalls,
  gone,
  openDirectory,
  pause,
  readIn,
  withGroup,
  withHierarchy,
  writeIn
} from "./files.ts"
import { isFrozenGroup } from "./freezer.ts"
import { type CgroupManager, type Group, groups, relativeTo, unified } from "./Manager.ts"
import { pidsOfGroup } from "./members.ts"

/** The calls that {@link create} and {@link destroy} may make. */
export const directoryCalls = [...fileCalls, "getdents64", "mkdirat", "unlinkat", "nanosleep"] as const

/** What {@link create} can fail with. */
export type CreateError = SyscallError | NotACgroup | CgroupInUse | CgroupThreaded | CgroupControllerMissing

/** How long {@link destroy} waits altogether for groups that are busy, in milliseconds. */
const patience = 2000

const words = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

/**
 * Makes the groups, level by level. Run inside of a step: each directory that is made is registered to be removed again,
 * should this step or a later one fail.
 *
 * `required` are v2 controllers to be switched on for the groups (those of `requiredControllers`); a pure v2 group gets all
 * others too, where they can be had. What was switched on in groups that were there before stays on: to switch it off
 * would take the limits from whatever else has come to live beside this container since.
 *
 * Gives the manager with what was made, to be kept. Fails with {@link CgroupInUse} where a group is there and is not
 * empty, or frozen; {@link CgroupControllerMissing}; {@link CgroupThreaded}.
 */
export const create = Effect.fnUntraced(function*(
  manager: CgroupManager,
  required: ReadonlyMap<string, ReadonlyArray<string>> = new Map()
) {
  const made: Array<string> = []
  const waiting: Waiting = { slept: 0 }
  for (const group of groups(manager)) {
    const isUnified = group.keys.includes(unified)
    if (!isUnified && !group.keys.includes("cpuset") && (yield* makeAtOnce(group, waiting))) {
      made.push(group.path)
      continue
    }
    const wanted = !isUnified ? [] : manager.version === "v2" ? "all" as const : [...required.keys()]
    const making = { wanted, required, made, waiting }
    yield* withHierarchy(
      group.mountpoint,
      (root) => walk(root, group, group.relative.split("/"), group.mountpoint, making)
    )
  }
  return { ...manager, made } satisfies CgroupManager
})

interface Making {
  /** Controllers of v2 to switch on. */
  readonly wanted: "all" | ReadonlyArray<string>
  /** Controllers that must be there, with the limits that ask for them. */
  readonly required: ReadonlyMap<string, ReadonlyArray<string>>
  readonly made: Array<string>
  /** For the removal on rollback: one wait for all directories. */
  readonly waiting: Waiting
}

/**
 * Makes a group of version 1 below one that is there, in one call. Its path leads through no link: the mount table knows
 * where a hierarchy is, and in one there are no links. Whoever enters the group sees whether it is one.
 */
const makeAtOnce = (group: Group, waiting: Waiting): Effect.Effect<boolean, SyscallError, Kernel | Step.Rollback> =>
  makeDirectory(AT.FDCWD, group.path, group.path, group, waiting).pipe(orOn(["ENOENT"], false))

/** Makes one level below `dirfd`, which is `at`, and those below it. */
const walk = (
  dirfd: number,
  group: Group,
  segments: ReadonlyArray<string>,
  at: string,
  making: Making
): Effect.Effect<void, CreateError, Kernel | Step.Rollback> =>
  Effect.gen(function*() {
    const [name, ...rest] = segments
    const path = `${at === "/" ? "" : at}/${name}`
    if (making.wanted.length > 0) yield* enable(dirfd, at, making)
    const fresh = yield* makeDirectory(dirfd, name!, path, group, making.waiting)
    if (fresh) making.made.push(path)
    // a new group of version 1 is as it should be
    if (fresh && rest.length === 0 && !group.keys.includes("cpuset") && !group.keys.includes(unified)) return
    yield* using(openDirectory(dirfd, name!), (child) =>
      Effect.gen(function*() {
        if (group.keys.includes("cpuset")) yield* inheritCpuset(dirfd, child, fresh)
        if (rest.length > 0) return yield* walk(child, group, rest, path, making)
        if (!fresh) yield* refuseUsed(child, group, path)
        if (group.keys.includes(unified)) yield* refuseThreaded(child, path)
      }))
  })

/** Whether the directory was made; an uninterruptible pair, so that what is made is always registered. */
const makeDirectory = (
  dirfd: number,
  name: string,
  path: string,
  { mountpoint }: Group,
  waiting: Waiting
): Effect.Effect<boolean, SyscallError, Kernel | Step.Rollback> =>
  Effect.uninterruptible(
    sys.mkdirat({ dirfd, path: name, mode: 0o755 }).pipe(
      Effect.andThen(Step.onRollback(removeMade(mountpoint, path, waiting))),
      Effect.as(true),
      orOn(["EEXIST"], false)
    )
  )

/** A new v1 cpuset has neither CPUs nor memory nodes, and takes no process before it has: it gets its parent's. */
const inheritCpuset = Effect.fnUntraced(function*(parent: number, child: number, fresh: boolean) {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (!fresh && (yield* readIn(child, file)).trim() !== "") continue
    const inherited = (yield* readIn(parent, file)).trim()
    if (inherited !== "") yield* writeIn(child, file, inherited)
  }
})

/** Switches v2 controllers on for the children of a group: all in one write, or else each that can be. */
const enable = (
  dirfd: number,
  path: string,
  { required, wanted }: Making
): Effect.Effect<void, SyscallError | CgroupControllerMissing, Kernel> =>
  Effect.gen(function*() {
    const available = words(yield* readIn(dirfd, "cgroup.controllers"))
    for (const [controller, limits] of required) {
      if (!available.includes(controller)) return yield* new CgroupControllerMissing({ limits, controller, path })
    }
    const enabled = words(yield* readIn(dirfd, "cgroup.subtree_control"))
    const missing = available.filter((name) => !enabled.includes(name) && (wanted === "all" || wanted.includes(name)))
    if (missing.length === 0) return
    const write = (names: ReadonlyArray<string>) =>
      writeIn(dirfd, "cgroup.subtree_control", names.map((name) => `+${name}`).join(" "))
    const all = yield* Effect.result(write(missing))
    if (all._tag === "Success") return
    if (all.failure.code === "EBUSY") {
      // the group holds processes: one by one, the kernel would let the threaded controllers (cpu, pids) through, and make
      // the group the root of a threaded subtree, in which no container can be
      const controller = missing.find((name) => required.has(name))
      if (controller === undefined) return
      const limits = required.get(controller)!
      return yield* new CgroupControllerMissing({ limits, controller, path, reason: all.failure })
    }
    for (const controller of missing) {
      const limits = required.get(controller)
      const one = yield* Effect.result(write([controller]))
      // a controller that no limit asks for is not worth a failure: without it, that resource is not limited
      if (one._tag === "Failure" && limits !== undefined) {
        return yield* new CgroupControllerMissing({ limits, controller, path, reason: one.failure })
      }
    }
  })

const refuseUsed = (
  dirfd: number,
  group: Group,
  path: string
): Effect.Effect<void, SyscallError | CgroupInUse, Kernel> =>
  Effect.gen(function*() {
    const pids = yield* pidsOfGroup(dirfd)
    const frozen = yield* isFrozenGroup(dirfd, group)
    if (pids.length > 0 || frozen) return yield* new CgroupInUse({ path, pids, frozen })
  })

const refuseThreaded = (dirfd: number, path: string): Effect.Effect<void, SyscallError | CgroupThreaded, Kernel> =>
  Effect.gen(function*() {
    const type = (yield* readIn(dirfd, "cgroup.type")).trim()
    if (type !== "domain") return yield* new CgroupThreaded({ path, type })
  })

/** Removes a directory that `create` made, and waits for processes in it that are about to end. */
const removeMade = (
  mountpoint: string,
  path: string,
  waiting: Waiting
): Effect.Effect<void, SyscallError | NotACgroup | CgroupNotEmpty, Kernel> => {
  return removeGroup({ keys: [], mountpoint, path, relative: relativeTo(mountpoint, path) }, waiting)
}

interface Waiting {
  /** Milliseconds that were waited already. */
  slept: number
}

/** Removes a group with all groups below it; nothing where it is gone. */
const removeGroup = (
  group: Group,
  waiting: Waiting
): Effect.Effect<void, SyscallError | NotACgroup | CgroupNotEmpty, Kernel> =>
  Effect.catchIf(
    // an empty directory that is no group would be removed as well: what is in the manager was made by `create`
    sys.unlinkat({ dirfd: AT.FDCWD, path: group.path, flags: AT.REMOVEDIR }),
    // where it is not there, whether its hierarchy is
    ({ code }) => code === "EBUSY" || code === "ENOTEMPTY" || code === "ENOENT",
    () => removeBelow(group, waiting)
  ).pipe(orOn(gone, undefined))

const removeBelow = (
  group: Group,
  waiting: Waiting
): Effect.Effect<void, SyscallError | NotACgroup | CgroupNotEmpty, Kernel> =>
  withHierarchy(group.mountpoint, (root) => {
    const cut = group.relative.lastIndexOf("/")
    const name = group.relative.slice(cut + 1)
    return cut < 0
      ? removeTree(root, name, group.path, waiting)
      : using(
        openDirectory(root, group.relative.slice(0, cut)),
        (parent) => removeTree(parent, name, group.path, waiting)
      )
  }).pipe(orOn(gone, undefined))

const removeTree = (
  parent: number,
  name: string,
  path: string,
  waiting: Waiting
): Effect.Effect<void, SyscallError | CgroupNotEmpty, Kernel> =>
  Effect.gen(function*() {
    const remove = sys.unlinkat({ dirfd: parent, path: name, flags: AT.REMOVEDIR }).pipe(
      Effect.as("removed" as const),
      orOn(gone, "removed" as const),
      orOn(["EBUSY", "ENOTEMPTY"], "busy" as const)
    )
    for (let sleep = 1;; sleep *= 2) {
      if ((yield* remove) === "removed") return
      const below = yield* using(openDirectory(parent, name), (fd) =>
        Effect.gen(function*() {
          const children = yield* directoriesIn(fd)
          for (const child of children) yield* removeTree(fd, child, `${path}/${child}`, waiting)
          return children.length
        })).pipe(orOn(gone, 0))
      if (below > 0 && (yield* remove) === "removed") return
      if (waiting.slept >= patience) {
        const pids = yield* using(openDirectory(parent, name), pidsOfGroup).pipe(orOn(gone, []))
        return yield* new CgroupNotEmpty({ path, pids, milliseconds: waiting.slept })
      }
      const milliseconds = Math.min(sleep, patience - waiting.slept)
      yield* pause(milliseconds)
      waiting.slept += milliseconds
    }
  })

/**
 * Removes the groups, with those that the container made below them, and the directories above that `create` made, unless
 * others use those by now. What is gone already is no failure: it can be repeated.
 *
 * A group is busy as long as a process in it has not quite ended; it is tried again after 1, 2, 4, … ms, 2 s in all.
 * Every group is tried; the first failure is the one that is given: {@link CgroupNotEmpty} with the pids.
 */
export const destroy = Effect.fnUntraced(function*(manager: CgroupManager) {
  const waiting: Waiting = { slept: 0 }
  const all = groups(manager)
  const results = yield* Effect.forEach(all, (group) => Effect.result(removeGroup(group, waiting)))
  const failed = results.find((result) => result._tag === "Failure")
  if (failed !== undefined) return yield* Effect.fail(failed.failure)

  const parents = manager.made.filter((path) => !all.some((group) => group.path === path)).toReversed()
  for (const path of parents) {
    const group = all.find((group) => path.startsWith(`${group.mountpoint}/`) && group.path.startsWith(`${path}/`))
    if (group === undefined) continue
    const relative = relativeTo(group.mountpoint, path)
    yield* withHierarchy(group.mountpoint, (root) => removeIfUnused(root, relative)).pipe(orOn(gone, undefined))
  }
})

/** A directory above the container's group: removed where it has become empty, left where others are in it. */
const removeIfUnused = (root: number, relative: string): Effect.Effect<void, SyscallError, Kernel> => {
  const cut = relative.lastIndexOf("/")
  const remove = (dirfd: number) =>
    sys.unlinkat({ dirfd, path: relative.slice(cut + 1), flags: AT.REMOVEDIR }).pipe(
      orOn(["EBUSY", "ENOTEMPTY"], undefined)
    )
  return cut < 0 ? remove(root) : using(openDirectory(root, relative.slice(0, cut)), remove)
}

/** Whether any of the groups is there. */
export const exists = (manager: CgroupManager): Effect.Effect<boolean, SyscallError | NotACgroup, Kernel> =>
  Effect.map(
    Effect.forEach(
      groups(manager),
      (group) => withGroup(group, () => Effect.succeed(true)).pipe(orOn(gone, false))
    ),
    (found) => found.includes(true)
  )
