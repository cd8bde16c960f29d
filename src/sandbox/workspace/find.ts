/**
 * What of a workspace is covered: names wherever they appear in it, and paths, also those that do not exist yet.
 *
 * What is found here is only a list of paths: each is looked up again in the sandbox's own root, by handle, and can't lead out
 * of it.
 *
 * @category descriptions
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { type Problem, problem } from "../../config/ConfigError.ts"
import { cut } from "../../engine/errorText.ts"
import { S } from "../../native/constants.ts"
import { isPlaceholder } from "./mark.ts"
import { bare, isPath, isType, otherNames, search, targets } from "./search.ts"
import { type Closed, replacement, type Tree } from "./tree.ts"

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

/** The first part of a path that is not there, or is a link. */
const firstGap = ({ status }: Tree, top: string, path: string) =>
  Effect.gen(function*() {
    const parts = bare(path).split("/")
    for (let count = 1; count <= parts.length; count++) {
      const part = parts.slice(0, count).join("/")
      const stat = yield* status(`${top}/${part}`)
      const isLast = count === parts.length
      // one of another sandbox, or of one that was killed, is held as well
      if (stat !== undefined && isPlaceholder(stat)) return { part, link: false, directory: isType(stat, S.IFDIR) }
      if (stat === undefined) return { part, link: false, directory: !isLast || path.endsWith("/") }
      if (isType(stat, S.IFLNK)) return { part, link: true, directory: false }
    }
    return undefined
  })

/** A workspace of which only something wrong is known. */
const wrong = (directory: string, rule: string): Found => ({
  source: directory,
  owner: "0:0",
  readOnly: [],
  hidden: [],
  missing: [],
  problems: [problem("workspace.directory", directory, rule)]
})

/** Looks at a workspace in a file system. */
export const find = (
  { directory, hidden = [], readOnly = [] }: Workspace,
  tree: Tree
): Effect.Effect<Found> =>
  Effect.gen(function*() {
    const source = yield* tree.real(directory)
    const stat = source === undefined ? undefined : yield* tree.status(source)
    if (source === undefined || stat === undefined || !isType(stat, S.IFDIR)) {
      return wrong(directory, "must be a directory on the host")
    }
    const problems: Array<Problem> = []
    const missing = new Map<string, boolean>()
    const refuseLink = (path: string) => {
      const rule =
        `must not be protected by ${path}, which is a link that the program could replace: name what it leads to`
      problems.push(problem("workspace.readOnly", directory, rule))
    }
    const refuseClosed = (path: string, { code }: Closed) => {
      const rule = `must be a directory in which what is to be covered can be found: ${cut(path || ".")} (${code})`
      problems.push(problem("workspace.directory", directory, rule))
    }
    const found = yield* search({ hidden, readOnly }, tree, source)
    for (const path of found.replaceable) refuseLink(path)
    for (const { path, why } of found.closed) refuseClosed(path, why)
    for (const path of [...found.hidden, ...found.readOnly].filter((path) => path.includes(replacement))) {
      if ((yield* tree.status(`${source}/${path}`)) === undefined) refuseClosed(path, { code: "EILSEQ" })
    }
    for (const [kind, patterns] of [["hidden", hidden], ["readOnly", readOnly]] as const) {
      for (const pattern of patterns.filter((one) => !one.includes("*"))) {
        const gap = yield* firstGap(tree, source, pattern)
        if (gap?.link === false) missing.set(gap.part, gap.directory)
        else if (gap !== undefined && isPath(pattern)) refuseLink(gap.part)
        if (gap === undefined && isPath(pattern)) found[kind].push(bare(pattern))
        if (gap?.link === false) found[kind].push(gap.part)
      }
    }
    found.hidden.push(...yield* targets(tree, source, found.hiddenLinks))
    const { hidden: hiddenToo, readOnly: readOnlyToo } = yield* otherNames(tree, source, found)
    found.hidden.push(...hiddenToo)
    found.readOnly.push(...readOnlyToo)
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
  })
