/**
 * Making and removing the directories of a container's cgroups.
 *
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT, STATX } from "../../native/constants.ts"
import { split, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { CgroupControllerMissing, CgroupInUse, CgroupNotEmpty, CgroupThreaded, type NotACgroup } from "./errors.ts"
import {
  eachIn,
  fileCalls,
  gone,
  isThere,
  openDirectory,
  pause,
  valueIn,
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

/**
 * How long {@link destroy} waits altogether for groups that are busy, in milliseconds: if a process is in one, and if there is
 * none any more and the kernel is not done with the last one. On a busy machine a pause of 1 ms takes a hundred.
 */
const patience = { occupied: 2000, empty: 20_000 } as const

const words = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

/**
 * Makes the groups, level by level. Run inside of a step: each directory that is made is registered to be removed again,
 * should this step or a later one fail.
 *
 * `required` are v2 controllers to be switched on for the groups (those of `requiredControllers`); a pure v2 group gets all
 * others too, if they can be had. What was switched on in groups that were there before stays on: to switch it off
 * would take the limits from whatever else has come to live beside this container since.
 *
 * `isStillOurs` says whether the container is still the one that this is done for: see {@link removeMade}.
 *
 * Returns the manager with what was made, to be kept. Fails with {@link CgroupInUse} if a group is there and is not
 * empty, or frozen; {@link CgroupControllerMissing}; {@link CgroupThreaded}.
 */
export const create = Effect.fnUntraced(function*(
  manager: CgroupManager,
  required: ReadonlyMap<string, ReadonlyArray<string>> = new Map(),
  isStillOurs: Effect.Effect<boolean, SyscallError, Kernel> = Effect.succeed(true)
) {
  const made: Array<string> = []
  // without a prototype: V8 would make hidden classes for these paths, which no other container has, and keep them for long
  const inodes: Record<string, bigint> = Object.create(null)
  const undoing: Undoing = { waiting: { slept: 0 }, inodes, isStillOurs }
  for (const group of groups(manager)) {
    const isUnified = group.keys.includes(unified)
    if (!isUnified && !group.keys.includes("cpuset") && (yield* makeAtOnce(group, undoing))) {
      made.push(group.path)
      continue
    }
    const wanted = !isUnified ? [] : manager.version === "v2" ? "all" as const : [...required.keys()]
    const making = { wanted, required, made, undoing }
    yield* withHierarchy(
      group.mountpoint,
      (root) => walk(root, group, group.relative.split("/"), group.mountpoint, making)
    )
  }
  const { mountpoints, paths, version } = manager
  return { version, paths, mountpoints, made, inodes } satisfies CgroupManager
})

/**
 * What {@link create} is about to make, to be written down before it does: the groups that are not there yet, and the
 * directories above them.
 *
 * @since 0.2.0
 */
export const intent = Effect.fnUntraced(
  function*(planned: CgroupManager): Effect.fn.Return<CgroupManager, SyscallError, Kernel> {
    const paths: Record<string, string> = {}
    const mountpoints: Record<string, string> = {}
    const made: Array<string> = []
    for (const group of groups(planned)) {
      if (yield* isThere(group)) continue
      const missing = [group.path]
      for (let cut = group.relative.lastIndexOf("/"); cut > 0; cut = group.relative.lastIndexOf("/", cut - 1)) {
        const above = group.path.slice(0, cut - group.relative.length)
        if (yield* isThere({ ...group, path: above })) break
        missing.unshift(above)
      }
      made.push(...missing)
      for (const key of group.keys) {
        paths[key] = group.path
        mountpoints[key] = group.mountpoint
      }
    }
    return { version: planned.version, paths, mountpoints, made: [...new Set(made)], inodes: {} }
  }
)

interface Making {
  /** Controllers of v2 to switch on. */
  readonly wanted: "all" | ReadonlyArray<string>
  /** Controllers that must be there, with the limits that ask for them. */
  readonly required: ReadonlyMap<string, ReadonlyArray<string>>
  readonly made: Array<string>
  readonly undoing: Undoing
}

/** For the removal on rollback. */
interface Undoing {
  /** One wait for all directories. */
  readonly waiting: Waiting
  /** Of what was made or found. */
  readonly inodes: Record<string, bigint>
  readonly isStillOurs: Effect.Effect<boolean, SyscallError, Kernel>
}

/**
 * Makes a group of version 1 below one that is there, in one call. Its path leads through no link: the mount table knows
 * where a hierarchy is, and in one there are no links. The process that enters the group sees whether it is one.
 */
