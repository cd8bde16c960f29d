/** What a program must have been given: ids, capabilities, environment, descriptors, cgroup, files. */
import { toBits } from "../../../src/config/capabilities.ts"
import { type Container, hasNamespace, hostId, makesNamespace, type Process } from "../../../src/config/Container.ts"
import { AT, STATX } from "../../../src/native/constants.ts"
import { raisable } from "../../../src/steps/dropCapabilities.ts"
import { type State } from "../../../src/testing/Testing.ts"
import { mappingsOf } from "./containers.ts"
import { ask, type Ran } from "./runs.ts"
import { type Scene } from "./scenes.ts"

const infinite = 2n ** 64n - 1n
const bits = (set: bigint): string => `0x${set.toString(16)}`

/** What the kernel makes of capability sets when a program without file capabilities is executed (capabilities(7)). */
const afterExec = (creds: State.Credentials, isRoot: boolean): Partial<State.Credentials> => {
  const gained = isRoot ? creds.inheritable | creds.bounding : 0n
  const allowed = creds.noNewPrivs ? gained & creds.permitted : gained
  const permitted = allowed | creds.ambient
  return {
    permitted,
    effective: isRoot ? permitted : creds.ambient,
    inheritable: creds.inheritable,
    ambient: creds.ambient,
    bounding: creds.bounding
  }
}

const homes: Readonly<Record<number, string>> = { 0: "/root", 7: "/", 1000: "/data" }

const accounts: Readonly<Record<string, readonly [number, number, ReadonlyArray<number>]>> = {
  root: [0, 0, []],
  web: [1000, 1000, [5, 20]],
  seven: [7, 5, []]
}

const environment = (env: ReadonlyArray<string>, home: string): ReadonlyArray<string> => {
  const name = (entry: string): string => entry.slice(0, entry.indexOf("="))
  const last = env.filter((entry, at) => !env.slice(at + 1).some((later) => name(later) === name(entry)))
  const hasHome = last.some((entry) => entry.startsWith("HOME=") && entry !== "HOME=")
  return hasHome ? last : [...last.filter((entry) => entry !== "HOME="), `HOME=${home}`]
}

/** Where a path leads that has no links in it. */
const plainPath = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

const unmapped = (mappings: Container["uidMappings"], id: number): number => hostId(mappings, id) ?? -1

const wrongCgroup = (
  { caller, container }: Scene,
  ran: Ran<unknown, unknown>,
  program: State.Executed
): ReadonlyArray<string> => {
  const state = ran.model.state()
  const wrong: Array<string> = []
  for (const [hierarchy, path] of program.process.cgroups) {
    const own = state.processes.get(caller)!.cgroups.get(hierarchy)
    const { controllers } = state.hierarchies.get(hierarchy)!
    if (container.cgroup === undefined ? path !== own : path === own && controllers.length > 0) {
      wrong.push(`it is in the cgroup ${hierarchy}:${path}`)
    }
    const limit = state.cgroups.get(`${hierarchy}:${path}`)?.values.get("pids.max")
    if (container.cgroup?.pids !== undefined && controllers.includes("pids") && limit !== "50") {
      wrong.push(`pids.max is ${limit}`)
    }
  }
  return wrong
}

/** What steps and the kernel make below /dev. */
const ofContainersRoot = (container: Container): ReadonlyArray<string> =>
  ["/dev", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx", "/dev/pts", "/dev/pts/ptmx"].concat(
    container.mounts.map(({ destination }) => destination).filter((path) =>
      path === "/dev/shm" || path === "/dev/mqueue" && makesNamespace(container, "ipc")
    )
  )

