/** The search of a workspace for what is to be covered by its name. No link to a directory is followed. */
import * as Effect from "effect/Effect"
import { S } from "../../native/constants.ts"
import type { Closed, Entry, Status, Tree } from "./tree.ts"

/** A pattern without the slash that says that it is a directory. */
export const bare = (pattern: string): string => pattern.replace(/\/+$/, "")

/** Whether a pattern is a path from the workspace on, and not a name. */
export const isPath = (pattern: string): boolean => bare(pattern).includes("/")

const matcher = (patterns: ReadonlyArray<string>) => {
  const texts = patterns.filter((one) => !isPath(one)).map((one) =>
    bare(one).split("*").map((text) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&")).join(".*")
  )
  const all = new RegExp(`^(?:${texts.join("|")})$`, "s")
  return (name: string) => texts.length > 0 && all.test(name)
}

/** Whether a file is of a type, as `S.IFREG`. */
export const isType = ({ mode }: Pick<Status, "mode">, type: number): boolean => (mode & S.IFMT) === type

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

/** What a search has found; paths are from the workspace on. */
export interface Searched {
  readonly hidden: Array<string>
  readonly readOnly: Array<string>
  /** Links of hidden names. A mount on one is a mount on what it leads to. */
  readonly hiddenLinks: ReadonlyArray<string>
  /** Links of read-only names: who can write their directory can replace them. */
  readonly replaceable: ReadonlyArray<string>
  /** Directories in which nobody can find anything. */
  readonly closed: ReadonlyArray<{ readonly path: string; readonly why: Closed }>
}

/** The names, or patterns of names, to search for. */
interface Names {
  readonly hidden: ReadonlyArray<string>
  readonly readOnly: ReadonlyArray<string>
}

/** Searches a workspace for names. */
export const search = (
  { hidden, readOnly }: Names,
  tree: Tree,
  top: string
): Effect.Effect<Searched> =>
  Effect.gen(function*() {
    const found = {
      hidden: Array<string>(),
      readOnly: Array<string>(),
      hiddenLinks: Array<string>(),
      replaceable: Array<string>(),
      closed: Array<Searched["closed"][number]>()
    }
    const isHidden = matcher(hidden)
    const isReadOnly = matcher(readOnly)
    // what is below it can't be written either; but something in it may have to be hidden
    let covered: string | undefined
    const look = (path: string, { name, type }: Entry): boolean => {
      if (isHidden(name)) {
        found[type === "link" ? "hiddenLinks" : "hidden"].push(path)
        return false
      }
      if (!isReadOnly(name) || (covered !== undefined && path.startsWith(`${covered}/`))) return true
      found[type === "link" ? "replaceable" : "readOnly"].push(path)
      covered = path
      return true
    }
    yield* walk(tree, top, {
      look,
      // an earlier program may have closed it, as its owner, and what the next one is not to see is in it
      closed: (path, why) =>
        void (why.code === "EACCES" && path !== "" ? found.hidden.push(path) : found.closed.push({ path, why }))
    })
    return found
  })

/**
 * What links lead to, as far as that is in the workspace. What is elsewhere is no business of it: a program that makes a link
 * to /etc/passwd must not take that from the next one; nor must a link in a circle keep it from starting.
 */
export const targets = (
  tree: Tree,
  top: string,
  links: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(
    Effect.forEach(links, (path) => tree.real(`${top}/${path}`)),
    (paths) => paths.flatMap((path) => path?.startsWith(`${top}/`) === true ? [path.slice(top.length + 1)] : [])
  )

type Covered = Pick<Searched, "hidden" | "readOnly">

/** Other names of files that are covered: what is read and written there is the same. */
export const otherNames = (tree: Tree, top: string, { hidden, readOnly }: Covered): Effect.Effect<Covered> =>
  Effect.gen(function*() {
    const linked = (paths: ReadonlyArray<string>) =>
      Effect.map(
        Effect.forEach(paths, (path) => tree.status(`${top}/${path}`), { concurrency: "unbounded" }),
        (stats) =>
          new Set(
            stats.flatMap((stat) =>
              stat !== undefined && isType(stat, S.IFREG) && stat.nlink > 1 ? [stat.identity] : []
            )
          )
      )
    const [toHide, toKeep] = [yield* linked(hidden), yield* linked(readOnly)]
    const more: Covered = { hidden: [], readOnly: [] }
    if (toHide.size + toKeep.size === 0) return more
    const files: Array<string> = []
    const look = (path: string, { type }: Entry) => {
      if (type === "file") files.push(path)
      return true
    }
    // the first walk has reported the closed ones
    yield* walk(tree, top, { look, closed: () => {} })
    for (const path of files) {
      const stat = yield* tree.status(`${top}/${path}`)
      if (stat === undefined) continue
      if (toHide.has(stat.identity)) more.hidden.push(path)
      if (toKeep.has(stat.identity)) more.readOnly.push(path)
    }
    return more
  })