const makeAtOnce = (group: Group, undoing: Undoing): Effect.Effect<boolean, SyscallError, Kernel | Step.Rollback> =>
  makeDirectory(AT.FDCWD, group.path, group.path, group, undoing).pipe(orOn(["ENOENT"], false))

/** Makes one level below `dirfd`, which is `at`, and those below it. */
const walk = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  group: Group,
  segments: ReadonlyArray<string>,
  at: string,
  making: Making
): Effect.fn.Return<void, CreateError, Kernel | Step.Rollback> {
  const [name, ...rest] = segments
  const path = `${at === "/" ? "" : at}/${name}`
  if (making.wanted.length > 0) yield* enable(dirfd, at, making)
  const fresh = yield* makeDirectory(dirfd, name!, path, group, making.undoing)
  if (fresh) making.made.push(path)
  // a new group of version 1 is as it should be
  if (fresh && rest.length === 0 && !group.keys.includes("cpuset") && !group.keys.includes(unified)) return
  yield* using(openDirectory(dirfd, name!), (child) => pass({ dirfd, child, path, fresh }, group, rest, making))
})

/** A level that is there, below `dirfd`. */
interface Level {
  readonly dirfd: AnyFd
  readonly child: AnyFd
  readonly path: string
  /** Whether it was made just now. */
  readonly fresh: boolean
}

/** Checks one level, and makes those below it. */
const pass = Effect.fnUntraced(function*(
  { child, dirfd, fresh, path }: Level,
  group: Group,
  rest: ReadonlyArray<string>,
  making: Making
): Effect.fn.Return<void, CreateError, Kernel | Step.Rollback> {
  if (!fresh && rest.length === 0) {
    const { ino } = yield* sys.statx({ dirfd: child, path: "", flags: AT.EMPTY_PATH, mask: STATX.INO })
    making.undoing.inodes[path] = ino
  }
  if (group.keys.includes("cpuset")) yield* inheritCpuset(dirfd, child, fresh)
  if (rest.length > 0) return yield* walk(child, group, rest, path, making)
  if (!fresh) yield* refuseUsed(child, group, path)
  if (group.keys.includes(unified)) yield* refuseThreaded(child, path)
})

/** Whether the directory was made. It can't be interrupted, so that what is made is always registered. */
const makeDirectory = (
  dirfd: AnyFd,
  name: string,
  path: string,
  { mountpoint }: Group,
  undoing: Undoing
): Effect.Effect<boolean, SyscallError, Kernel | Step.Rollback> =>
  Effect.uninterruptible(
    sys.mkdirat({ dirfd, path: name, mode: 0o755 }).pipe(
      Effect.andThen(Step.onRollback(Effect.suspend(() => removeMade(mountpoint, path, undoing)))),
      Effect.andThen(sys.statx({ dirfd, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.INO })),
      Effect.map(({ ino }) => {
        undoing.inodes[path] = ino
        return true
      }),
      orOn(["EEXIST"], false)
    )
  )

/** A new v1 cpuset has neither CPUs nor memory nodes, and takes no process before it has: it gets its parent's. */
const inheritCpuset = Effect.fnUntraced(function*(parent: number, child: number, fresh: boolean) {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (!fresh && (yield* valueIn(child, file)) !== "") continue
    const inherited = yield* valueIn(parent, file)
    if (inherited !== "") yield* writeIn(child, file, inherited)
  }
})

/** Switches v2 controllers on for the children of a group: all in one write, or else each that can be. */
const enable = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  path: string,
  { required, wanted }: Making
): Effect.fn.Return<void, SyscallError | CgroupControllerMissing, Kernel> {
  const available = words(yield* valueIn(dirfd, "cgroup.controllers"))
  for (const [controller, limits] of required) {
    if (!available.includes(controller)) return yield* new CgroupControllerMissing({ limits, controller, path })
  }
  const enabled = words(yield* valueIn(dirfd, "cgroup.subtree_control"))
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

const refuseUsed = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  group: Group,
  path: string
): Effect.fn.Return<void, SyscallError | CgroupInUse, Kernel> {
  const pids = yield* pidsOfGroup(dirfd)
  const frozen = yield* isFrozenGroup(dirfd, group)
  if (pids.length > 0 || frozen) return yield* new CgroupInUse({ path, pids, frozen })
})

const refuseThreaded = Effect.fnUntraced(
  function*(dirfd: AnyFd, path: string): Effect.fn.Return<void, SyscallError | CgroupThreaded, Kernel> {
    const type = yield* valueIn(dirfd, "cgroup.type")
    if (type !== "domain") return yield* new CgroupThreaded({ path, type })
  }
)

