/**
 * Check once more, before the program starts, that what this start has mounted, masked and made read-only is where the program
 * will look.
 *
 * The earlier steps worked by handle, so their effect moves with the mount if somebody moves it. But what is at the path then is
 * neither masked nor the kernel's own, so the start fails. A masked path may be missing; a mount may not.
 *
 * @see rename(2) RENAME_EXCHANGE
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { RESOLVE, S, ST } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import { onErrno, sys } from "../native/Kernel.ts"
import type { Stat } from "../native/results.ts"
import { Init } from "./init/Init.ts"
import { PathError, RootChangedError } from "./rootfs/errors.ts"
import { InRoot, type Kept, PathsCovered, PathsMasked } from "./rootfs/facts.ts"
import { ifThere, isTrusted, isWithin, usuallyDirectories } from "./rootfs/places.ts"

const verifyMount = Effect.fnUntraced(function*(root: number, { destination: path, fd }: Kept) {
  const how = isTrusted(path) ? { resolve: RESOLVE.NO_SYMLINKS } : {}
  const gone = (found: string) => () => new RootChangedError({ path, found })
  const made = yield* Files.stat(fd)
  const found = yield* Files.using(Files.resolve(root, path, how), Files.stat).pipe(
    onErrno(["ENOENT", "ENOTDIR"], gone("is not there any more")),
    onErrno(["ELOOP"], gone("has become a link"))
  )
  if (!Ahead.isSame(found, made, "mountId") || !Ahead.is(found, "mountRoot", true)) {
    return yield* new RootChangedError({ path, found: "is not the mount that was made for it" })
  }
})

const verifyReadonly = (root: number, path: string) =>
  ifThere(
    root,
    [],
    path,
    (fd) =>
      Effect.flatMap(sys.fstatfs({ fd }), (system) =>
        Ahead.is(system, "flags", ST.RDONLY, { mask: ST.RDONLY })
          ? Effect.void
          : new RootChangedError({ path, found: "is not read-only, as it was made to be" }))
  )

const isCover = (path: string, stat: Stat, cover: Stat | undefined): boolean =>
  Files.isNull(stat, !usuallyDirectories.has(path)) ||
  (cover !== undefined && Files.isType(stat, S.IFDIR) && Ahead.isSame(stat, cover, "dev"))

const verifyMasked = (root: number, path: string, cover: Stat | undefined) =>
  ifThere(
    root,
    [],
    path,
    (fd) =>
      Effect.flatMap(Files.stat(fd), (stat) =>
        isCover(path, stat, cover)
          ? Effect.void
          : new RootChangedError({ path, found: "is not masked, as it was made to be" }))
  )

const named = <A, E extends { readonly _tag: string }, R>(path: string, self: Effect.Effect<A, E, R>) =>
  Effect.mapError(self, (error) =>
    error._tag === "SyscallError"
      ? new PathError({ path, what: "verify", reason: error as never })
      : error as Exclude<E, { readonly _tag: "SyscallError" }>)

/** Fails unless mounts, read-only and masked paths are where the program will look; then closes their handles. */
export const verifyMounts = Step.make("verifyMounts", {
  doc: "check that mounts and masks are where the program will look",
  calls: ["openat2", "statx", "fstatfs", "close"],
  requires: [Init, InRoot, PathsCovered],
  provides: PathsMasked,
  reversal: "harmless",
  deterministic: true,
  run: Effect.gen(function*() {
    const { container: { maskedPaths, readonlyPaths } } = yield* Init
    const { fd: root } = yield* InRoot
    const { cover, kept } = yield* PathsCovered
    const masks = maskedPaths.map(Files.clean)
    const isShown = (path: string) => !masks.some((mask) => isWithin(path, mask))
    for (const mount of kept) {
      if (isShown(mount.destination)) yield* named(mount.destination, verifyMount(root, mount))
    }
    for (const path of readonlyPaths) {
      if (isShown(Files.clean(path))) yield* named(path, verifyReadonly(root, path))
    }
    const covering = cover === undefined ? undefined : yield* Files.stat(cover)
    for (const path of maskedPaths) yield* named(path, verifyMasked(root, path, covering))
    for (const { fd } of kept) yield* sys.close({ fd })
    if (cover !== undefined) yield* sys.close({ fd: cover })
    return true as const
  })
})
