/**
 * Bind mounts: a part of the host's file tree in the container.
 *
 * The clone is made and gets its attributes while it is attached nowhere, so that there is no moment at which the
 * container sees it without them.
 *
 * @see open_tree(2), mount_setattr(2), mount_namespaces(7)
 */
import * as Effect from "effect/Effect"
import type { Mount } from "../../config/Container.ts"
import { AT, MAGIC, MOUNT_ATTR, MS, OPEN_TREE, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { attach, attachCalls, during, setAttributes, setPropagation, target } from "./attach.ts"
import { changeOf } from "./attributes.ts"
import { type About, type MountError, MountRefusedError } from "./errors.ts"
import { refuseTarget, type Setting, settingCalls } from "./setting.ts"

/** The calls that the functions of this module make. */
export const bindCalls = ["open_tree", ...attachCalls, ...settingCalls, ...Files.makeCalls] as const

/** A clone of a tree of the host, attached nowhere. */
export const cloneOf = (path: string, recursive: boolean): Effect.Effect<number, SyscallError, Kernel> =>
  sys.open_tree({
    dirfd: AT.FDCWD,
    path,
    flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | (recursive ? AT.RECURSIVE : 0)
  })

/** A clone of what a descriptor refers to, attached nowhere. */
export const cloneOfHandle = (dirfd: number, recursive: boolean): Effect.Effect<number, SyscallError, Kernel> =>
  sys.open_tree({
    dirfd,
    path: "",
    flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0)
  })

/**
 * Changes attributes as the options of a mount say.
 *
 * In a user namespace the flags of a mount that came from outside are locked. An atime mode then stays as it is, for
 * options as `relatime` are habit; to clear another locked flag was asked for by name and fails.
 */
export const applyOptions = (fd: number, mount: Mount): Effect.Effect<void, SyscallError, Kernel> => {
  const { clear, set } = changeOf(mount.flags, mount.clearedFlags)
  if (set === 0 && clear === 0) return Effect.void
  return setAttributes(fd, set, clear).pipe(
    Effect.catchIf(({ code }) => code === "EPERM" && (clear & MOUNT_ATTR._ATIME) !== 0, () => {
      const rest = { set: set & ~MOUNT_ATTR._ATIME, clear: clear & ~MOUNT_ATTR._ATIME }
      return rest.set === 0 && rest.clear === 0 ? Effect.void : setAttributes(fd, rest.set, rest.clear)
    })
  )
}

/** Changes attributes of a whole tree as options like `rro` say. */
export const applyRecursive = (
  fd: number,
  { recursiveAttributes: { clear, set } }: Mount
): Effect.Effect<void, SyscallError, Kernel> =>
  set === 0 && clear === 0
    ? Effect.void
    : setAttributes(fd, set, (set & MOUNT_ATTR._ATIME) === 0 ? clear : clear | MOUNT_ATTR._ATIME, true)

/** Changes the propagation of an attached mount as its options say, in their order. */
export const applyPropagation = (
  fd: number,
  { propagation }: Mount
): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.forEach(propagation, (flags) => setPropagation(fd, flags), { discard: true })

const procfsRoot = Effect.fnUntraced(function*(tree: number) {
  const { type } = yield* sys.fstatfs({ fd: tree })
  const { ino } = yield* Files.stat(tree)
  return type === MAGIC.PROC_SUPER_MAGIC && ino === 1n
})

/** Binds a file or a directory of the host into the container. */
export const bind = (
  setting: Setting,
  mount: Mount,
  about: About
): Effect.Effect<void, MountError | MountRefusedError, Kernel> =>
  Files.using(
    during(about, "open the source")(cloneOf(mount.source, (mount.flags & MS.REC) !== 0)),
    Effect.fnUntraced(function*(tree) {
      const stat = yield* during(about, "open the source")(Files.stat(tree))
      if (about.destination === "/proc" && !(yield* during(about, "open the source")(procfsRoot(tree)))) {
        return yield* new MountRefusedError({
          ...about,
          why: "only a procfs may be on /proc, and the source is none",
          advice: "mount a procfs on /proc"
        })
      }
      const place = target(setting.root, about.destination, Files.isType(stat, S.IFDIR), setting.making)
      yield* Files.using(during(about, "resolve the target")(place), (fd) =>
        refuseTarget(setting, about, fd).pipe(
          Effect.andThen(during(about, "set the attributes")(applyOptions(tree, mount))),
          Effect.andThen(during(about, "set the attributes")(applyRecursive(tree, mount))),
          Effect.andThen(during(about, "attach")(attach(tree, fd))),
          Effect.andThen(during(about, "set the propagation")(applyPropagation(tree, mount)))
        ))
    })
  ).pipe(during(about, "attach"))
