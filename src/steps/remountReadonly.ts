/**
 * Make read-only what had to be writable until now: the root, and mounts in which devices or mount points were made.
 *
 * The call on each mount's handle only adds one attribute: the others stay, even locked ones.
 *
 * @see OCI config.md#root, mount_setattr(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { makeReadonly } from "./rootfs/attach.ts"
import { PathError } from "./rootfs/errors.ts"
import { DevicesCreated, InRoot, Mounted, RootSealed } from "./rootfs/facts.ts"

/** Makes the postponed mounts read-only, and the root if the configuration says so. */
export const remountReadonly = Step.make("remountReadonly", {
  doc: "make the root, /dev and tmpfs mounts read-only, as far as asked for",
  calls: ["mount_setattr", "close"],
  requires: [Init, Mounted, DevicesCreated, InRoot],
  provides: RootSealed,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EBUSY: "something in the mount is still open for writing",
    EINVAL: "a read-only root needs a mount namespace"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { kept, readonlyLater } = yield* Mounted
    const { fd: root } = yield* InRoot
    const all = container.readonlyRootfs ? [...readonlyLater, { destination: "/", fd: root }] : readonlyLater
    yield* Effect.forEach(all, ({ destination, fd }) =>
      makeReadonly(fd).pipe(
        Effect.mapError((reason) => new PathError({ path: destination, what: "make read-only", reason }))
      ), { discard: true })
    const done = readonlyLater.filter(({ fd }) => !kept.some((mount) => mount.fd === fd))
    yield* Effect.forEach(done, ({ fd }) => sys.close({ fd }), { discard: true })
    return { kept }
  })
})
