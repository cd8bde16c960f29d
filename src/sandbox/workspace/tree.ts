/**
 * How the files of a workspace are looked at: by Node's threads, since a workspace may be large, or on a slow disk. If the kernel
 * is one in memory, its files are looked at by calls. Neither follows a link.
 */
import * as Effect from "effect/Effect"
import type { Dirent } from "node:fs"
import * as fs from "node:fs/promises"
import { AT, O, STATX } from "../../native/constants.ts"
import { entriesOf, using } from "../../native/Files.ts"
import type { AnyGid, AnyUid } from "../../native/Handle.ts"
import { Kernel, sys } from "../../native/Kernel.ts"
import { Surroundings } from "../../native/Surroundings.ts"
import { real } from "../decode/root.ts"

/** What an entry of a directory is, as far as a workspace asks. */
export interface Entry {
  readonly name: string
  readonly type: "directory" | "file" | "link" | "other"
}

/** A file, as far as a workspace asks. */
export interface Status {
  readonly mode: number
  readonly size: bigint | number
  readonly uid: AnyUid
  readonly gid: AnyGid
  readonly nlink: number
  /** Two paths with the same one are the same file. */
  readonly identity: string
}

/** Why nobody can say what is in a directory: an errno, or `EILSEQ` for a name that is not UTF-8. */
export interface Closed {
  readonly code: string
}

/** A file system to look at. */
export interface Tree {
  /** A path without links. */
  readonly real: (path: string) => Effect.Effect<string | undefined>
  readonly status: (path: string) => Effect.Effect<Status | undefined>
  /** What a directory holds; nothing if it is gone meanwhile. */
  readonly entries: (directory: string) => Effect.Effect<ReadonlyArray<Entry> | Closed>
}

const gone: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"])

/** Replaces what is not UTF-8 in a name. Nothing is found under the name that results. */
export const replacement = "\ufffd"

const unread = (directory: string, code: string): ReadonlyArray<Entry> | Closed =>
  !gone.has(code) ? { code } : directory.includes(replacement) ? { code: "EILSEQ" } : []

const typeOf = (entry: Dirent): Entry["type"] =>
  entry.isDirectory() ? "directory" : entry.isFile() ? "file" : entry.isSymbolicLink() ? "link" : "other"

const orAbsent = <A>(look: () => Promise<A>): Effect.Effect<A | undefined> =>
  Effect.promise(() => look().catch(() => undefined))

/** The files of the host that this process runs on. */
export const hostTree: Tree = {
  real: (path) => orAbsent(() => fs.realpath(path)),
  status: (path) =>
    Effect.map(orAbsent(() => fs.lstat(path)), (stat) => stat && { ...stat, identity: `${stat.dev}:${stat.ino}` }),
  entries: (directory) =>
    Effect.promise(() =>
      fs.readdir(directory, { withFileTypes: true }).then(
        (entries) => entries.map((entry) => ({ name: entry.name, type: typeOf(entry) })),
        (error: NodeJS.ErrnoException) => unread(directory, error.code ?? error.message)
      )
    )
}

const types: Readonly<Record<string, Entry["type"]>> = { d: "directory", f: "file", l: "link" }

const ofKernel = (kernel: Kernel["Service"]): Tree => {
  const asked = <A, E>(look: Effect.Effect<A, E, Kernel>): Effect.Effect<A | undefined> =>
    Effect.provideService(Effect.orElseSucceed(look, () => undefined), Kernel, kernel)
  const opened = (path: string) =>
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, mode: 0 })
  return {
    real: (path) => asked(real(path)),
    status: (path) =>
      asked(Effect.map(
        sys.statx({ dirfd: AT.FDCWD, path, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.BASIC_STATS }),
        (stat) => ({ ...stat, identity: `${stat.dev.major}:${stat.dev.minor}:${stat.ino}` })
      )),
    entries: (directory) =>
      Effect.provideService(
        Effect.match(using(opened(directory), entriesOf), {
          onSuccess: (entries) => entries.map(({ name, type }) => ({ name, type: types[type] ?? "other" })),
          onFailure: ({ code }) => unread(directory, code)
        }),
        Kernel,
        kernel
      )
  }
}

/** The files that the kernel of the effect has. */
export const tree: Effect.Effect<Tree, never, Kernel> = Effect.gen(function*() {
  const { live } = yield* Surroundings
  return live ? hostTree : ofKernel(yield* Kernel)
})
