/**
 * What a mount of procfs shows: `hidepid`, `gid` and `subset`. @see proc(5), "Mount options"
 */
import { mayTrace, toKernel } from "./Credentials.ts"
import type { Machine } from "./Machine.ts"
import { numberOf, valueOf } from "./mountData.ts"
import type { FileSystem, Process } from "./State.ts"

const words = ["off", "noaccess", "invisible"]

const levelOf = (options: ReadonlyArray<string>): number => {
  const text = valueOf(options, "hidepid")
  if (text === undefined) return 0
  return text === "ptraceable" ? 4 : words.includes(text) ? words.indexOf(text) : numberOf(options, "hidepid") ?? 0
}

/** Whether it shows only processes that the caller may trace, and hides others at the look-up of a name (`proc_pid_lookup`). */
export const hidesLate = (fs: FileSystem | undefined): boolean => fs !== undefined && levelOf(fs.options) === 4

/** Whether it has only processes, and no files of the machine. */
export const hasPidsOnly = (fs: FileSystem | undefined): boolean => fs?.options.includes("subset=pid") === true

/** What the caller sees of a process (`has_pid_permissions`): everything, a directory that it can't enter, or nothing. */
export const shownOf = (m: Machine, fs: FileSystem | undefined, process: Process): "all" | "closed" | "nothing" => {
  const level = fs === undefined ? 0 : levelOf(fs.options)
  if (fs === undefined || level === 0) return "all"
  const { egid, groups } = m.self.creds
  const group = toKernel(m, fs.owner, "gid", numberOf(fs.options, "gid") ?? 0)
  const isIn = group !== undefined && (group === egid || groups.includes(group))
  if ((level !== 4 && isIn) || mayTrace(m, process, "effective")) return "all"
  return level === 1 ? "closed" : "nothing"
}
