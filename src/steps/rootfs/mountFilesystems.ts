/**
 * The container's mounts, in the order of its configuration.
 *
 * Every place is looked up below the root by handle, the mount is made complete while it is attached nowhere, and then
 * attached to the handle. A mount becomes read-only later if devices and further places to mount on must be made in it
 * first: a tmpfs, and `/dev`.
 *
 * @see OCI config.md#mounts, mount_namespaces(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { hasNamespace, hostId, makesNamespace, type Mount } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import * as Ahead from "../../native/Ahead.ts"
import { AT, MOUNT_ATTR, MS, RESOLVE } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Stat } from "../../native/results.ts"
import { Init } from "../init/Init.ts"
import { attach, attachCalls, during, makeReadonly, target, there } from "./attach.ts"
import { attributesOf, superblockOptionsOf } from "./attributes.ts"
import { applyOptions, applyPropagation, applyRecursive, bind, bindCalls } from "./bind.ts"
import { type Brought, broughtBy, uncoveredBy } from "./brought.ts"
import { callersOwn, isTooRevealing } from "./callersOwn.ts"
import { cgroupCalls, mountCgroups } from "./cgroups.ts"
import { copyUp, copyUpCalls } from "./copyUp.ts"
import { type About, MountError, MountRefusedError, type UnmappedIdError } from "./errors.ts"
import { type Kept, Mounted, MountsContained, Ownership, RootHandle } from "./facts.ts"
import { filesystemCalls, fits, makeFilesystem } from "./filesystem.ts"
import { aboutOf, isBind, makingFor, type Mounting, refuseDestination, refuseTarget } from "./mounting.ts"
import { holderOf, isFresh, isRemount, isRigid, isWithin, reliedOn, without } from "./places.ts"

type Problem = MountError | MountRefusedError | UnmappedIdError

/** A mount that was made: a descriptor of its root, and whether it is to be made read-only later. */
interface Made {
  readonly fd: AnyFd
  readonly postponed: boolean
}

/** File systems of the kernel itself, whose superblock several mounts share or that have nothing to protect in it. */
const pseudo = new Set(["proc", "sysfs", "tmpfs", "mqueue", "devpts", "cgroup", "cgroup2"])

/** File systems that label their files by themselves, or not at all, and take no `context` option. */
const unlabelled = new Set(["proc", "sysfs", "mqueue", "cgroup", "cgroup2"])

const hasOption = (options: ReadonlyArray<string>, key: string): boolean =>
  options.some((option) => option === key || option.startsWith(`${key}=`))

/** `uid=` and `gid=` as ids that this process must write; the group of terminals only if it is mapped. */
const withIds = Effect.fnUntraced(
  function*({ container, ownership }: Mounting, type: string, options: ReadonlyArray<string>) {
    const out: Array<string> = []
    for (const option of options) {
      const match = /^([ug]id)=(\d+)$/.exec(option)
      const id = Number(match?.[2])
      if (match === null) out.push(option)
      else if (
        type === "devpts" && match[1] === "gid" && hasNamespace(container, "user") &&
        hostId(container.gidMappings, id) === undefined
      ) continue
      else out.push(`${match[1]}=${yield* match[1] === "uid" ? ownership.uid(id) : ownership.gid(id)}`)
    }
    if (type === "tmpfs" && ownership.outside) {
      if (!hasOption(out, "uid")) out.push(`uid=${yield* ownership.uid(0)}`)
      if (!hasOption(out, "gid")) out.push(`gid=${yield* ownership.gid(0)}`)
    }
    return out
  }
)

/**
 * What a new file system holds that has the ids of the process that made it, and takes no option for them; `""` is its root.
 *
 * The root of a devpts is root's of the user namespace that mounts it, and its ptmx the caller's (devpts_fill_super,
 * mknod_ptmx). The one mqueue of an ipc namespace is made together with it (mq_init_ns), before the init has the ids of the
 * container; if the namespace is another's, so are its queues.
 */
