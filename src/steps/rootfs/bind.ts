/**
 * Bind mounts: a part of the host's file tree in the container.
 *
 * The clone is made and gets its attributes while it is attached nowhere, so that there is no moment at which the
 * container sees it without them.
 *
 * @see open_tree(2), mount_setattr(2), mount_namespaces(7)
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Mount } from "../../config/Container.ts"
import { AT, MAGIC, MOUNT_ATTR, MS, O, OPEN_TREE, S, ST } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Stat } from "../../native/results.ts"
import { attach, attachCalls, during, setAttributes, setPropagation, target } from "./attach.ts"
import { changeOf } from "./attributes.ts"
import { type About, MountRefusedError } from "./errors.ts"
import type { Kept } from "./facts.ts"
import { linkCalls, makeLink, type Mounting, refuseTarget, targetCalls } from "./mounting.ts"
import { startOf } from "./places.ts"

/** The calls that the functions of this module make. */
export const bindCalls = ["open_tree", ...attachCalls, ...targetCalls, ...linkCalls, ...Files.makeCalls] as const

/** A clone of a tree of the host, attached nowhere. `flags` are `AT_*`. */
export const cloneOf = (path: string, recursive: boolean, flags = 0): Effect.Effect<number, SyscallError, Kernel> =>
  sys.open_tree({
    dirfd: AT.FDCWD,
    path,
    flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | (recursive ? AT.RECURSIVE : 0) | flags
  })

/** A clone of what a descriptor refers to, attached nowhere. */
export const cloneOfHandle = (dirfd: AnyFd, recursive: boolean): Effect.Effect<number, SyscallError, Kernel> =>
  sys.open_tree({
    dirfd,
    path: "",
    flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0)
  })

const lockable: ReadonlyArray<readonly [attribute: number, flag: number]> = [
  [MOUNT_ATTR.RDONLY, ST.RDONLY],
  [MOUNT_ATTR.NOSUID, ST.NOSUID],
  [MOUNT_ATTR.NODEV, ST.NODEV],
  [MOUNT_ATTR.NOEXEC, ST.NOEXEC]
]

/** Those of the given attributes that a mount has. */
const presentOf = (fd: AnyFd, attributes: number): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.map(sys.fstatfs({ fd }), ({ flags }) =>
    lockable.reduce(
      (all, [attribute, flag]) => (flags & flag) !== 0 && (attributes & attribute) !== 0 ? all | attribute : all,
      0
    ))

/**
 * Changes attributes as the options of a mount say.
 *
 * In a user namespace the flags of a mount that came from outside are locked. They then stay as they are, since options such
 * as `rw` and `relatime` are habit: the mount is as restricted as its source, as with runc and crun.
 */
export const applyOptions = (fd: AnyFd, mount: Mount): Effect.Effect<void, SyscallError, Kernel> => {
  const { clear, set } = changeOf(mount.flags, mount.clearedFlags)
  if (set === 0 && clear === 0) return Effect.void
  return setAttributes(fd, set, clear).pipe(
    Effect.catchIf(
      ({ code }) => code === "EPERM" && clear !== 0,
      () =>
        Effect.flatMap(presentOf(fd, clear), (locked) => {
          const rest = { set: set & ~MOUNT_ATTR._ATIME, clear: clear & ~MOUNT_ATTR._ATIME & ~locked }
          return rest.set === 0 && rest.clear === 0 ? Effect.void : setAttributes(fd, rest.set, rest.clear)
        })
    )
  )
}

/** Changes attributes of a whole tree as options like `rro` say. */
export const applyRecursive = (
  fd: AnyFd,
  { recursiveAttributes: { clear, set } }: Mount
): Effect.Effect<void, SyscallError, Kernel> =>
  set === 0 && clear === 0
    ? Effect.void
    : setAttributes(fd, set, (set & MOUNT_ATTR._ATIME) === 0 ? clear : clear | MOUNT_ATTR._ATIME, true)

/** Changes the propagation of an attached mount as its options say, in their order. */
export const applyPropagation = (
  fd: AnyFd,
  { propagation }: Mount
): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.forEach(propagation, (flags) => setPropagation(fd, flags), { discard: true })

