/**
 * The container's view of its cgroups, on hosts with version 1, with version 2, and with both.
 *
 * With a cgroup namespace a new mount shows the container's own cgroup as root; without one, and if the kernel does
 * not allow a mount, the container's own cgroup is bound from the host. A process in a cgroup namespace can't tell where on
 * the host that is; so if nobody else does, a mount that the kernel does not allow is an error.
 *
 * @see cgroups(7), cgroup_namespaces(7)
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace, makesNamespace, type Mount } from "../../config/Container.ts"
import * as Ahead from "../../native/Ahead.ts"
import { MOUNT_ATTR, MOVE_MOUNT } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Procfs from "../../native/Procfs.ts"
import { hierarchiesOf, type Hierarchy, parseProcCgroup } from "../cgroup/Hierarchies.ts"
import { type CgroupManager, mounted, unified } from "../cgroup/Manager.ts"
import { Init } from "../init/Init.ts"
import { parseMountInfo } from "../proc/mountinfo.ts"
import { attach, attachCalls, during, makeReadonly, setAttributes, target } from "./attach.ts"
import { attributesOf } from "./attributes.ts"
import { applyPropagation, cloneOf } from "./bind.ts"
import { type About, type MountError, MountRefusedError } from "./errors.ts"
import type { Kept } from "./facts.ts"
import { filesystemCalls, makeFilesystem } from "./filesystem.ts"
import { linkCalls, makeLink, type Mounting, refuseTarget, targetCalls } from "./mounting.ts"

/** The calls that {@link mountCgroups} makes. */
export const cgroupCalls = [
  ...Procfs.openProcCalls,
  ...Procfs.useProcCalls,
  ...filesystemCalls,
  ...Files.makeCalls,
  ...attachCalls,
  ...targetCalls,
  ...linkCalls,
  "open_tree"
] as const

/** One hierarchy, as the container shall see it. */
interface Shown {
  /** Its controllers, `name=…` for a named one, `unified` for cgroup2. */
  readonly keys: ReadonlyArray<string>
  readonly mountpoint: string
  /** The directory of the container's own cgroup on the host; fails if it has none there; absent if that can't be told. */
  readonly own: Effect.Effect<string, MountRefusedError, Init> | undefined
}

/** Whose cgroups are shown. A side-car is not in the container's cgroups; the first process of its pid namespace is. */
type Subject = "self" | "1"

const subject = ({ container, ownership }: Mounting): Subject | undefined =>
  !ownership.outside ? "self" : hasNamespace(container, "pid") ? "1" : undefined

const find = (
  { container }: Mounting,
  about: About,
  whose: Subject
): Effect.Effect<ReadonlyArray<Shown>, SyscallError, Kernel> => {
  // in a cgroup namespace of its own a process sees itself at the root, wherever on the host that is
  const isTold = whose !== "self" || !hasNamespace(container, "cgroup")
  const outside = ({ keys, mountpoint }: Hierarchy) =>
    new MountRefusedError({
      ...about,
      why: `the own cgroup in ${keys.join()} is outside of what is mounted at ${mountpoint}`,
      advice: "give the container a cgroup namespace, or have its own cgroup mounted"
    })
  const ownOf = (hierarchy: Hierarchy): Shown["own"] => {
    if (!isTold) return undefined
    return hierarchy.isBelow
      ? Effect.succeed(Files.clean(`${hierarchy.mountpoint}/${hierarchy.own}`))
      : outside(hierarchy)
  }
  const look = (proc: number) =>
    Effect.map(
      Effect.all([Procfs.readProc(proc, "self/mountinfo"), Procfs.readProc(proc, `${whose}/cgroup`)]),
      ([mounts, places]) =>
        hierarchiesOf(parseMountInfo(mounts), parseProcCgroup(places)).map((hierarchy): Shown => ({
          keys: hierarchy.keys,
          mountpoint: hierarchy.mountpoint,
          own: ownOf(hierarchy)
        }))
    )
  // in the host's procfs, process 1 of the container's pid namespace has another number
  return whose === "self" ? Procfs.withHostProc(look) : Files.using(Procfs.openProc, look)
}

/**
 * The hierarchies of cgroups that this process has joined, as its parent found them. The paths, which differ from container to
 * container, are only passed on: apart from them, the mounts are the same for all.
 */
const joinedIn = (manager: CgroupManager): ReadonlyArray<Shown> =>
  mounted(manager).map(({ keys, mountpoint }) => ({
    keys,
    mountpoint,
    own: Ahead.parameter(Init, ({ cgroup }) => cgroup!.paths[keys[0]!]!)
  }))

/** All hierarchies, and where the container's own cgroups are. */
const hierarchiesFor = Effect.fnUntraced(function*(mounting: Mounting, about: About, whose: Subject) {
  const { cgroup, container } = mounting
  const found = during(about, "open the source")(find(mounting, about, whose))
  if (cgroup === undefined) return yield* found
  const joined = joinedIn(cgroup)
  if (makesNamespace(container, "mnt")) return joined
  // in a mount namespace that is joined they may be mounted elsewhere, or not at all; a new mount needs no path
  if (hasNamespace(container, "cgroup")) return joined.map((hierarchy): Shown => ({ ...hierarchy, own: undefined }))
  const there = yield* found
  if (there.length > 0) return there
  return yield* new MountRefusedError({
    ...about,
    why: "no cgroup hierarchy is mounted in the mount namespace that is joined",
    advice: "give the container a cgroup namespace, or leave out the cgroup mount"
  })
})

const refusedHere = (error: MountError): boolean => error.code === "EPERM" || error.code === "EBUSY"

