/** Looks up a container's user in its own files, before the container exists. */
import * as Effect from "effect/Effect"
import { basename, dirname } from "node:path"
import type { Mount, Process } from "../config/Container.ts"
import { type ExecUser, resolveUser, type UserError } from "../config/user.ts"
import { AT, O, S } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import type { AnyGid, AnyUid } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"

/** The largest passwd or group file that is read, in bytes. */
const largest = 4 * 1024 * 1024

/** The text of a file below a root that is not trusted; empty if it can't be read. */
const textBelow = (root: string, path: string): Effect.Effect<string, SyscallError, Kernel> =>
  Files.using(
    sys.openat({ dirfd: AT.FDCWD, path: root, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
    (fd) =>
      // a fifo must not block
      Files.using(Files.open(fd, path, O.RDONLY | O.NONBLOCK), (file) =>
        Effect.gen(function*() {
          if (!Files.isType(yield* Files.stat(file), S.IFREG)) return ""
          return (yield* Files.readUpTo(file, largest))?.toString("utf8") ?? ""
        }))
  ).pipe(orOn(["ENOENT", "ENOTDIR", "EACCES", "ELOOP", "EXDEV"], ""))

/** Where a container's /etc/passwd and /etc/group are. */
export interface UserFiles {
  /** A directory of the host: the root, or what becomes it. */
  readonly root: string
  /** What is mounted over it. */
  readonly mounts: ReadonlyArray<Mount>
}

/** The text of a file as the container will see it: of the root, or of the last mount above it. */
const textOf = (path: string, { mounts, root }: UserFiles): Effect.Effect<string, SyscallError, Kernel> => {
  const over = mounts.findLast(({ destination }) => path === destination || path.startsWith(`${destination}/`))
  if (over === undefined) return textBelow(root, path)
  if (over.type !== "bind") return Effect.succeed("")
  const { destination, source } = over
  return path === destination
    ? textBelow(dirname(source), `/${basename(source)}`)
    : textBelow(source, path.slice(destination.length))
}

/** The user `spec`, which is `user[:group]`; what it leaves out is root's. */
export const lookUpUser = (
  spec: string,
  files: UserFiles
): Effect.Effect<ExecUser, SyscallError | UserError, Kernel> =>
  Effect.gen(function*() {
    const passwd = yield* textOf("/etc/passwd", files)
    const group = yield* textOf("/etc/group", files)
    return yield* Effect.fromResult(resolveUser(spec, passwd, group, { uid: 0, gid: 0, groups: [], home: "/" }))
  })

/** The ids of a program's user; `undefined` if it is not found: the init looks it up again, and reports that. */
export const idsBefore = (
  user: Process["user"],
  files: UserFiles
): Effect.Effect<{ readonly uid: AnyUid; readonly gid: AnyGid } | undefined, SyscallError, Kernel> =>
  user._tag === "Ids"
    ? Effect.succeed(user)
    : Effect.catchTag(lookUpUser(user.spec, files), "UserError", () => Effect.succeed(undefined))
