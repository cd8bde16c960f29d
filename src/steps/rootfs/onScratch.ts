/**
 * What the steps that make a root from nothing share: a tmpfs on its place, and overlayfs over directories of the host.
 *
 * @category rootfs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Container } from "../../config/Container.ts"
import { MOUNT_ATTR } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { sys } from "../../native/Kernel.ts"
import { Init } from "../init/Init.ts"
import { attach, attachCalls } from "./attach.ts"
import { filesystemCalls, makeFilesystem } from "./filesystem.ts"
import { openRootfs } from "./openRootfs.ts"

/** The calls of {@link onScratch} and {@link overlay}. */
export const scratchCalls = [...filesystemCalls, ...attachCalls, "openat2", "mkdirat", "umask"] as const

/** What to do if there is no overlayfs. */
export const noOverlay = "this kernel has no overlayfs: load the module overlay, or use a directory as the root"

/**
 * overlayfs over directories of the host, with a tmpfs for the writes. The tmpfs is mounted on `rootfs` itself, and the
 * overlay that uses it covers it, so that no second directory is needed.
 */
export const overlay = Effect.fnUntraced(
  function*(rootfs: string, scratch: number, lowest: ReadonlyArray<string>, more: ReadonlyArray<string>) {
    yield* sys.mkdirat({ dirfd: scratch, path: "upper", mode: 0o755 })
    yield* sys.mkdirat({ dirfd: scratch, path: "work", mode: 0o700 })
    const about = { destination: "/", source: "overlay", type: "overlay" }
    const options = [`lowerdir=${lowest.join(":")}`, `upperdir=${rootfs}/upper`, `workdir=${rootfs}/work`, ...more]
    yield* Files.using(makeFilesystem(about, options, 0), (fd) => attach(fd, scratch))
  }
)

/** A tmpfs on `container.rootfs`, and what is made in it. The modes are the root's, whatever its caller's umask is. */
export const onScratch = <E, R>(
  options: ReadonlyArray<string>,
  fill: (scratch: number, container: Container) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function*() {
    const { container } = yield* Init
    const about = { destination: "/", source: "tmpfs", type: "tmpfs" }
    yield* Files.using(makeFilesystem(about, options, MOUNT_ATTR.NODEV), (scratch) =>
      Effect.gen(function*() {
        yield* Files.using(openRootfs(container.rootfs), (directory) => attach(scratch, directory))
        // other users than root live there too
        yield* Files.withoutUmask(fill(scratch, container))
      }))
  })