const madeWithIds = ({ container }: Mounting, type: string): ReadonlyArray<string> =>
  type === "devpts" ? ["", "ptmx"] : type === "mqueue" && makesNamespace(container, "ipc") ? [""] : []

/** A new file system that belongs to the container's root; it is attached nowhere, so nobody else can change it. */
const makeOwned = (
  mounting: Mounting,
  about: About,
  options: ReadonlyArray<string>,
  attributes: number
): Effect.Effect<number, MountError, Kernel> => {
  const { owner } = mounting.making
  const names = madeWithIds(mounting, about.type)
  if (owner === undefined || names.length === 0) return makeFilesystem(about, options, attributes)
  // nothing can be given away on a mount that is read-only
  return Files.keeping(makeFilesystem(about, options, attributes & ~MOUNT_ATTR.RDONLY), (dirfd) =>
    Effect.forEach(
      names,
      (path) => sys.fchownat({ dirfd, path, ...owner, flags: AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW }),
      { discard: true }
    ).pipe(
      during(about, "set the owner"),
      Effect.andThen(
        (attributes & MOUNT_ATTR.RDONLY) === 0
          ? Effect.void
          : during(about, "set the attributes")(makeReadonly(dirfd))
      )
    )).pipe(during(about, "set the owner"))
}

/** The mount that now covers a place, found by its path. Refuses what is no mount, or was made for another place. */
const remade = (
  mounting: Mounting,
  about: About,
  kept: ReadonlyArray<Kept>
): Effect.Effect<number, MountError | MountRefusedError, Kernel> =>
  during(about, "verify")(Files.keeping(
    Files.resolve(mounting.root, about.destination),
    Effect.fnUntraced(function*(fd) {
      const found = yield* Files.stat(fd)
      const others = yield* Effect.forEach(kept, (mount) => Files.stat(mount.fd))
      const isOther = others.some((other) => Ahead.isSame(found, other, "mountId", { likely: false }))
      if (isOther || !Ahead.is(found, "mountRoot", true)) {
        return yield* new MountRefusedError({
          ...about,
          why: isOther
            ? "its path leads to a mount that has another destination"
            : "another process changed the root file system while it was mounted",
          advice: "let no other process write to the root file system while the container starts" +
            (isOther ? ", and name the mount by its own destination" : "")
        })
      }
    })
  ))

/** By mount(2), for options that are too long for fsconfig(2). The host's /proc is still there. */
const mountByPath = Effect.fnUntraced(function*(
  mounting: Mounting,
  mount: Mount,
  about: About,
  options: ReadonlyArray<string>,
  postponed: boolean,
  target: number,
  kept: ReadonlyArray<Kept>
) {
  const data = options.map((option) =>
    // here a comma separates options
    option.startsWith("context=") ? `context="${option.slice("context=".length)}"` : option
  )
  yield* during(about, "attach")(sys.mount({
    source: mount.source,
    target: `/proc/self/fd/${target}`,
    type: mount.type,
    flags: postponed ? mount.flags & ~MS.RDONLY : mount.flags,
    data: data.length === 0 ? null : data.join(",")
  }))
  return yield* remade(mounting, about, kept)
})

/** The place must still lead to the mount that was made: what is at /proc, /sys and /dev is trusted later. */
const verify = Effect.fnUntraced(function*({ root }: Mounting, about: About, fd: AnyFd) {
  const made = yield* Files.stat(fd)
  const found = yield* Files.using(Files.resolve(root, about.destination, { resolve: RESOLVE.NO_SYMLINKS }), Files.stat)
  if (!Ahead.isSame(found, made, "mountId") || !Ahead.is(found, "mountRoot", true)) {
    return yield* new MountRefusedError({
      ...about,
      why: "another process put something else there while it was mounted",
      advice: "let no other process write to the root file system while the container starts"
    })
  }
})

const fill = Effect.fnUntraced(function*(mount: Mount, about: About, target: number, fd: AnyFd) {
  if (mount.copyUp) yield* during(about, "copy up")(copyUp(target, fd))
  yield* during(about, "attach")(attach(fd, target))
})

