/**
 * The links of `/dev` that every program expects.
 *
 * @see OCI config-linux.md#default-devices, runtime-linux.md#dev-symbolic-links
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Ahead from "../../native/Ahead.ts"
import { O, RESOLVE } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { orOn, sys } from "../../native/Kernel.ts"
import { Init } from "../init/Init.ts"
import { PathError } from "./errors.ts"
import { Mounted, Ownership, RootHandle } from "./facts.ts"
import { bindsDev, linkCalls, makeLink, makingFor } from "./mounting.ts"
import { ifThere } from "./places.ts"

const links = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"]
] as const

const link = (dirfd: AnyFd, path: string, target: string, making: Files.Making) =>
  makeLink(dirfd, path, target, making).pipe(
    Effect.mapError((reason) => new PathError({ path: `/dev/${path}`, what: `link to ${target}`, reason }))
  )

const exists = (error: PathError): boolean => error.code === "EEXIST"

/** `/dev/ptmx` must lead to the container's own terminals; a node there (5:2) would lead to the host's. */
const linkPtmx = (dev: number, making: Files.Making) =>
  Effect.catchIf(link(dev, "ptmx", "pts/ptmx", making), exists, () =>
    sys.readlinkat({ dirfd: dev, path: "ptmx" }).pipe(
      orOn(["EINVAL"], ""),
      Effect.flatMap((target) =>
        target === "pts/ptmx"
          ? Effect.void
          : Effect.andThen(
            sys.unlinkat({ dirfd: dev, path: "ptmx", flags: 0 }),
            link(dev, "ptmx", "pts/ptmx", making)
          )
      ),
      // something is mounted there: that is what the configuration asks for
      orOn(["EBUSY"], undefined)
    ))

const linkCore = (root: number, dev: number, making: Files.Making) =>
  Ahead.ifOpen(
    ["ENOENT", "ENOENT"],
    Files.resolve(root, "/proc/kcore", { flags: O.NOFOLLOW }),
    (fd) =>
      Files.using(
        Effect.succeed(fd),
        () => Effect.catchIf(link(dev, "core", "/proc/kcore", making), exists, () => Effect.void)
      )
  )

const linkAll = Effect.fnUntraced(function*(root: number, dev: number, making: Files.Making) {
  for (const [path, target] of links) {
    yield* Effect.catchIf(link(dev, path, target, making), exists, () => Effect.void)
  }
  yield* linkPtmx(dev, making)
  yield* linkCore(root, dev, making)
})

/** Makes the links, unless the user binds a `/dev`, or there is none. */
export const linkDevices = Step.make("linkDevices", {
  doc: "link /dev/fd, stdin, stdout, stderr, ptmx and core",
  calls: [...linkCalls, "readlinkat", "unlinkat"],
  requires: [Init, RootHandle, Mounted, Ownership],
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EROFS: "mount a tmpfs on /dev, or put the links into the image",
    ELOOP: "the image has a symlink at /dev, where a real directory must be: fix it",
    EACCES: "the container's root may not write in /dev: mount a tmpfs there",
    EPERM: "the container's root may not write in /dev: mount a tmpfs there",
    ENOSPC: "make room on the file system of /dev: a tmpfs with a larger size"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd: root } = yield* RootHandle
    if (bindsDev(container)) return
    const making = yield* makingFor(yield* Ownership)
    // a link of the image's could lead into a volume of the host (CVE-2026-41579, CVE-2026-47766)
    const how = { flags: O.DIRECTORY, resolve: RESOLVE.NO_SYMLINKS }
    yield* ifThere(root, (yield* Mounted).kept, "/dev", (dev) => linkAll(root, dev, making), how)
  })
})
