/**
 * The id maps of a user namespace that is joined. They can't be changed, and everything that depends on ids (owners, mounts)
 * asks the configuration: if that had others, it would be wrong.
 */
import * as Effect from "effect/Effect"
import { AT, O, STATX } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Container, IdMapping } from "../Container.ts"
import { type Found, found } from "./Rule.ts"

const identityOf = (path: string) =>
  Effect.map(
    sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }),
    ({ dev, ino }) => `${dev.major}:${dev.minor}:${ino}`
  )

const open = (path: string, flags: number) =>
  sys.openat2({ dirfd: AT.FDCWD, path, flags: flags | O.RDONLY | O.CLOEXEC, mode: 0, resolve: 0 })

const numbers = Files.using(
  open("/proc", O.DIRECTORY),
  (fd) =>
    Effect.map(Files.entriesOf(fd), (entries) => entries.map(({ name }) => name).filter((name) => /^\d+$/.test(name)))
)

/** A process of the namespace, which alone can tell its maps; `undefined` if there is none that can be seen. */
const memberOf = Effect.fnUntraced(function*(path: string): Effect.fn.Return<string | undefined, SyscallError, Kernel> {
  const named = /^\/proc\/(\d+|self)\/ns\/user$/.exec(path)?.[1]
  if (named !== undefined) return named
  const wanted = yield* identityOf(path)
  for (const pid of yield* numbers) {
    // it may be gone by now, or another user's
    const own = yield* Effect.orElseSucceed(identityOf(`/proc/${pid}/ns/user`), () => undefined)
    if (own === wanted) return pid
  }
  return undefined
})

const inOrder = (mappings: ReadonlyArray<IdMapping>): string =>
  mappings.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}`).toSorted().join(", ")

const told = (text: string): string =>
  inOrder(
    text.split("\n").filter((line) => line.trim() !== "").map((line) => {
      const [containerId = 0, hostId = 0, size = 0] = line.trim().split(/\s+/).map(Number)
      return { containerId, hostId, size }
    })
  )

const kinds = [["uidMappings", "uid_map"], ["gidMappings", "gid_map"]] as const

const differing = Effect.fnUntraced(function*(container: Container) {
  const all: Array<Found> = []
  const path = container.namespaces.find(({ type }) => type === "user")?.path
  const given = kinds.filter(([section]) => container[section].length > 0)
  if (path === undefined || given.length === 0) return all
  const member = yield* memberOf(path)
  if (member === undefined) return all
  for (const [section, file] of given) {
    const text = yield* Files.using(open(`/proc/${member}/${file}`, 0), Files.readAll)
    const theirs = told(Buffer.from(text).toString())
    if (theirs === inOrder(container[section])) continue
    all.push(found(section, [], inOrder(container[section]), `must be the map of ${path}, or be left out: ${theirs}`))
  }
  return all
})

/** The maps of the configuration are those of the user namespace that it joins, if it has any. */
export const joinedMaps = (container: Container): Effect.Effect<ReadonlyArray<Found>, never, Kernel> =>
  // another rule reports a path that is not there, and the step that joins reports one that can't be looked into
  Effect.orElseSucceed(differing(container), () => [])