/** What only a mount that is attached can be given. */
const finish = Effect.fnUntraced(function*(mounting: Mounting, mount: Mount, about: About, fd: AnyFd) {
  yield* during(about, "set the attributes")(applyRecursive(fd, mount))
  yield* during(about, "set the propagation")(applyPropagation(fd, mount))
  if (isRigid(mount)) yield* during(about, "verify")(verify(mounting, about, fd))
})

/**
 * The mode of a tmpfs whose options have none: that of the directory that it covers, or 1777 if there was none.
 */
const modeOf = (covered: Stat, isNew: boolean): string =>
  // to read the mode waits for the process, so it is read only if it counts
  (isNew ? 0o1777 : covered.mode & 0o7777).toString(8)

const mountOn = Effect.fnUntraced(function*(
  mounting: Mounting,
  mount: Mount,
  about: About,
  target: number,
  isNew: boolean,
  kept: ReadonlyArray<Kept>
) {
  const stat = yield* refuseTarget(mounting, about, target)
  const wanted = yield* withIds(mounting, mount.type, mount.data)
  const options = [
    ...superblockOptionsOf(mount.flags),
    ...((mount.flags & MS.RDONLY) !== 0 && !pseudo.has(mount.type) ? ["ro"] : []),
    ...wanted,
    ...(mount.type === "tmpfs" && !hasOption(wanted, "mode") ? [`mode=${modeOf(stat, isNew)}`] : []),
    ...(mounting.container.mountLabel !== undefined && !unlabelled.has(mount.type)
      ? [`context=${mounting.container.mountLabel}`]
      : [])
  ]
  const readonly = (mount.flags & MS.RDONLY) !== 0
  const postponed = readonly && (mount.type === "tmpfs" || about.destination === "/dev")
  const attributes = attributesOf(mount.flags) & ~(postponed ? MOUNT_ATTR.RDONLY : 0)

  const made: Effect.Effect<number, Problem, Kernel> = makeOwned(mounting, about, options, attributes)
  const gotten = mount.orCallers === true
    ? Effect.catchIf(made, isTooRevealing, (refused) => callersOwn(mount, about, refused))
    : made
  const attached: Effect.Effect<number, Problem | SyscallError, Kernel> = fits(mount.source, options)
    ? Files.keeping(gotten, (fd) => fill(mount, about, target, fd))
    : mountByPath(mounting, mount, about, options, postponed, target, kept)
  const fd = yield* during(about, "attach")(Files.keeping(attached, (fd) => finish(mounting, mount, about, fd)))
  return { fd, postponed }
})

/** Whether there is something in what holds a place: an image's directory, a sysfs. */
const isFilled = (kept: ReadonlyArray<Kept>, { destination }: About): boolean => {
  const holder = holderOf(kept, destination)
  return holder?.fresh !== true || isWithin(destination, "/sys")
}

const mountFilesystem = (
  mounting: Mounting,
  mount: Mount,
  about: About,
  kept: ReadonlyArray<Kept>
): Effect.Effect<Made, Problem, Kernel> => {
  let isNew = false
  const place = there(mounting, kept, about).pipe(
    // a new tmpfs is empty, and of the other new file systems only a sysfs has places to mount on
    isFilled(kept, about) ? identity : Ahead.likelyFails("ENOENT"),
    onErrno(["ENOENT"], () => {
      isNew = true
      return target(mounting, kept, about, true)
    })
  )
  return Files.using(
    during(about, "resolve the target")(place),
    (target) => mountOn(mounting, mount, about, target, isNew, kept)
  ).pipe(during(about, "attach"))
}

/** `remount`: other options for a mount that is there: by its handle, or, behind a link that leads out of a volume, by its path. */
const remount = (
  mounting: Mounting,
  mount: Mount,
  about: About,
  kept: ReadonlyArray<Kept>,
  brought: ReadonlyArray<Brought>
): Effect.Effect<void, Problem, Kernel> => {
  const change = (fd: AnyFd) =>
    refuseTarget(mounting, about, fd).pipe(
      Effect.andThen(applyOptions(fd, mount)),
      Effect.andThen(applyRecursive(fd, mount)),
      Effect.andThen(applyPropagation(fd, mount))
    )
  const own = [...kept, ...brought].find(({ destination }) => destination === about.destination)
  return during(about, "remount")(
    own === undefined ? Files.using(remade(mounting, about, kept), change) : change(own.fd)
  )
}