/** What is wrong with the files that the first program of a container sees. */
const wrongFiles = (
  { container }: Scene,
  ran: Ran<unknown, unknown>,
  program: State.Executed
): ReadonlyArray<string> => {
  const state = ran.model.state()
  const wrong: Array<string> = []
  const lines = program.mountinfo.split("\n").filter((line) => line !== "").map((line) => line.split(" "))
  const at = (path: string) => lines.findLast((fields) => fields[4] === path)
  const isReadonly = (path: string) => at(path)?.[5]?.split(",").includes("ro")
  const covered = (path: string): boolean => container.mounts.some((mount) => mount.destination === path)
  if (container.readonlyRootfs && isReadonly("/") !== true) wrong.push("the root can be written")
  for (const { destination, flags } of container.mounts) {
    if (at(destination) === undefined) wrong.push(`nothing is mounted on ${destination}`)
    else if ((flags & 1) !== 0 && isReadonly(destination) !== true) wrong.push(`${destination} can be written`)
  }
  for (const path of container.maskedPaths) {
    if ((path === "/data" || path === "/etc/passwd" && !covered("/etc")) && at(path) === undefined) {
      wrong.push(`${path} is not masked`)
    }
  }
  for (const path of container.readonlyPaths) {
    if ((path === "/data" || path === "/etc") && !container.maskedPaths.includes(path) && isReadonly(path) !== true) {
      wrong.push(`${path} is not read-only`)
    }
  }
  // looked at as the machine's first process would inside of the container, whatever the program may
  const looking = new Map(state.processes).set(program.pid, {
    ...program.process,
    creds: { ...state.processes.get(1)!.creds }
  })
  const look = (path: string) =>
    ask({ ...state, processes: looking }, program.pid, {
      _tag: "statx",
      dirfd: AT.FDCWD,
      path,
      flags: AT.SYMLINK_NOFOLLOW,
      mask: STATX.BASIC_STATS
    })
  // whose root it is in a user namespace of another, that other knows
  const known = makesNamespace(container, "user") || !hasNamespace(container, "user")
  for (const path of known ? ofContainersRoot(container) : []) {
    const stat = look(path)
    if (typeof stat === "string") wrong.push(`${path}: ${stat}`)
    else if (stat.uid !== 0 || stat.gid !== 0) wrong.push(`${path} belongs to ${stat.uid}:${stat.gid}`)
  }
  for (const { major, minor, path, type } of container.devices) {
    const stat = look(path)
    const kind = { c: 0o020000, b: 0o060000, p: 0o010000 }[type]
    if (typeof stat === "string") wrong.push(`${path}: ${stat}`)
    else if (
      (stat.mode & 0o170000) !== kind || type !== "p" && (stat.rdev.major !== major || stat.rdev.minor !== minor)
    ) {
      wrong.push(`${path} is another node: ${stat.mode.toString(8)} ${stat.rdev.major}:${stat.rdev.minor}`)
    }
  }
  return wrong
}

