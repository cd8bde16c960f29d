/** The user namespace that this runs in, for a model of the machine. */
import { readFileSync, statSync } from "node:fs"
import type { IdRange } from "../State.ts"

/** What is known of the user namespace in which a machine begins; by default, the initial one. */
export interface UserNamespace {
  /** Its inode number, by which a process can recognize it. */
  readonly inode?: number | undefined
  /** Its map of user ids. */
  readonly uidMap?: ReadonlyArray<IdRange>
  readonly gidMap?: ReadonlyArray<IdRange>
  readonly setgroups?: "allow" | "deny"
}

/** The text of a file of the host; `undefined` if it can't be read. */
export const hostText = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const inodeOf = (path: string): number | undefined => {
  try {
    return statSync(path).ino
  } catch {
    return undefined
  }
}

/** The ids of this user namespace. The model takes them for the machine's, because it has no namespace above. */
const hostIds = (kind: "uid" | "gid"): Pick<UserNamespace, "uidMap" | "gidMap"> => {
  const ranges = [...(hostText(`/proc/self/${kind}_map`) ?? "").matchAll(/(\d+)\s+\d+\s+(\d+)/g)].map(
    ([, inside, count]) => ({ inside: Number(inside), outside: Number(inside), count: Number(count) })
  )
  return ranges.length === 0 ? {} : { [`${kind}Map`]: ranges }
}

/** The user namespace of this process. */
export const hostUser = (): UserNamespace => ({
  inode: inodeOf("/proc/self/ns/user"),
  ...hostIds("uid"),
  ...hostIds("gid"),
  setgroups: hostText("/proc/self/setgroups")?.trim() === "deny" ? "deny" : "allow"
})
