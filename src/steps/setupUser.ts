/**
 * Become the program's user.
 *
 * The user gets stdio first, while the process may still change owners: programs reopen `/dev/stderr`. Then groups, group and
 * user are set, in this order, since the change of the user ends the right to change the others. The calls are raw ones and
 * change one thread; the process has no other.
 *
 * Names are looked up in the container's own files. They are the image's: read by handle, only if regular, and only up to
 * a size.
 *
 * @see credentials(7), passwd(5), group(5)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hostId } from "../config/Container.ts"
import { homeOf, resolveUser } from "../config/user.ts"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { AT, O, RESOLVE, S } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import type { AnyUid } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { Environment, ExecUser, KeepCaps, NamespaceRoot } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { setGroups, setGroupsCalls } from "./init/setGroups.ts"

/** The container's /etc/passwd or /etc/group can't be used. */
export class UserFileError extends Data.TaggedError("UserFileError")<{
  readonly path: string
  readonly problem: string
}> {
  override get message(): string {
    return `can't look up the user in the container's ${this.path}: it ${this.problem}`
  }
  get advice(): string {
    return "give user and group by numbers (1000:1000), which needs no file, or repair the file"
  }
}

/** A user or group id that is not mapped in the user namespace. */
export class UnmappedId extends Data.TaggedError("UnmappedId")<{
  readonly kind: "uid" | "gid"
  readonly id: number
}> {
  override get message(): string {
    return `can't change to ${this.kind} ${this.id}: it is not mapped in the container's user namespace`
  }
  get advice(): string {
    return `map ${this.kind} ${this.id} in ${this.kind}Mappings, or run the process as another user`
  }
}

type Resolved = ExecUser["Service"]

/** The largest passwd or group file that is read, in bytes: room for 50,000 users. */
const largest = 4 * 1024 * 1024

const readFile = (path: string): Effect.Effect<string, UserFileError | SyscallError, Kernel> =>
  Files.using(
    sys.openat2({
      dirfd: AT.FDCWD,
      path,
      // a fifo must not block the init
      flags: O.RDONLY | O.NONBLOCK | O.NOCTTY | O.CLOEXEC,
      mode: 0,
      resolve: RESOLVE.NO_MAGICLINKS
    }),
    (fd) =>
      Effect.gen(function*() {
        if (!Files.isType(yield* Files.stat(fd), S.IFREG)) {
          return yield* new UserFileError({ path, problem: "is not a regular file" })
        }
        const found = yield* Files.readUpTo(fd, largest)
        if (found !== undefined) return found.toString("utf8")
        return yield* new UserFileError({ path, problem: `is larger than ${largest} bytes` })
      })
  )

/** The image may have something else there: a loop of links, or a device without a driver. */
const unusable = (path: string) => (error: SyscallError | UserFileError): SyscallError | UserFileError =>
  error._tag === "SyscallError" && (error.code === "ELOOP" || error.code === "ENXIO")
    ? new UserFileError({ path, problem: `can't be opened: ${error.message}` })
    : error

/** An image may be without these files. */
const readIfThere = (path: string) =>
  readFile(path).pipe(Effect.mapError(unusable(path)), orOn(["ENOENT", "ENOTDIR"], ""))

const resolve = Effect.gen(function*() {
  const { user } = (yield* Init).process
  const { entries } = yield* Environment
  if (user._tag === "Ids") {
    const { additionalGids, gid, uid } = user
    const set = entries.find(([name, value]) => name === "HOME" && value !== "")
    // the file is only needed for HOME, so any problem with it means the default
    const home = set === undefined
      ? Effect.match(readFile("/etc/passwd"), { onFailure: () => "/", onSuccess: (text) => homeOf(uid, text) })
      : Effect.succeed(set[1])
    return { uid, gid, groups: additionalGids, home: yield* home } satisfies Resolved
  }
  const passwd = yield* readIfThere("/etc/passwd")
  const group = yield* readIfThere("/etc/group")
  const uid = (yield* sys.getresuid({})).real
  const gid = (yield* sys.getresgid({})).real
  const found = yield* Effect.fromResult(resolveUser(user.spec, passwd, group, { uid, gid, groups: [], home: "/" }))
  return {
    ...found,
    groups: [...new Set([...found.groups, ...user.additionalGids])],
    home: found.home || "/"
  } satisfies Resolved
})

/** What chown(2) takes for an id that stays as it is. */
const unchanged = -1

/** Gives pipes, sockets and terminals to the user, but no file or device of the host to which a stream was redirected. */
const giveStdio = (uid: AnyUid) =>
  Effect.forEach([0, 1, 2], (fd) =>
    Effect.flatMap(Files.stat(fd), (stat) => {
      const isStream = Files.isType(stat, S.IFIFO, "unknown") || Files.isType(stat, S.IFSOCK, "unknown") ||
        // memory devices such as /dev/null are for all users
        (Files.isType(stat, S.IFCHR, "unknown") && !Files.isNull(stat, "unknown") && stat.rdev.major !== 1)
      return isStream && !Ahead.is(stat, "uid", uid, { likely: "unknown" })
        ? sys.fchownat({ dirfd: fd, path: "", uid, gid: unchanged, flags: AT.EMPTY_PATH })
        : Effect.void
    }).pipe(
      // closed; of another user namespace; of a read-only file system; or the id is unmapped, which setresuid will report
      orOn(["EBADF", "EPERM", "EROFS", "EINVAL", "EACCES"], undefined)
    ), { discard: true })

/** The kernel knows no number for an id that is not in the map. */
const unmapped = (kind: "uid" | "gid", id: number) => (error: SyscallError) =>
  error.code === "EINVAL" ? new UnmappedId({ kind, id }) : error

/** Becomes `process.user`. */
export const setupUser = Step.make("setupUser", {
  doc: "become the program's user, with its groups",
  calls: [
    "openat2",
    "statx",
    "read",
    "close",
    "getresuid",
    "getresgid",
    "fchownat",
    "setresgid",
    "setresuid",
    ...setGroupsCalls
  ],
  requires: [Init, NamespaceRoot, Environment, KeepCaps],
  provides: ExecUser,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM:
      "changing the user needs CAP_SETUID and CAP_SETGID in the container's user namespace: run the runtime with " +
      "them, or start the program as the caller; if the runtime has them, a security module or a seccomp filter " +
      "around it forbids the call",
    EINVAL:
      "the container's /etc/group has the user in more groups than the kernel takes, 65,536: give user and group by numbers",
    EAGAIN: "the user has reached its process limit (RLIMIT_NPROC)"
  },
  run: Effect.gen(function*() {
    const { gidMappings } = (yield* Init).container
    const user = yield* resolve
    const { gid, groups, uid } = user
    yield* giveStdio(uid)
    yield* Effect.mapError(setGroups(groups), (error) => {
      const group = groups.find((id) => hostId(gidMappings, id) === undefined)
      return error._tag === "SyscallError" && group !== undefined ? unmapped("gid", group)(error) : error
    })
    yield* Effect.mapError(sys.setresgid({ rgid: gid, egid: gid, sgid: gid }), unmapped("gid", gid))
    yield* Effect.mapError(sys.setresuid({ ruid: uid, euid: uid, suid: uid }), unmapped("uid", uid))
    return user
  })
})
