/**
 * The ids that a user may map in addition to their own: what `/etc/subuid` and `/etc/subgid` grant, if the programs that write
 * such maps are installed.
 *
 * @see subuid(5), subgid(5), newuidmap(1)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { IdMapping } from "../../config/Container.ts"
import { parsePasswd } from "../../config/user.ts"
import { AT, O } from "../../native/constants.ts"
import { readAll, using } from "../../native/Files.ts"
import type { AnyUid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"

/** A range of the host's ids. */
export interface IdRange {
  readonly start: number
  readonly count: number
}

/** What a user may map, by kind. */
export interface SubordinateIds {
  readonly uid: ReadonlyArray<IdRange>
  readonly gid: ReadonlyArray<IdRange>
}

/** The programs that write maps for a user without privileges. */
export const mapPrograms = { uid: "/usr/bin/newuidmap", gid: "/usr/bin/newgidmap" } as const

const X_OK = 1
const absent = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ENOSYS"] as const

const text = (path: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.map(readAll(fd), (bytes) => bytes.toString("utf8"))
  ).pipe(orOn(absent, ""))

/** The ranges that a file grants to a user, who is named by name or by number. */
export const rangesOf = (file: string, owners: ReadonlyArray<string>): ReadonlyArray<IdRange> =>
  file.split("\n").flatMap((line) => {
    const [, owner, start, count] = /^([^:#]+):(\d+):(\d+)\s*$/.exec(line) ?? []
    return owner !== undefined && owners.includes(owner) && Number(count) > 0
      ? [{ start: Number(start), count: Number(count) }]
      : []
  })

const isProgram = (path: string): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.as(sys.faccessat2({ dirfd: AT.FDCWD, path, mode: X_OK, flags: 0 }), true).pipe(orOn(absent, false))

/** The subordinate ids of a user; `undefined` without ranges of both kinds, or without the programs. */
export const subordinateIds = (uid: AnyUid): Effect.Effect<SubordinateIds | undefined, SyscallError, Kernel> =>
  Effect.gen(function*() {
    for (const program of Object.values(mapPrograms)) if (!(yield* isProgram(program))) return undefined
    const names = parsePasswd(yield* text("/etc/passwd")).filter((entry) => entry.uid === uid).map(({ name }) => name)
    const owners = [...names, String(uid)]
    const found = {
      uid: rangesOf(yield* text("/etc/subuid"), owners),
      gid: rangesOf(yield* text("/etc/subgid"), owners)
    }
    return found.uid.length > 0 && found.gid.length > 0 ? found : undefined
  })

/** The own id as 0, and the subordinate ones from 1 on. */
export const mappingsOf = (own: number, ranges: ReadonlyArray<IdRange>): ReadonlyArray<IdMapping> => {
  const mappings: Array<IdMapping> = [{ containerId: 0, hostId: own, size: 1 }]
  let next = 1
  for (const { count, start } of ranges) {
    mappings.push({ containerId: next, hostId: start, size: count })
    next += count
  }
  return mappings
}
