/** The state of this process, which a container's start inherits or has to change. @see proc_pid_status(5) */
import type { Options } from "../Seed.ts"
import type { Process } from "../State.ts"
import { hostText } from "./hostUser.ts"

/** What is known of the process in which a model begins, in addition to its ids. */
export type Caller = Partial<
  Pick<Process, "affinity" | "oomScoreAdj" | "personality" | "umask"> & {
    readonly creds: Partial<Process["creds"]>
    readonly scheduler: Partial<Process["scheduler"]>
  }
>

/** The numbers in a list of ranges, such as `0-3,7`. */
const listOf = (text: string): ReadonlyArray<number> =>
  text.split(",").filter((range) => range !== "").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })

/** The real and saved ids, if they differ from the effective one. */
const idsOf = (text: string | undefined, name: "uid" | "gid"): Partial<Process["creds"]> => {
  const [real, effective, saved] = (text ?? "").split("\t").map(Number)
  return real === undefined || effective === undefined || saved === undefined
    ? {}
    : { [name]: real, [`e${name}`]: effective, [`s${name}`]: saved }
}

/** Nice value, priority and policy: the 19th, 40th and 41st fields; the name before may hold anything. */
const schedulerOf = (stat: string): Partial<Process["scheduler"]> => {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).trim().split(" ").map(Number)
  const [nice, priority, policy] = [fields[16], fields[37], fields[38]]
  return nice === undefined || priority === undefined || policy === undefined ? {} : { nice, priority, policy }
}

type Status = ReadonlyMap<string, string>

const setOf = (status: Status, name: string): bigint => BigInt(`0x${status.get(name) ?? "0"}`)

const callerOf = (status: Status): Caller => {
  const octal = Number.parseInt(status.get("Umask") ?? "", 8)
  const oom = Number.parseInt(hostText("/proc/self/oom_score_adj") ?? "", 10)
  const cpus = listOf(status.get("Cpus_allowed_list") ?? "")
  return {
    ...Number.isNaN(octal) ? {} : { umask: octal },
    ...Number.isNaN(oom) ? {} : { oomScoreAdj: oom },
    ...cpus.length === 0 ? {} : { affinity: cpus },
    creds: {
      ...idsOf(status.get("Uid"), "uid"),
      ...idsOf(status.get("Gid"), "gid"),
      ...status.has("CapPrm") ? { permitted: setOf(status, "CapPrm") } : {},
      inheritable: setOf(status, "CapInh"),
      ambient: setOf(status, "CapAmb"),
      noNewPrivs: status.get("NoNewPrivs") === "1"
    },
    scheduler: schedulerOf(hostText("/proc/self/stat") ?? "")
  }
}

/** The ids and capabilities of this process, and what else is known of it. */
export const hostCaller = (): Pick<Options, "uid" | "gid" | "groups" | "capabilities" | "bounding"> & {
  readonly caller: Caller
} => {
  const status = new Map(
    (hostText("/proc/self/status") ?? "").split("\n").map((line) => line.split(":\t") as [string, string])
  )
  // the second id is the effective one, which calls are checked against
  const effective = (name: string): number => Number((status.get(name) ?? "0").split("\t")[1] ?? 0)
  const groups = (status.get("Groups") ?? "").trim()
  return {
    uid: effective("Uid"),
    gid: effective("Gid"),
    groups: groups === "" ? [] : groups.split(" ").map(Number),
    capabilities: setOf(status, "CapEff"),
    bounding: setOf(status, "CapBnd"),
    caller: callerOf(status)
  }
}
