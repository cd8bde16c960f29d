/**
 * Files of `/proc` that do not belong to a process, as on the machine that this runs on. A plan needs them, because only
 * existing paths are masked or made read-only.
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

/** The node of a path below `/proc`; `undefined` if the machine has no such file. */
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