/**
 * Removes a directory that `create` made, and waits for processes in it that are about to end.
 *
 * If the container was deleted by another command meanwhile, and its id was used again, the directory of this name may be
 * the new one's, and may have been that already when its inode was asked for. Then it goes only if it is empty.
 */
const removeMade = (
  mountpoint: string,
  path: string,
  { inodes, isStillOurs, waiting }: Undoing
): Effect.Effect<void, SyscallError | NotACgroup | CgroupNotEmpty, Kernel> => {
  const inode = inodes[path]
  const group: Group = { keys: [], mountpoint, path, relative: relativeTo(mountpoint, path) }
  return Effect.flatMap(isStillOurs, (ours) =>
    inode === undefined || !ours
      ? removeIfEmpty(inode === undefined ? group : { ...group, inode })
      : removeGroup({ ...group, inode }, waiting))
}

/** A group that there may be, with nobody of the container in it: removed if it is empty, left if it is another's. */
const removeIfEmpty = (group: Group): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(isThere(group), (there) =>
    there
      ? sys.unlinkat({ dirfd: AT.FDCWD, path: group.path, flags: AT.REMOVEDIR }).pipe(
        orOn([...gone, "EBUSY", "ENOTEMPTY"], undefined)
      )
      : Effect.void)

interface Waiting {
  /** Milliseconds that were waited already. */
  slept: number
}

/** Removes a group with all groups below it; nothing if it is gone. */
const removeGroup = (
  group: Group,
  waiting: Waiting
): Effect.Effect<void, SyscallError | NotACgroup | CgroupNotEmpty, Kernel> => {
  if (group.inode === "unmade") return removeIfEmpty(group)
  // an empty directory that is no group would be removed as well: what is in the manager was made by `create`
  const remove = sys.unlinkat({ dirfd: AT.FDCWD, path: group.path, flags: AT.REMOVEDIR }).pipe(
    // ENOENT: it is not there; is its hierarchy?
    onErrno(["EBUSY", "ENOTEMPTY", "ENOENT"], () => removeBelow(group, waiting)),
    orOn(gone, undefined)
  )
  if (group.inode === undefined) return remove
  // the removal of a container and the start of one with the same id take turns, by the lock: what is seen here stays
  return Effect.flatMap(isThere(group), (there) => there ? remove : Effect.void)
}

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

const removeTree = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  below: string,
  path: string,
  waiting: Waiting
): Effect.fn.Return<void, SyscallError | CgroupNotEmpty, Kernel> {
  const remove = sys.unlinkat({ dirfd, path: below, flags: AT.REMOVEDIR }).pipe(
    Effect.as("removed" as const),
    orOn(gone, "removed" as const),
    orOn(["EBUSY", "ENOTEMPTY"], "busy" as const)
  )
  for (let sleep = 1;; sleep = Math.min(sleep * 2, 200)) {
    if ((yield* remove) === "removed") return
    const children = yield* eachIn(
      dirfd,
      below,
      (dirfd, child) => removeTree(dirfd, child, `${path}/${split(child).name}`, waiting)
    ).pipe(orOn(gone, 0))
    if (children > 0 && (yield* remove) === "removed") return
    if (waiting.slept >= patience.occupied) {
      const pids = yield* using(openDirectory(dirfd, below), pidsOfGroup).pipe(orOn(gone, []))
      if (pids.length > 0 || waiting.slept >= patience.empty) {
        return yield* new CgroupNotEmpty({ path, pids, milliseconds: waiting.slept })
      }
    }
    waiting.slept += yield* pause(sleep)
  }
})

/**
 * Removes the groups, with those that the container made below them, and the directories above that `create` made, unless
 * others use those by now. What is gone already is no failure: it can be repeated.
 *
 * A group is busy as long as a process in it has not quite ended; it is tried again after 1, 2, 4, … ms, as long as
 * {@link patience} says.
 * Every group is tried, and then it fails with the first failure, such as {@link CgroupNotEmpty} with the pids.
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
    const inode = manager.inodes?.[path]
    if (inode !== undefined && !(yield* isThere({ ...group, path, inode }))) continue
    const relative = relativeTo(group.mountpoint, path)
    yield* withHierarchy(group.mountpoint, (root) => removeIfUnused(root, relative)).pipe(orOn(gone, undefined))
  }
})

/** A directory above the container's group: removed if it has become empty, left if others are in it. */
const removeIfUnused = (root: number, relative: string): Effect.Effect<void, SyscallError, Kernel> => {
  const cut = relative.lastIndexOf("/")
  const remove = (dirfd: AnyFd) =>
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
