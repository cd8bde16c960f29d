/**
 * What of a workspace is covered: names wherever they appear in it, and paths, also those that do not exist yet.
 *
 * What is found here is only a list of paths: each is looked up again in the sandbox's own root, by handle, and can't lead out
 * of it. Links are never followed here.
 */
import * as Effect from "effect/Effect"
import type { Dirent } from "node:fs"
import * as fs from "node:fs/promises"
import { type Problem, problem } from "../../config/ConfigError.ts"
import { Surroundings } from "../../native/Surroundings.ts"
import { isPlaceholder } from "./mark.ts"

/** A directory that can be written, but for what is named; see `workspace`. */
export interface Workspace {
  /** Absolute path, which is the same in the sandbox. */
  readonly directory: string
  /** Names (`".git"`, `"*.lock"`), and paths from the directory on (`"ci/deploy.sh"`), that can't be written or made. */
  readonly readOnly?: ReadonlyArray<string>
  /** As `readOnly`, of what can't be read either. */
  readonly hidden?: ReadonlyArray<string>
}

/** Something that is not there, and must not be made by the program. */
export interface Missing {
  /** From the workspace on. */
  readonly path: string
  readonly directory: boolean
}

/** A workspace as it is. */
export interface Found {
  /** Without links. */
  readonly source: string
  /** Whose it is. */
  readonly owner: string
  readonly readOnly: ReadonlyArray<string>
  readonly hidden: ReadonlyArray<string>
  readonly missing: ReadonlyArray<Missing>
  readonly problems: ReadonlyArray<Problem>
}

/** Each takes a mount. */
const mostPaths = 1000

const bare = (pattern: string): string => pattern.replace(/\/+$/, "")

const isPath = (pattern: string): boolean => bare(pattern).includes("/")

const matcher = (patterns: ReadonlyArray<string>) => {
  const texts = patterns.filter((one) => !isPath(one)).map((one) =>
    bare(one).split("*").map((text) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&")).join(".*")
  )
  const all = new RegExp(`^(?:${texts.join("|")})$`, "s")
  return (name: string) => texts.length > 0 && all.test(name)
}

/** Who may not read a directory is no program's user either; and it may be gone meanwhile. */
const entriesOf = (directory: string): Promise<ReadonlyArray<Dirent>> =>
  fs.readdir(directory, { withFileTypes: true }).catch(() => [])

/** Calls a function for all that is below a directory, which tells whether to look into it. */
const walk = async (top: string, below: string, look: (path: string, entry: Dirent) => boolean): Promise<void> => {
  for (const entry of await entriesOf(`${top}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`
    if (look(path, entry) && entry.isDirectory()) await walk(top, path, look)
  }
}

/** The first part of a path that is not there, or is a link. */
const firstGap = async (top: string, path: string) => {
  const parts = bare(path).split("/")
  for (let count = 1; count <= parts.length; count++) {
    const part = parts.slice(0, count).join("/")
    const stat = await fs.lstat(`${top}/${part}`).catch(() => undefined)
    const isLast = count === parts.length
    // one of another sandbox, or of one that was killed, is held as well
    if (stat !== undefined && isPlaceholder(stat)) return { part, link: false, directory: stat.isDirectory() }
    if (stat === undefined) return { part, link: false, directory: !isLast || path.endsWith("/") }
    if (stat.isSymbolicLink()) return { part, link: true, directory: false }
  }
  return undefined
}

/** Other names of hidden files: what is read there is the same. */
const otherNames = async (top: string, hidden: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const stats = await Promise.all(hidden.map((path) => fs.lstat(`${top}/${path}`).catch(() => undefined)))
  const identity = ({ dev, ino }: { readonly dev: number; readonly ino: number }) => `${dev}:${ino}`
  const many = new Set(stats.flatMap((stat) => stat?.isFile() === true && stat.nlink > 1 ? [identity(stat)] : []))
  if (many.size === 0) return []
  const files: Array<string> = []
  await walk(top, "", (path, entry) => {
    if (entry.isFile()) files.push(path)
    return true
  })
  const same: Array<string> = []
  for (const path of files) {
    const stat = await fs.lstat(`${top}/${path}`).catch(() => undefined)
    if (stat !== undefined && many.has(identity(stat))) same.push(path)
  }
  return same
}

const look = async ({ directory, hidden = [], readOnly = [] }: Workspace): Promise<Found> => {
  const source = await fs.realpath(directory)
  const stat = await fs.stat(source)
  if (!stat.isDirectory()) throw new Error("no directory")
  const problems: Array<Problem> = []
  const found: Record<"readOnly" | "hidden", Array<string>> = { readOnly: [], hidden: [] }
  const missing = new Map<string, boolean>()
  const isHidden = matcher(hidden)
  const isReadOnly = matcher(readOnly)
  const refuseLink = (path: string) => {
    const rule =
      `must not be protected by ${path}, which is a link that the program could replace: name what it leads to`
    problems.push(problem("workspace.readOnly", directory, rule))
  }
  await walk(source, "", (path, entry) => {
    if (isHidden(entry.name)) found.hidden.push(path)
    else if (!isReadOnly(entry.name)) return true
    else if (entry.isSymbolicLink()) refuseLink(path)
    else found.readOnly.push(path)
    return false
  })
  for (const [kind, patterns] of [["hidden", hidden], ["readOnly", readOnly]] as const) {
    for (const pattern of patterns.filter((one) => !one.includes("*"))) {
      const gap = await firstGap(source, pattern)
      if (gap?.link === false) missing.set(gap.part, gap.directory)
      else if (gap !== undefined && isPath(pattern)) refuseLink(gap.part)
      if (gap === undefined && isPath(pattern)) found[kind].push(bare(pattern))
      if (gap?.link === false) found[kind].push(gap.part)
    }
  }
  found.hidden.push(...await otherNames(source, found.hidden))
  const inside = (paths: ReadonlyArray<string>) => [...new Set(paths)].map((path) => `${directory}/${path}`)
  if (found.hidden.length + found.readOnly.length > mostPaths) {
    problems.push(problem("workspace", directory, `must have at most ${mostPaths} paths that are covered`))
  }
  return {
    source,
    owner: `${stat.uid}:${stat.gid}`,
    readOnly: inside(found.readOnly),
    hidden: inside(found.hidden),
    missing: [...missing].map(([path, directory]) => ({ path, directory })),
    problems
  }
}

/** A workspace of which only something wrong is known. */
const wrong = (directory: string, rule: string): Found => ({
  source: directory,
  owner: "0:0",
  readOnly: [],
  hidden: [],
  missing: [],
  problems: [problem("workspace.directory", directory, rule)]
})

/** Looks at a workspace. */
export const find = (workspace: Workspace): Effect.Effect<Found> =>
  Effect.flatMap(Surroundings, ({ live }) =>
    live
      ? Effect.promise(() => look(workspace).catch(() => wrong(workspace.directory, "must be a directory on the host")))
      : Effect.succeed(
        wrong(workspace.directory, "must be on the kernel that this process runs on: the model has none")
      ))
