/**
 * Freezing and thawing a container's cgroup, with bounded waits.
 *
 * The unified hierarchy does it if there is one, since its freezer can't get stuck half-way and lets a frozen process be
 * killed; otherwise v1's `freezer.state` does. A container is taken for frozen, and is thawed, in both.
 *
 * @see the kernel's admin-guide/cgroup-v2.rst, "cgroup.freeze", and cgroup-v1/freezer-subsystem.rst
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, type SyscallError } from "../../native/Kernel.ts"
import { CgroupCannotFreeze, CgroupGone, FreezeTimeout, type NotACgroup } from "./errors.ts"
import { eachBelow, fileCalls, gone, isThere, pause, readIn, withGroup, writeIn } from "./files.ts"
import { type CgroupManager, type Group, groupOf, groups, unified } from "./Manager.ts"

/** The calls that {@link freeze}, {@link thaw} and {@link isFrozen} may make. */
export const freezerCalls = [...fileCalls, "getdents64", "nanosleep"] as const

/** What {@link freeze} can fail with. */
export type FreezeError = SyscallError | NotACgroup | CgroupCannotFreeze | CgroupGone | FreezeTimeout

/** How long to wait for all processes to stand still, in milliseconds. */
const defaultPatience = 10_000

/** How long to wait for them to continue. */
const thawPatience = 2_000

/** How often v1 is asked at most: the wait ends then, however short the pauses were. */
const v1Tries = 1000

const freezerGroups = (manager: CgroupManager): ReadonlyArray<Group> =>
  [groupOf(manager, unified), groupOf(manager, "freezer")].filter((group) => group !== undefined)

/**
 * Freezes all processes of the container, and waits until they stand still.
 *
 * Whatever goes wrong, and on interruption, it thaws again. Fails with {@link FreezeTimeout} after `milliseconds`,
 * {@link CgroupCannotFreeze} if no hierarchy can, {@link CgroupGone} if the group was removed before or meanwhile.
 */
export const freeze = (
  manager: CgroupManager,
  { milliseconds = defaultPatience }: { readonly milliseconds?: number } = {}
): Effect.Effect<void, FreezeError, Kernel> =>
  Effect.gen(function*() {
    const v2 = groupOf(manager, unified)
    if (v2 !== undefined) {
      const frozen = orGone(v2)(withGroup(v2, (dirfd) => freezeV2(dirfd, v2, milliseconds)))
      // before Linux 5.2, cgroup2 does not freeze
      if (yield* orOn(["ENOENT"], false)(frozen)) return
    }
    const v1 = groupOf(manager, "freezer")
    if (v1 !== undefined) return yield* orGone(v1)(withGroup(v1, (dirfd) => freezeV1(dirfd, v1, milliseconds)))
    return yield* new CgroupCannotFreeze({ paths: groups(manager).map(({ path }) => path) })
  })

/** Tells a missing group, which is {@link CgroupGone}, from a missing file of a group. */
const orGone = (group: Group) => <A, E, R>(self: Effect.Effect<A, E | SyscallError, R>) =>
  self.pipe(
    onErrno(gone, (error) =>
      // one that was about to be made is not there, whatever has its name
      Effect.flatMap(
        group.inode === "unmade" ? Effect.succeed(false) : isThere(group),
        (there) => Effect.fail(there ? error : new CgroupGone({ path: group.path }))
      ))
  )

/** Whether a thaw is asked for again while it is waited for: somebody else may freeze meanwhile. */
interface Insistence {
  readonly insist?: boolean
}