/**
 * A mount of one hierarchy, attached nowhere. `whole`: without a cgroup namespace show all of it, so that the paths in
 * `/proc/<pid>/cgroup` fit; that is what version 2 containers expect.
 */
const view = (
  mounting: Mounting,
  about: About,
  options: ReadonlyArray<string>,
  attributes: number,
  own: Shown["own"],
  whole = false
): Effect.Effect<number, MountError | MountRefusedError, Kernel | Init> => {
  const bind = (source: string) =>
    Files.keeping(
      cloneOf(source, false),
      (fd) => setAttributes(fd, attributes, (attributes & MOUNT_ATTR._ATIME) === 0 ? 0 : MOUNT_ATTR._ATIME)
    ).pipe(during({ ...about, type: "bind", source }, "open the source"))
  // a side-car is not in the container's cgroup namespace either: a mount that it makes would show the host's root
  const fresh = !mounting.ownership.outside && (hasNamespace(mounting.container, "cgroup") || whole)
  const made = makeFilesystem(about, options, attributes)
  if (own === undefined) return made
  if (!fresh) return Effect.flatMap(own, bind)
  return Effect.catchIf(made, refusedHere, (refused) => Effect.flatMap(Effect.mapError(own, () => refused), bind))
}

const mountHierarchy = Effect.fnUntraced(function*(
  about: About,
  parent: number,
  name: string,
  mount: Effect.Effect<number, MountError | MountRefusedError, Kernel | Init>
) {
  yield* during(about, "resolve the target")(
    sys.mkdirat({ dirfd: parent, path: name, mode: 0o755 })
  )
  // the tmpfs is this process's own: nobody else has put a link there
  yield* Files.using(mount, (tree) =>
    sys.move_mount({
      fromDirfd: tree,
      fromPath: "",
      toDirfd: parent,
      toPath: name,
      flags: MOVE_MOUNT.F_EMPTY_PATH
    })).pipe(during(about, "attach"))
})

/** Puts each hierarchy into a directory of its own below the mount of a tmpfs. */
const mountHierarchies = Effect.fnUntraced(function*(
  fd: number,
  mounting: Mounting,
  about: About,
  mount: Mount,
  hierarchies: ReadonlyArray<Shown>
) {
  const attributes = attributesOf(mount.flags)
  for (const { keys, mountpoint, own } of hierarchies) {
    const { name } = Files.split(mountpoint)
    const isUnified = keys.includes(unified)
    const named = {
      ...about,
      type: isUnified ? "cgroup2" : "cgroup",
      destination: `${about.destination}/${name}`
    }
    yield* mountHierarchy(named, fd, name, view(mounting, named, isUnified ? [] : keys, attributes, own))
    // if a hierarchy holds several controllers, each has a link of its own name: cpu -> cpu,cpuacct
    const links = keys.filter((key) => key !== name && key !== unified && !key.startsWith("name="))
    for (const path of links) {
      yield* during(named, "resolve the target")(makeLink(fd, path, name, mounting.making))
    }
  }
  if ((attributes & MOUNT_ATTR.RDONLY) !== 0) yield* during(about, "set the attributes")(makeReadonly(fd))
  yield* during(about, "set the propagation")(applyPropagation(fd, mount))
})

const mountV1 = (
  mounting: Mounting,
  about: About,
  mount: Mount,
  hierarchies: ReadonlyArray<Shown>,
  place: number
) => {
  const owner = mounting.making.owner
  const base = makeFilesystem(
    { ...about, type: "tmpfs", source: "cgroup" },
    ["mode=755", ...(owner === undefined ? [] : [`uid=${owner.uid}`, `gid=${owner.gid}`])],
    attributesOf(mount.flags) & ~MOUNT_ATTR.RDONLY
  )
  return Files.keeping(base, (fd) =>
    Effect.andThen(
      during(about, "attach")(attach(fd, place)),
      mountHierarchies(fd, mounting, about, mount, hierarchies)
    )).pipe(during(about, "attach"))
}

/** Mounts what a container sees of its cgroups: the `cgroup` mount of a configuration. Returns a descriptor of the mount. */
export const mountCgroups = Effect.fnUntraced(function*(
  mounting: Mounting,
  mount: Mount,
  about: About,
  kept: ReadonlyArray<Kept>
) {
  const whose = subject(mounting)
  if (whose === undefined) {
    return yield* new MountRefusedError({
      ...about,
      why:
        "a process outside the container's user namespace can't tell the container's cgroups without a pid namespace",
      advice: "give the container a pid namespace, or leave out the cgroup mount"
    })
  }
  const hierarchies = yield* hierarchiesFor(mounting, about, whose)
  const isV1 = ({ keys }: Shown) => !keys.includes(unified)
  const place = target(mounting, kept, about, true)
  const made = (fd: AnyFd) =>
    Effect.andThen(
      refuseTarget(mounting, about, fd),
      about.type === "cgroup2" || !hierarchies.some(isV1)
        ? Files.keeping(
          view(
            mounting,
            { ...about, type: "cgroup2" },
            mount.data,
            attributesOf(mount.flags),
            hierarchies.find((hierarchy) => !isV1(hierarchy))?.own,
            true
          ),
          (tree) =>
            during(about, "attach")(attach(tree, fd)).pipe(
              Effect.andThen(during(about, "set the propagation")(applyPropagation(tree, mount)))
            )
        )
        : mountV1(mounting, about, mount, hierarchies, fd)
    )
  return yield* Files.using(during(about, "resolve the target")(place), made).pipe(during(about, "attach"))
})