/** What is wrong with the program that a run started: the first one of a container, or one that joined `init`. */
export const wrongProgram = (
  scene: Scene,
  ran: Ran<unknown, unknown>,
  wanted: Process,
  init?: State.Executed
): ReadonlyArray<string> => {
  const { caller, container, neighbour, setting } = scene
  const program = ran.model.executed().at(-1)
  const before = program === undefined ? undefined : ran.atExec?.processes.get(program.pid)
  if (program === undefined || before === undefined) return ["no program was executed"]
  const { creds, limits, ns } = program.process
  const wrong: Array<string> = []
  const same = (what: string, actual: unknown, expected: unknown): void => {
    const text = (value: unknown): string =>
      typeof value === "bigint"
        ? bits(value)
        : JSON.stringify(value, (_, part) => typeof part === "bigint" ? bits(part) : part)
    if (text(actual) !== text(expected)) wrong.push(`${what}: ${text(actual)} in place of ${text(expected)}`)
  }
  same("argv", program.argv, wanted.args)

  // ids
  const maps = setting.userns ? mappingsOf(setting) : []
  const user = wanted.user._tag === "Ids"
    ? [wanted.user.uid, wanted.user.gid, []] as const
    : accounts[wanted.user.spec]!
  const uid = unmapped(maps, user[0])
  const gid = unmapped(maps, user[1])
  same("user ids", [creds.uid, creds.euid, creds.suid], [uid, uid, uid])
  same("group ids", [creds.gid, creds.egid, creds.sgid], [gid, gid, gid])
  const groups = [...new Set([...user[2], ...wanted.user.additionalGids])].map((group) => unmapped(maps, group))
  const bySize = (list: ReadonlyArray<number>) => list.toSorted((a, b) => a - b)
  if (setting.host.user === "root") same("groups", bySize(creds.groups), bySize(groups))

  // capabilities: as configured until exec, and then what exec makes of them
  if (wanted.capabilities !== undefined) {
    const { bounding, effective, inheritable, permitted } = wanted.capabilities
    same("effective", before.creds.effective, toBits(effective))
    same("permitted", before.creds.permitted, toBits(permitted))
    same("inheritable", before.creds.inheritable, toBits(inheritable))
    same("bounding", before.creds.bounding, toBits(bounding))
    same("ambient", before.creds.ambient, toBits(raisable(wanted.capabilities)))
  }
  const expected = afterExec(before.creds, user[0] === 0)
  for (const set of ["effective", "permitted", "inheritable", "bounding", "ambient"] as const) {
    same(`${set} after exec`, creds[set], expected[set])
  }
  same("no_new_privs", creds.noNewPrivs, wanted.noNewPrivileges)
  // one more program has the filter of its container
  same("filters", program.process.filters.length, container.seccomp === undefined ? 0 : 1)
  same("securebits", creds.securebits, 0)

  // descriptors, directory, environment
  const preserved = init === undefined ? setting.process.preserved : 0
  same("descriptors", bySize([...program.descriptors.keys()]), Array.from({ length: 3 + preserved }, (_, fd) => fd))
  same("working directory", program.cwd, plainPath(wanted.cwd))
  // a file that is masked tells nothing
  const home = container.maskedPaths.includes("/etc/passwd") ? "/" : homes[user[0]]!
  same("environment", program.envp, environment(wanted.env.map(String), home))

  // namespaces
  const host = ran.model.state().processes.get(caller)!.ns
  const types = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] as const
  for (const type of types) {
    const given = container.namespaces.find((one) => one.type === type)
    const beside = ran.model.state().processes.get(neighbour)?.ns[type]
    if (init !== undefined) same(`${type} namespace`, ns[type], init.process.ns[type])
    else if (given === undefined) same(`${type} namespace`, ns[type], host[type])
    else if (given.path !== undefined) same(`${type} namespace`, ns[type], beside)
    else if (ns[type] === host[type] || ns[type] === beside) {
      wrong.push(`the ${type} namespace is not the container's own`)
    }
  }
  const { root } = program.process
  const rootMount = ran.model.state().mounts.get(root.mount)
  if (rootMount?.ns !== ns.mnt) wrong.push("the root is on a mount of another mount namespace")
  if (rootMount !== undefined && rootMount.fs === ran.model.state().processes.get(1)!.root.node) {
    wrong.push("the root is the host's")
  }
  if (init !== undefined) same("root", root, init.process.root)

  // the process
  if (wanted.umask !== undefined) same("umask", program.process.umask, wanted.umask)
  for (const { hard, resource, soft } of wanted.rlimits) {
    same(`limit ${resource}`, limits.get(resource) ?? { soft: infinite, hard: infinite }, { soft, hard })
  }
  // an exec that gives capabilities takes it, and nobody can set it again (commit_creds)
  const gains = (creds.permitted & ~before.creds.permitted) !== 0n
  same("parent-death signal", program.process.parentDeathSignal, gains ? 0 : container.parentDeathSignal ?? 0)
  if (wanted.oomScoreAdj !== undefined) same("oom_score_adj", program.process.oomScoreAdj, wanted.oomScoreAdj)
  if (wanted.scheduler !== undefined) same("nice", program.process.scheduler.nice, wanted.scheduler.nice)
  if (wanted.cpuAffinity !== undefined) same("processors", program.process.affinity, wanted.cpuAffinity.final)
  if (container.personality !== undefined) same("personality", program.process.personality, container.personality)
  same("session", [program.process.session, program.process.group], [program.pid, program.pid])
  same("ignored signals", [...program.process.dispositions.keys()], [])
  same("blocked signals", program.process.blocked, [])
  if (container.hostname !== undefined) same("hostname", program.hostname, container.hostname)
  if (container.domainname !== undefined) same("domainname", program.domainname, container.domainname)
  if (
    !container.noNewKeyring &&
    program.process.sessionKeyring === ran.model.state().processes.get(caller)!.sessionKeyring
  ) {
    wrong.push("the session keyring is the caller's")
  }
  return [...wrong, ...wrongCgroup(scene, ran, program), ...(init === undefined ? wrongFiles(scene, ran, program) : [])]
}
