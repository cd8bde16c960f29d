/**
 * Make paths of the container read-only: each becomes a mount of its own, bound on itself.
 *
 * @see OCI config-linux.md#readonly-paths
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Files from "../native/Files.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { Init } from "./Init.ts"
import { attach, makeReadonly } from "./rootfs/attach.ts"
import { cloneOfHandle } from "./rootfs/bind.ts"
import { PathError } from "./rootfs/errors.ts"
import { InRoot, PathsReadonly, RootSealed } from "./rootfs/facts.ts"

const makePathReadonly = (root: number, path: string): Effect.Effect<void, SyscallError, Kernel> =>
  Files.using(Files.resolve(root, path), (fd) =>
    // the clone has the mounts below the path, or it would uncover what they cover; it keeps nosuid, nodev and noexec
    Files.using(cloneOfHandle(fd, true), (tree) => Effect.andThen(makeReadonly(tree), attach(tree, fd)))).pipe(
      Effect.catchIf(({ call, code }) => call._tag === "openat2" && code === "ENOENT", () => Effect.void)
    )

/** Makes each path read-only that is there. */
export const readonlyPaths = Step.make("readonlyPaths", {
  doc: "make paths read-only",
  calls: ["openat2", "open_tree", "mount_setattr", "move_mount", "close"],
  requires: [Init, InRoot, RootSealed],
  provides: PathsReadonly,
  reversal: "irreversible",
  advice: { EPERM: "read-only paths need a mount namespace that the container owns" },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd } = yield* InRoot
    yield* Effect.forEach(container.readonlyPaths, (path) =>
      makePathReadonly(fd, path).pipe(
        Effect.mapError((reason) => new PathError({ path, what: "make read-only", reason }))
      ), { discard: true })
    return true as const
  })
})
