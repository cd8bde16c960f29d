/**
 * What of a workspace is covered: names wherever they appear in it, and paths, also those that do not exist yet.
 *
 * What is found here is only a list of paths: each is looked up again in the sandbox's own root, by handle, and can't lead out
 * of it. Links are never followed here.
 *
 * @category descriptions
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { type Problem, problem } from "../../config/ConfigError.ts"
import { cut } from "../../engine/errorText.ts"
import { S } from "../../native/constants.ts"
import { isPlaceholder } from "./mark.ts"
import { type Closed, type Entry, replacement, type Status, type Tree } from "./tree.ts"

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

const isType = ({ mode }: Status, type: number): boolean => (mode & S.IFMT) === type

/** What a walk through a directory calls. */
interface Walker {
  /** Is told of all that is below it, and tells whether to look into that. */
  readonly look: (path: string, entry: Entry) => boolean
  /** Is told of a directory that can't be looked into. */
  readonly closed: (path: string, why: Closed) => void
}

const walk = (tree: Tree, top: string, walker: Walker, below = ""): Effect.Effect<void> =>
  Effect.gen(function*() {
    const entries = yield* tree.entries(`${top}/${below}`)
    if ("code" in entries) return walker.closed(below, entries)
    for (const entry of entries) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`
      if (walker.look(path, entry) && entry.type === "directory") yield* walk(tree, top, walker, path)
    }
  })

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

/** Other names of hidden files: what is read there is the same. */
const otherNames = (tree: Tree, top: string, hidden: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const stats = yield* Effect.forEach(hidden, (path) => tree.status(`${top}/${path}`), { concurrency: "unbounded" })
    const many = new Set(
      stats.flatMap((stat) => stat !== undefined && isType(stat, S.IFREG) && stat.nlink > 1 ? [stat.identity] : [])
    )
    if (many.size === 0) return []
    const files: Array<string> = []
    const look = (path: string, { type }: Entry) => {
      if (type === "file") files.push(path)
      return true
    }
    // the first walk has reported the closed ones
    yield* walk(tree, top, { look, closed: () => {} })
    return yield* Effect.filter(
      files,
      (path) => Effect.map(tree.status(`${top}/${path}`), (stat) => stat !== undefined && many.has(stat.identity))
    )
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
    const found: Record<"readOnly" | "hidden", Array<string>> = { readOnly: [], hidden: [] }
    const missing = new Map<string, boolean>()
    const isHidden = matcher(hidden)
    const isReadOnly = matcher(readOnly)
    const refuseLink = (path: string) => {
      const rule =
        `must not be protected by ${path}, which is a link that the program could replace: name what it leads to`
      problems.push(problem("workspace.readOnly", directory, rule))
    }
    const refuseClosed = (path: string, { code }: Closed) => {
      const rule = `must be a directory in which what is to be covered can be found: ${cut(path || ".")} (${code})`
      problems.push(problem("workspace.directory", directory, rule))
    }
    yield* walk(tree, source, {
      look: (path, entry) => {
        if (isHidden(entry.name)) found.hidden.push(path)
        else if (!isReadOnly(entry.name)) return true
        else if (entry.type === "link") refuseLink(path)
        else found.readOnly.push(path)
        return false
      },
      // an earlier program may have closed it, as its owner, and what the next one is not to see is in it
      closed: (path, why) => {
        if (why.code === "EACCES" && path !== "") found.hidden.push(path)
        else refuseClosed(path, why)
      }
    })
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
    found.hidden.push(...yield* otherNames(tree, source, found.hidden))
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
