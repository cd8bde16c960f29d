/** The root of a sandbox: parts of the host, a directory, or layers. */
import * as Effect from "effect/Effect"
import { type Problem, problem } from "../../config/ConfigError.ts"
import type { Mount } from "../../config/Container.ts"
import { AT, O, STATX } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { MakeRoot } from "../../runtime/options.ts"
import { emptyRoot } from "../../steps/rootfs/emptyRoot.ts"
import { layeredRoot } from "../../steps/rootfs/layeredRoot.ts"
import type { Description } from "../Description.ts"
import { bound } from "./mounts.ts"
import { hasResolver } from "./networks.ts"

/** The directories of the host's root that the root `"host"` has. */
const hostDirectories = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr"]

/** What of these is covered: files that other programs keep secret. */
export const hostSecrets: ReadonlyArray<string> = [
  "/etc/gshadow",
  "/etc/gshadow-",
  "/etc/krb5.keytab",
  "/etc/security/opasswd",
  "/etc/shadow",
  "/etc/shadow-",
  "/etc/ssh",
  "/etc/ssl/private",
  "/etc/sudoers",
  "/etc/sudoers.d"
]

/** What says that something is not there. */
export const absent = ["ENOENT", "ENOTDIR"] as const

const isThere = (path: string): Effect.Effect<boolean, SyscallError, Kernel> =>
  sys.statx({ dirfd: AT.FDCWD, path, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.TYPE }).pipe(
    Effect.as(true),
    orOn(absent, false)
  )

/** A path without links; `undefined` if it leads nowhere. */
export const real = (path: string): Effect.Effect<string | undefined, never, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.PATH | O.CLOEXEC, mode: 0 }),
    (fd) => sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/self/fd/${fd}` })
  ).pipe(Effect.orElseSucceed(() => undefined))

/** The file that says how names are resolved, if it is a link to one that the sandbox does not have. */
const resolver: Effect.Effect<ReadonlyArray<Mount>, never, Kernel> = Effect.map(
  real("/etc/resolv.conf"),
  (file) => file === undefined || file.startsWith("/etc/") ? [] : [bound(file, file, true)]
)

/** A root, and what belongs to it. */
export interface Root {
  readonly rootfs: string
  readonly makeRoot?: MakeRoot
  readonly mounts: ReadonlyArray<Mount>
  readonly hidden: ReadonlyArray<string>
  /** The directory below which users are looked up. */
  readonly files: string
  readonly problems: ReadonlyArray<Problem>
}

const notADirectory = "must be a directory on the host"

/**
 * The root that a description asks for.
 *
 * @param place where it is made, if it is not there already
 */
export const rootOf = (
  { network, root = "host" }: Description,
  place: string
): Effect.Effect<Root, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const plain = { mounts: [], hidden: [], problems: [] }
    if (root === "host") {
      const there = yield* Effect.filter(hostDirectories, (name) => isThere(`/${name}`))
      return {
        rootfs: place,
        makeRoot: emptyRoot,
        files: "/",
        mounts: [
          ...there.map((name) => bound(`/${name}`, `/${name}`, true, ["copy-symlink"])),
          ...(hasResolver(network) ? yield* resolver : [])
        ],
        hidden: hostSecrets,
        problems: []
      }
    }
    if (typeof root === "string") {
      const rootfs = yield* real(root)
      return rootfs === undefined
        ? { ...plain, rootfs: root, files: root, problems: [problem("root", root, notADirectory)] }
        : { ...plain, rootfs, files: rootfs }
    }
    const resolved = yield* Effect.forEach(root.directories, real)
    const withUsers = yield* Effect.filter(
      resolved.filter((path) => path !== undefined),
      (path) => Effect.map(real(`${path}/etc/passwd`), (file) => file !== undefined)
    )
    return {
      ...plain,
      rootfs: place,
      makeRoot: layeredRoot(resolved.map((path) => path ?? "/")),
      files: withUsers[0] ?? "/",
      problems: resolved.flatMap((path, index) =>
        path === undefined ? [problem(`root.directories[${index}]`, root.directories[index], notADirectory)] : []
      )
    }
  })
