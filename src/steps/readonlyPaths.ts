/**
 * Make paths of the container read-only: each becomes a mount of its own, bound on itself.
 *
 * A path is resolved below the handle of the mount that it is in. So parts of the procfs that this start has mounted become
 * read-only, even if that was moved.
 *
 * @see OCI config-linux.md#readonly-paths
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Files from "../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { attach, makeReadonly } from "./rootfs/attach.ts"
import { cloneOfHandle } from "./rootfs/bind.ts"
import { PathError } from "./rootfs/errors.ts"
import { InRoot, type Kept, PathsReadonly, RootSealed } from "./rootfs/facts.ts"
import { ifThere, isWithin, without } from "./rootfs/places.ts"

/** A read-only clone of a place, attached to it. */
const cover = (place: number): Effect.Effect<number, SyscallError, Kernel> =>
  // the clone includes the mounts below the path, or what they cover would be visible; it keeps nosuid, nodev and noexec
  Files.keeping(cloneOfHandle(place, true), (tree) => Effect.andThen(makeReadonly(tree), attach(tree, place)))

/** Covers the place of a path. Returns the mounts in which the program finds paths from then on. */
const coverPath = Effect.fnUntraced(function*(place: number, kept: ReadonlyArray<Kept>, destination: string) {
  const fd = yield* cover(place)
  const covered = kept.filter((mount) => isWithin(mount.destination, destination))
  if (covered.length === 0) return yield* Effect.as(sys.close({ fd }), kept)
  // the program finds the clone there from now on
  yield* Effect.forEach(covered, (mount) => sys.close({ fd: mount.fd }), { discard: true })
  return [...without(kept, destination), { destination, fd, fresh: false }]
})

const makePathReadonly = Effect.fnUntraced(function*(root: number, kept: ReadonlyArray<Kept>, path: string) {
  const destination = Files.clean(path)
  // a process whose root is this mount would not see one that is attached on it
  if (destination === "/") return yield* Effect.as(makeReadonly(root), kept)
  let all = kept
  yield* ifThere(root, kept, path, (place) =>
    Effect.map(coverPath(place, kept, destination), (now) => {
      all = now
    }))
  return all
})

/** Makes each path that exists read-only. */
export const readonlyPaths = Step.make("readonlyPaths", {
  doc: "make paths read-only",
  calls: ["openat2", "open_tree", "mount_setattr", "move_mount", "close"],
  requires: [Init, InRoot, RootSealed],
  provides: PathsReadonly,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM: "read-only paths need a mount namespace that the container owns",
    ELOOP: "correct linux.readonlyPaths: the path leads through links in circles, or through a magic link of /proc",
    EACCES: "correct linux.readonlyPaths: the container's root has no search permission on the way there",
    EINVAL: "let no other process change the root file system while the container starts",
    ENOSPC: "the mount namespace is full: raise /proc/sys/fs/mount-max"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd } = yield* InRoot
    let { kept } = yield* RootSealed
    for (const path of container.readonlyPaths) {
      kept = yield* makePathReadonly(fd, kept, path).pipe(
        Effect.mapError((reason) => new PathError({ path, what: "make read-only", reason }))
      )
    }
    return { kept }
  })
})
