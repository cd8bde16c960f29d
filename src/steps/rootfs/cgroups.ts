/**
 * The container's view of its cgroups, on hosts with version 1, with version 2, and with both.
 *
 * With a cgroup namespace a new mount shows the container's own cgroup as root; without one, and where the kernel does
 * not allow a mount, the container's own cgroup is bound from the host.
 *
 * @see cgroups(7), cgroup_namespaces(7)
 */
import * as Effect from "effect/Effect"
import { hasNamespace, type Mount } from "../../config/Container.ts"
import { MOUNT_ATTR, MOVE_MOUNT } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Procfs from "../../native/Procfs.ts"
import { attach, attachCalls, during, makeReadonly, setAttributes } from "./attach.ts"
import { attributesOf } from "./attributes.ts"
import { applyPropagation, cloneOf } from "./bind.ts"
import { type About, type MountError, MountRefusedError } from "./errors.ts"
import { filesystemCalls, makeFilesystem } from "./filesystem.ts"
import { type Hierarchies, hierarchiesOf, type Hierarchy, parseCgroups, parseMountInfo } from "./mountinfo.ts"
import { linkCalls, makeLink, refuseTarget, type Setting, settingCalls } from "./setting.ts"

/** The calls that {@link mountCgroups} makes. */
export const cgroupCalls = [
  ...Procfs.openProcCalls,
  ...Procfs.useProcCalls,
  ...filesystemCalls,
  ...Files.makeCalls,
  ...attachCalls,
  ...settingCalls,
  ...linkCalls,
  "open_tree"
] as const

const find = (whose: Subject): Effect.Effect<Hierarchies, SyscallError, Kernel> => {
  const look = (proc: number) =>
    Effect.map(
      Effect.all([Procfs.readProc(proc, "self/mountinfo"), Procfs.readProc(proc, `${whose}/cgroup`)]),
      ([mounts, places]) => hierarchiesOf(parseMountInfo(mounts), parseCgroups(places))
    )
  // what the container's pid namespace calls 1, the host's procfs calls otherwise
  return whose === "self" ? Procfs.withHostProc(look) : Files.using(Procfs.openProc, look)
}

type Subject = "self" | "1"

/** Whose cgroups are shown. A side-car is not in the container's cgroups; the first process of its pid namespace is. */
const subject = ({ container, ownership }: Setting): Subject | undefined =>
  !ownership.outside ? "self" : hasNamespace(container, "pid") ? "1" : undefined

const refusedHere = (error: MountError): boolean => error.code === "EPERM" || error.code === "EBUSY"

/**
 * A mount of one hierarchy, attached nowhere. `whole`: without a cgroup namespace show all of it, so that the paths in
 * `/proc/<pid>/cgroup` fit; that is what version 2 containers expect.
 */
const view = (
  setting: Setting,
  about: About,
  options: ReadonlyArray<string>,
  attributes: number,
  own: string | undefined,
  whole = false
): Effect.Effect<number, MountError, Kernel> => {
  const bound = own === undefined ? undefined : Files.keeping(
    cloneOf(own, false),
    (fd) => setAttributes(fd, attributes, (attributes & MOUNT_ATTR._ATIME) === 0 ? 0 : MOUNT_ATTR._ATIME)
  ).pipe(during({ ...about, type: "bind", source: own }, "open the source"))
  // a side-car is not in the container's cgroup namespace either: what it mounts anew would show the host's root
  const fresh = !setting.ownership.outside && (hasNamespace(setting.container, "cgroup") || whole)
  if (!fresh && bound !== undefined) return bound
  const made = makeFilesystem(about, options, attributes)
  return bound === undefined ? made : Effect.catchIf(made, refusedHere, () => bound)
}

const mountHierarchy = Effect.fnUntraced(function*(
  about: About,
  parent: number,
  name: string,
  mount: Effect.Effect<number, MountError, Kernel>
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

const mountV1 = Effect.fnUntraced(function*(
  setting: Setting,
  about: About,
  mount: Mount,
  { v1, v2 }: Hierarchies,
  place: number
) {
  const attributes = attributesOf(mount.flags)
  const owner = setting.making.owner
  const base = makeFilesystem(
    { ...about, type: "tmpfs", source: "cgroup" },
    ["mode=755", ...(owner === undefined ? [] : [`uid=${owner.uid}`, `gid=${owner.gid}`])],
    attributes & ~MOUNT_ATTR.RDONLY
  )
  yield* Files.using(
    base,
    Effect.fnUntraced(function*(fd) {
      yield* during(about, "attach")(attach(fd, place))
      const each = (hierarchy: Hierarchy) => {
        const named = { ...about, destination: `${about.destination}/${hierarchy.name}` }
        return mountHierarchy(
          named,
          fd,
          hierarchy.name,
          view(setting, { ...named, type: "cgroup" }, hierarchy.controllers, attributes, hierarchy.own)
        ).pipe(
          Effect.andThen(Effect.forEach(
            // where hierarchies hold several controllers, each has a link of its own name: cpu -> cpu,cpuacct
            hierarchy.controllers.filter((name) => name !== hierarchy.name && !name.startsWith("name=")),
            (path) => during(named, "resolve the target")(makeLink(fd, path, hierarchy.name, setting.making)),
            { discard: true }
          ))
        )
      }
      yield* Effect.forEach(v1, each, { discard: true })
      if (v2 !== undefined) {
        const name = Files.split(v2.mountpoint).name
        const named = { ...about, type: "cgroup2", destination: `${about.destination}/${name}` }
        yield* mountHierarchy(named, fd, name, view(setting, named, [], attributes, v2.own))
      }
      if ((attributes & MOUNT_ATTR.RDONLY) !== 0) yield* during(about, "set the attributes")(makeReadonly(fd))
      yield* during(about, "set the propagation")(applyPropagation(fd, mount))
    })
  ).pipe(during(about, "attach"))
})

/** Mounts what a container sees of its cgroups: the `cgroup` mount of a configuration. */
export const mountCgroups = Effect.fnUntraced(function*(setting: Setting, mount: Mount, about: About) {
  const whose = subject(setting)
  if (whose === undefined) {
    return yield* new MountRefusedError({
      ...about,
      why:
        "a process outside the container's user namespace can't tell the container's cgroups without a pid namespace",
      advice: "give the container a pid namespace, or leave out the cgroup mount"
    })
  }
  const hierarchies = yield* during(about, "open the source")(find(whose))
  const place = Files.makeDirectories(setting.root, about.destination, setting.making)
  yield* Files.using(during(about, "resolve the target")(place), (fd) =>
    Effect.andThen(
      refuseTarget(setting, about, fd),
      about.type === "cgroup2" || hierarchies.v1.length === 0
        ? Files.using(
          view(
            setting,
            { ...about, type: "cgroup2" },
            mount.data,
            attributesOf(mount.flags),
            hierarchies.v2?.own,
            true
          ),
          (tree) =>
            during(about, "attach")(attach(tree, fd)).pipe(
              Effect.andThen(during(about, "set the propagation")(applyPropagation(tree, mount)))
            )
        )
        : mountV1(setting, about, mount, hierarchies, fd)
    )).pipe(during(about, "attach"))
})
