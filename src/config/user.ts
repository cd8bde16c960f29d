/**
 * Users and groups of the container: passwd(5) and group(5), and the look-up of `user[:group]`.
 *
 * A number is always an id and never a name (CVE-2016-3697): a file that names a user "1000" with uid 0 gains nothing.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { AnyGid, AnyUid } from "../native/Handle.ts"

/** A line of passwd(5). */
export interface PasswdEntry {
  readonly name: string
  readonly uid: AnyUid
  readonly gid: AnyGid
  readonly home: string
  readonly shell: string
}

/** A line of group(5). */
export interface GroupEntry {
  readonly name: string
  readonly gid: AnyGid
  readonly members: ReadonlyArray<string>
}

/** The user that a process runs as, all resolved. */
export interface ExecUser {
  readonly uid: AnyUid
  readonly gid: AnyGid
  /** Supplementary groups, in the order of the file. */
  readonly groups: ReadonlyArray<AnyGid>
  readonly home: string
}

/** The highest id: 2^32-1 is "leave it as it is" to setresuid(2). It is the bound of a configuration, too. */
const highest = 2 ** 32 - 2
/** The highest id of a group that is asked for by its name: as docker, runc and podman have it. */
const highestOfGroup = 2 ** 31 - 1

/** A user or group that the container's files do not have, or an id out of range. */
export class UserError extends Data.TaggedError("UserError")<{
  readonly reason: "user not found" | "group not found" | "out of range"
  /** What was looked for. */
  readonly value: string
  /** The highest id that would do. */
  readonly highest?: number
}> {
  override get message(): string {
    if (this.reason === "user not found") return `Unable to find user ${this.value}`
    if (this.reason === "group not found") return `Unable to find group ${this.value}`
    return `${this.value}: Uids and gids must be in range 0-${this.highest ?? highest}`
  }
  /** What to do. */
  get advice(): string {
    return this.reason === "out of range"
      ? `give an id from 0 to ${this.highest ?? highest}`
      : "give a name that the container's /etc/passwd and /etc/group have, or a numeric id"
  }
}

const integer = /^[+-]?\d+$/

/** As everybody reads these files: what is no number counts as 0. */
const idOf = (text: string | undefined): number => text !== undefined && integer.test(text) ? Number(text) : 0

/** The entries of a passwd(5) text, in order; blank lines are skipped. */
export const parsePasswd = (text: string): ReadonlyArray<PasswdEntry> =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "").map((line) => {
    const [name = "", , uid, gid, , home = "", shell = ""] = line.split(":")
    return { name, uid: idOf(uid), gid: idOf(gid), home, shell }
  })

/** The entries of a group(5) text, in order; empty lines are skipped. */
export const parseGroup = (text: string): ReadonlyArray<GroupEntry> =>
  text.split("\n").map((line) => line.replace(/\r$/, "")).filter((line) => line !== "").map((line) => {
    const [name = "", , gid, members = ""] = line.split(":")
    return { name, gid: idOf(gid), members: members === "" ? [] : members.split(",") }
  })

/** An id that was given as a number. */
const given = (text: string): Result.Result<number, UserError> => {
  const id = Number(text) + 0 // -0 is 0
  return id >= 0 && id <= highest
    ? Result.succeed(id)
    : Result.fail(new UserError({ reason: "out of range", value: text }))
}

/** An id that a file holds: a negative one would reach the kernel as "leave it as it is" or as some other id. */
const stored = (id: number): Result.Result<number, UserError> => given(String(id))

/** The id of a group that was asked for by its name. */
const storedOfGroup = (id: number): Result.Result<number, UserError> =>
  id > highestOfGroup
    ? Result.fail(new UserError({ reason: "out of range", value: String(id), highest: highestOfGroup }))
    : stored(id)

/**
 * Resolves `user[:group]` against the texts of the container's passwd and group files.
 *
 * What the text leaves open comes from `defaults`. An empty user is the default uid. Numbers are ids, whether the files
 * have them or not; names must be there. Without a group, a user that the file has gets the groups that list it.
 */
export const resolveUser = (
  spec: string,
  passwdText: string,
  groupText: string,
  defaults: ExecUser
): Result.Result<ExecUser, UserError> =>
  Result.gen(function*() {
    const [user = "", group = ""] = spec.split(":")
    const entry = parsePasswd(passwdText).find((candidate) => {
      if (user === "") return candidate.uid === defaults.uid
      return integer.test(user) ? candidate.uid === Number(user) : candidate.name === user
    })
    let { gid, groups, home, uid } = defaults
    if (entry !== undefined) {
      uid = yield* stored(entry.uid)
      gid = group === "" ? yield* stored(entry.gid) : gid
      home = entry.home
    } else if (user !== "") {
      if (!integer.test(user)) return yield* Result.fail(new UserError({ reason: "user not found", value: user }))
      uid = yield* given(user)
    }
    if (group !== "") gid = yield* resolveGroup(group, groupText)
    else if (entry !== undefined && entry.name !== "") {
      const listed = parseGroup(groupText).filter(({ members }) => members.includes(entry.name))
      if (listed.length > 0) groups = yield* Result.all(listed.map((candidate) => stored(candidate.gid)))
    }
    return { uid, gid, groups, home }
  })

/** The id of one group, given by name or number. */
const resolveGroup = (group: string, groupText: string): Result.Result<number, UserError> => {
  if (integer.test(group)) return given(group)
  const entry = parseGroup(groupText).find(({ name }) => name === group)
  return entry === undefined
    ? Result.fail(new UserError({ reason: "group not found", value: group }))
    : storedOfGroup(entry.gid)
}

/** The ids of additional groups, given by name or number: in order, each once. */
export const resolveGroups = (
  groups: ReadonlyArray<string>,
  groupText: string
): Result.Result<ReadonlyArray<number>, UserError> =>
  Result.map(Result.all(groups.map((group) => resolveGroup(group, groupText))), (ids) => [...new Set(ids)])

/** The home directory of a uid; `/` if the file does not have it or leaves it empty. */
export const homeOf = (uid: AnyUid, passwdText: string): string =>
  parsePasswd(passwdText).find((entry) => entry.uid === uid)?.home || "/"