const procfsRoot = Effect.fnUntraced(function*(tree: number) {
  const { type } = yield* sys.fstatfs({ fd: tree })
  const { ino } = yield* Files.stat(tree)
  return type === MAGIC.PROC_SUPER_MAGIC && ino === 1n
})

/** Makes a link of the host's again in the container; `false` if the source is none. */
const copyLink = Effect.fnUntraced(function*(mounting: Mounting, about: About, kept: ReadonlyArray<Kept>) {
  const text = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: about.source }).pipe(
    orOn(["EINVAL"], undefined),
    during(about, "open the source")
  )
  if (text === undefined) return false
  const { directory, name } = Files.split(about.destination)
  const start = startOf(mounting.root, kept, directory)
  const found = (dirfd: AnyFd) =>
    Effect.flatMap(
      orOn(["EINVAL"], undefined)(sys.readlinkat({ dirfd, path: name })),
      (there) =>
        there === text ? Effect.void : new MountRefusedError({
          ...about,
          why: `the source is a link to ${text}, and the image has ${
            there === undefined ? "no link" : `a link to ${there}`
          } there`,
          advice: `remove ${about.destination} from the image, or leave out the option copy-symlink`
        })
    )
  yield* Files.using(
    Files.makeDirectories(start.root, start.path, mounting.making),
    (dirfd) => makeLink(dirfd, name, text, mounting.making).pipe(onErrno(["EEXIST"], () => found(dirfd)))
  ).pipe(
    during(about, "resolve the target")
  )
  return true
})

/** Binds a file or a directory of the host into the container; returns a descriptor of the new mount, if there is one. */
export const bind = Effect.fnUntraced(function*(
  mounting: Mounting,
  mount: Mount,
  about: About,
  kept: ReadonlyArray<Kept>
) {
  const links = mount.links ?? []
  if (links.includes("copy-symlink") && (yield* copyLink(mounting, about, kept))) return undefined
  const source = cloneOf(
    mount.source,
    (mount.flags & MS.REC) !== 0,
    links.includes("src-nofollow") ? AT.SYMLINK_NOFOLLOW : 0
  )
  return yield* Files.keeping(
    during(about, "open the source")(source),
    Effect.fnUntraced(function*(tree) {
      const stat = yield* during(about, "open the source")(Files.stat(tree))
      if (about.destination === "/proc" && !(yield* during(about, "open the source")(procfsRoot(tree)))) {
        return yield* new MountRefusedError({
          ...about,
          why: "only a procfs may be on /proc, and the source is none",
          advice: "mount a procfs on /proc"
        })
      }
      const directory = Files.isType(stat, S.IFDIR)
      const place = target(mounting, kept, about, directory, links.includes("dest-nofollow") ? O.NOFOLLOW : 0)
      yield* Files.using(during(about, "resolve the target")(place), (fd) =>
        refuseTarget(mounting, about, fd).pipe(
          Effect.andThen((stat) => refuseOtherKind(about, directory, stat)),
          Effect.andThen(during(about, "set the attributes")(applyOptions(tree, mount))),
          Effect.andThen(during(about, "set the attributes")(applyRecursive(tree, mount))),
          Effect.andThen(during(about, "attach")(attach(tree, fd))),
          Effect.andThen(during(about, "set the propagation")(applyPropagation(tree, mount)))
        ))
    })
  ).pipe(during(about, "attach"))
})

/** A directory can only be bound on a directory, and a file only on a file: of this the kernel says EINVAL and no more. */
const refuseOtherKind = (about: About, directory: boolean, place: Stat): Effect.Effect<void, MountRefusedError> =>
  directory === Files.isType(place, S.IFDIR) ? Effect.void : Effect.fail(
    new MountRefusedError({
      ...about,
      why: directory
        ? "the source is a directory, and what is there is not a directory"
        : "the source is not a directory, and what is there is a directory",
      advice: `bind ${about.source} on another path, or remove ${about.destination} from the image`
    })
  )
