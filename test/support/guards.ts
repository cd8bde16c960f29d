/** The guards of a process: those who end its programs when it has gone. */
import * as fs from "node:fs"

/** @returns nothing if it can't be read: processes come and go */
const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** The pids of the guards of a process, of any of its threads. One that has ended and was not reaped is among them. */
export const guardsOf = (pid: number): ReadonlyArray<number> =>
  fs.readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(" ").filter((one) => one !== ""))
    .map(Number)
    .filter((child) => read(`/proc/${child}/comm`) === "runfx-guard\n")

/** How many programs a guard has. */
export const heldBy = (guard: number): number =>
  fs.readdirSync(`/proc/${guard}/fd`).filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/${guard}/fd/${fd}`).includes("pidfd")
    } catch {
      return false
    }
  }).length
