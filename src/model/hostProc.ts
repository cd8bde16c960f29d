/**
 * Files of `/proc` that are the machine's and not a process's, as the machine has them that this runs on: a plan asks
 * which of them there are, since masks and read-only paths are of what is there.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { refuse } from "./Machine.ts"
import type { Draft } from "./Proc.ts"

const isOfProcess = (name: string): boolean => /^\d+$/.test(name) || name === "self" || name === "thread-self"

const names = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** The names in `/proc` itself. */
export const hostNames = (): ReadonlyArray<string> => names("/proc").filter((name) => !isOfProcess(name))

/** What a path below `/proc` is; `undefined` if the machine has no such file. */
export const hostDraft = (path: ReadonlyArray<string>): Draft | undefined => {
  if (path.length === 0 || isOfProcess(path[0]!)) return undefined
  const full = `/proc/${path.join("/")}`
  try {
    const stat = lstatSync(full)
    const mode = stat.mode & 0o7777
    if (stat.isSymbolicLink()) return { link: () => readlinkSync(full), mode }
    if (stat.isDirectory()) return { dir: () => names(full), mode }
    return {
      mode,
      text: () => {
        try {
          return readFileSync(full, "utf8")
        } catch {
          return refuse("EACCES")
        }
      }
    }
  } catch {
    return undefined
  }
}