/** Thaws after a failure of `self`; its own failure must not hide that one, so it is not looked at. */
const orThaw =
  (thaw: Effect.Effect<unknown, SyscallError, Kernel>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Kernel> =>
    Effect.onError(self, () => Effect.exit(thaw))

const freezeV2 = (
  dirfd: AnyFd,
  group: Group,
  milliseconds: number
): Effect.Effect<true, SyscallError | FreezeTimeout, Kernel> =>
  writeIn(dirfd, "cgroup.freeze", "1").pipe(
    Effect.andThen(awaitV2(dirfd, group, "FROZEN", milliseconds)),
    orThaw(writeIn(dirfd, "cgroup.freeze", "0")),
    Effect.as(true as const)
  )

const awaitV2 = (
  dirfd: AnyFd,
  group: Group,
  wanted: "FROZEN" | "THAWED",
  milliseconds: number,
  { insist = false }: Insistence = {}
): Effect.Effect<void, SyscallError | FreezeTimeout, Kernel> =>
  Effect.gen(function*() {
    const line = wanted === "FROZEN" ? "frozen 1" : "frozen 0"
    let slept = 0
    for (let sleep = 1;; sleep = Math.min(sleep * 2, 20)) {
      if ((yield* readIn(dirfd, "cgroup.events")).split("\n").includes(line)) return
      if (slept >= milliseconds) {
        const state = wanted === "FROZEN" ? "THAWED" : "FROZEN"
        return yield* new FreezeTimeout({ path: group.path, wanted, state, milliseconds: slept })
      }
      slept += yield* pause(sleep)
      if (insist) yield* writeIn(dirfd, "cgroup.freeze", "0")
    }
  })

const stateOf = (dirfd: AnyFd): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.map(readIn(dirfd, "freezer.state"), (text) => text.trim())

/**
 * v1 can hang in FREEZING: a process that forks faster than the freezer walks, or one that waits for another that is frozen
 * already. To write FROZEN again takes the walk up once more, and to thaw for a moment lets such a pair get out of each
 * other's way.
 */
const freezeV1 = (
  dirfd: AnyFd,
  group: Group,
  milliseconds: number
): Effect.Effect<void, SyscallError | FreezeTimeout, Kernel> =>
  Effect.gen(function*() {
    let slept = 0
    let state = "THAWED"
    for (let tries = 1; tries <= v1Tries && (tries === 1 || slept < milliseconds); tries++) {
      if (tries % 50 === 0) {
        yield* writeIn(dirfd, "freezer.state", "THAWED")
        slept += yield* pause(10)
      }
      yield* writeIn(dirfd, "freezer.state", "FROZEN")
      state = yield* stateOf(dirfd)
      if (state === "FROZEN") return
      // the first tries follow at once: it is a matter of microseconds as a rule
      const sleep = tries < 5 ? 0 : Math.min(tries, 20)
      if (sleep > 0) slept += yield* pause(sleep)
    }
    return yield* new FreezeTimeout({ path: group.path, wanted: "FROZEN", state, milliseconds: slept })
  }).pipe(orThaw(writeIn(dirfd, "freezer.state", "THAWED")))

/**
 * Lets all processes of the container continue, in each hierarchy that could have frozen it, and waits until they do.
 *
 * With `whole` also the groups below, which the container may have frozen itself: a process in one does not die of
 * SIGKILL (version 1). With `insist` a pause that comes in between does not keep it frozen.
 *
 * A container that is not frozen, whose groups are gone, or that has none: nothing to do. Fails with
 * {@link FreezeTimeout} if a group above this one keeps it frozen.
 */
export const thaw = (
  manager: CgroupManager,
  { insist = false, whole = false }: Insistence & { readonly whole?: boolean } = {}
): Effect.Effect<void, SyscallError | NotACgroup | FreezeTimeout, Kernel> =>
  Effect.gen(function*() {
    // all are written before any is waited for, so that a failure of one does not keep the other frozen
    const writes = yield* Effect.forEach(freezerGroups(manager), (group) =>
      Effect.result(
        withGroup(group, (dirfd) => {
          const [file, value] = group.keys.includes(unified)
            ? ["cgroup.freeze", "0"] as const
            : ["freezer.state", "THAWED"] as const
          const below = eachBelow(
            dirfd,
            (parent, name) => writeIn(parent, `${name}/${file}`, value).pipe(orOn(gone, undefined))
          )
          return Effect.andThen(writeIn(dirfd, file, value), whole ? below : Effect.void)
        }).pipe(orOn(gone, undefined))
      ))
    for (const write of writes) if (write._tag === "Failure") return yield* Effect.fail(write.failure)
    for (const group of freezerGroups(manager)) {
      yield* withGroup(group, (dirfd) =>
        group.keys.includes(unified)
          ? awaitV2(dirfd, group, "THAWED", thawPatience, { insist })
          : awaitThawedV1(dirfd, group, { insist })).pipe(orOn(gone, undefined))
    }
  })

const awaitThawedV1 = (
  dirfd: AnyFd,
  group: Group,
  { insist = false }: Insistence
): Effect.Effect<void, SyscallError | FreezeTimeout, Kernel> =>
  Effect.gen(function*() {
    let slept = 0
    for (let sleep = 1;; sleep = Math.min(sleep * 2, 20)) {
      const state = yield* stateOf(dirfd)
      if (state === "THAWED") return
      if (slept >= thawPatience) {
        return yield* new FreezeTimeout({ path: group.path, wanted: "THAWED", state, milliseconds: slept })
      }
      slept += yield* pause(sleep)
      if (insist) yield* writeIn(dirfd, "freezer.state", "THAWED")
    }
  })

/** Whether an open group itself, not one above it, is frozen or about to be. */
export const isFrozenGroup = (dirfd: AnyFd, group: Group): Effect.Effect<boolean, SyscallError, Kernel> => {
  const reads = (file: string, frozen: string) =>
    Effect.map(readIn(dirfd, file), (text) => text.trim() === frozen).pipe(orOn(gone, false))
  if (group.keys.includes(unified)) return reads("cgroup.freeze", "1")
  if (group.keys.includes("freezer")) return reads("freezer.self_freezing", "1")
  return Effect.succeed(false)
}

/** Whether the container is frozen, or about to be, by this runtime or by anything else. */
export const isFrozen = (manager: CgroupManager): Effect.Effect<boolean, SyscallError | NotACgroup, Kernel> =>
  Effect.map(
    Effect.forEach(
      freezerGroups(manager),
      (group) => withGroup(group, (dirfd) => isFrozenGroup(dirfd, group)).pipe(orOn(gone, false))
    ),
    (frozen) => frozen.includes(true)
  )