const mountOne = Effect.fnUntraced(function*(
  mounting: Mounting,
  mount: Mount,
  about: About,
  kept: ReadonlyArray<Kept>,
  brought: ReadonlyArray<Brought>
) {
  if (mount.idMapping !== undefined) {
    return yield* new MountRefusedError({
      ...about,
      why: "an id-mapped mount needs a user namespace that only the parent can make, which runfx does not do yet",
      advice: "leave out uidMappings and gidMappings of the mount; map the ids of the whole container instead"
    })
  }
  yield* refuseDestination(about)
  if (isRemount(mount)) return yield* Effect.as(remount(mounting, mount, about, kept, brought), undefined)
  if (isBind(mount)) {
    const fd = yield* bind(mounting, mount, about, kept)
    return fd === undefined ? undefined : { fd, postponed: false }
  }
  if (mount.type === "cgroup" || mount.type === "cgroup2") {
    return { fd: yield* mountCgroups(mounting, mount, about, kept), postponed: false }
  }
  return yield* mountFilesystem(mounting, mount, about, kept)
})

/** All mounts in their order, each below those that are there already. */
const mountAll = Effect.fnUntraced(function*(mounting: Mounting) {
  const { mounts } = mounting.container
  const relied = reliedOn(mounting.container)
  const readonlyLater: Array<{ readonly destination: string; readonly fd: AnyFd }> = []
  let kept: ReadonlyArray<Kept> = []
  let brought: ReadonlyArray<Brought> = yield* during(aboutOf(mounts[0]!), "verify")(
    broughtBy(mounting.root, "/", mounts)
  )
  for (const [index, mount] of mounts.entries()) {
    const about = aboutOf(mount)
    const made = yield* mountOne(mounting, mount, about, kept, brought)
    if (made === undefined) continue
    const { fd, postponed } = made
    const { destination } = about
    if (postponed) readonlyLater.push({ destination, fd })
    kept = without(kept, destination)
    const rest = yield* during(about, "attach")(uncoveredBy(brought, destination))
    brought = [...rest, ...yield* during(about, "verify")(broughtBy(fd, destination, mounts.slice(index + 1)))]
    if (relied.has(mount)) kept = [...kept, { destination, fd, fresh: isFresh(mount) }]
    else if (!postponed) yield* during(about, "attach")(sys.close({ fd }))
  }
  yield* during(aboutOf(mounts[0]!), "attach")(uncoveredBy(brought, "/"))
  return { kept, readonlyLater }
})

/** Mounts everything that the configuration lists. */
export const mountFilesystems = Step.make("mountFilesystems", {
  doc: "mount the container's file systems below its root",
  calls: [
    ...new Set(
      [
        ...bindCalls,
        ...filesystemCalls,
        ...cgroupCalls,
        ...copyUpCalls,
        ...attachCalls,
        "mount",
        "umask",
        "fchownat"
      ] as const
    )
  ],
  requires: [Init, RootHandle, MountsContained, Ownership],
  provides: Mounted,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { cgroup, container } = yield* Init
    const { fd: root } = yield* RootHandle
    const { contained } = yield* MountsContained
    const ownership = yield* Ownership
    const [first] = container.mounts
    if (first === undefined) return { kept: [], readonlyLater: [] }
    if (!contained) {
      return yield* new MountRefusedError({
        ...aboutOf(first),
        why: "without a mount namespace of its own the container's mounts would be the host's",
        advice: "add a mount namespace to linux.namespaces, or leave out all mounts"
      })
    }
    const making = yield* makingFor(ownership)
    const rootStat = yield* Files.stat(root)
    return yield* Files.withoutUmask(mountAll({ container, root, rootStat, ownership, cgroup, making }))
  })
})
