/**
 * What a program on the model sees: its environment, its network, its mounts, and its limits.
 *
 * @category checks
 * @since 0.2.0
 */
import { nameOf } from "../config/capabilities.ts"
import { keyOf, pathsUp } from "../model/cgroupTree.ts"
import type { Executed, IdRange, Process, State } from "../model/State.ts"
import type { AnyGid, AnyUid } from "../native/Handle.ts"
import { environment } from "./Program.ts"

/** What a program sees when it starts. */
export interface Seen {
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly hostname: string
  /** Ids as the program sees them; -1 for one that has no name in its user namespace. */
  readonly user: { readonly uid: AnyUid; readonly gid: AnyGid; readonly groups: ReadonlyArray<AnyGid> }
  /** Names of its effective capabilities: `"CAP_KILL"`. */
  readonly capabilities: ReadonlyArray<string>
  readonly noNewPrivileges: boolean
  /** The network interfaces of its namespace. */
  readonly interfaces: ReadonlyArray<{
    readonly name: string
    readonly up: boolean
    /** In CIDR notation. */
    readonly addresses: ReadonlyArray<string>
  }>
  /** What is mounted, in the order of `/proc/self/mountinfo`. */
  readonly mounts: ReadonlyArray<{
    readonly path: string
    readonly type: string
    readonly source: string
    /** Whether the mount is writable; modes and owners of files may still forbid writing. */
    readonly writable: boolean
  }>
  /** The processes that are in its pid namespace, by their numbers there. */
  readonly processes: ReadonlyArray<number>
  /** Its control groups: one, or one for each hierarchy of version 1. */
  readonly cgroups: ReadonlyArray<string>
  /** The lowest limit of its groups and all groups above them; absent: no limit. */
  readonly limits: {
    readonly processes?: number
    /** In bytes. */
    readonly memory?: number
  }
  /** Its descriptors, and what each refers to. */
  readonly descriptors: Readonly<Record<number, string>>
}

const idsOf = (ranges: ReadonlyArray<IdRange> | undefined) => (id: number): number => {
  const range = ranges?.find(({ count, outside }) => outside <= id && id < outside + count)
  return range === undefined ? -1 : range.inside + (id - range.outside)
}

const userOf = ({ namespaces }: State, { creds, ns }: Process): Seen["user"] => {
  const own = namespaces.get(ns.user)
  const [uid, gid] = own?.type === "user" ? [idsOf(own.uidMap), idsOf(own.gidMap)] : [idsOf([]), idsOf([])]
  return { uid: uid(creds.euid), gid: gid(creds.egid), groups: creds.groups.map(gid) }
}

const capabilitiesOf = ({ creds: { effective } }: Process): ReadonlyArray<string> =>
  Array.from({ length: 64 }, (_, number) => number).filter((number) => (effective >> BigInt(number) & 1n) === 1n).map(
    nameOf
  )

const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const mountOf = (line: string): Seen["mounts"][number] => {
  const [own = "", fileSystem = ""] = line.split(" - ")
  const [, , , , path = "", options = ""] = own.split(" ")
  const [type = "", source = "", superOptions = ""] = fileSystem.split(" ")
  const isReadOnly = (text: string): boolean => text.split(",").includes("ro")
  return {
    path: unescaped(path),
    type,
    source: unescaped(source),
    writable: !isReadOnly(options) && !isReadOnly(superOptions)
  }
}

/** The lowest number that a file has in a process's groups and the groups above. */
const leastOf = (state: State, process: Process, files: ReadonlyArray<string>): number | undefined => {
  const found = [...process.cgroups].flatMap(([hierarchy, path]) =>
    pathsUp(path).flatMap((group) =>
      files.map((file) => Number(state.cgroups.get(keyOf(hierarchy, group))?.values.get(file)?.trim() ?? "none"))
    )
  ).filter((number) => Number.isFinite(number))
  return found.length === 0 ? undefined : Math.min(...found)
}

const limitsOf = (state: State, process: Process): Seen["limits"] => {
  const processes = leastOf(state, process, ["pids.max"])
  const memory = leastOf(state, process, ["memory.max", "memory.limit_in_bytes"])
  return { ...processes === undefined ? {} : { processes }, ...memory === undefined ? {} : { memory } }
}

/** What a program sees, computed from the machine as it was when the program was executed. */
export const seenBy = (executed: Executed, state: State): Seen => {
  const { argv, cwd, descriptors, hostname, mountinfo, process } = executed
  const links = [...state.links.values()].filter(({ ns }) => ns === process.ns.net)
  return {
    args: argv,
    env: environment(executed),
    cwd,
    hostname,
    user: userOf(state, process),
    capabilities: capabilitiesOf(process),
    noNewPrivileges: process.creds.noNewPrivs,
    interfaces: links.map(({ addresses, name, up }) => ({ name, up, addresses })),
    mounts: mountinfo.split("\n").filter((line) => line !== "").map(mountOf),
    processes: [...state.processes.values()].flatMap(({ numbers }) => numbers.get(process.ns.pid) ?? []),
    cgroups: [...new Set(process.cgroups.values())],
    limits: limitsOf(state, process),
    descriptors: Object.fromEntries(descriptors)
  }
}
