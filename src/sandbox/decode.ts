/**
 * From a description to the one internal model of a container. This asks what only this host and this caller can tell: who
 * the caller is, which of the host's directories there are, what number a device has.
 */
import * as Effect from "effect/Effect"
import { numbers as capabilityNumbers } from "../config/capabilities.ts"
import type { Problem } from "../config/ConfigError.ts"
import type { Capabilities, Cgroup, Container, Device, Mount, Seccomp } from "../config/Container.ts"
import { defaultSpec, rootlessSpec } from "../config/defaults.ts"
import { defaultRules, denyAll, withDefaults } from "../config/devices.ts"
import { seccompProfiles } from "../config/seccompProfiles.ts"
import { bytesOf, millisecondsOf } from "../config/shape/quantity.ts"
import { modelNames, type Names, validate } from "../config/validate.ts"
import { given } from "../engine/given.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { idsBefore, type UserFiles } from "../runtime/lookUpUser.ts"
import type { MakeRoot } from "../runtime/options.ts"
import { type Authority, authority, rulesHost } from "../steps/caller/authority.ts"
import { check, checkCommand } from "./check.ts"
import type { Overflow } from "./Collector.ts"
import { deviceOf, isDevice } from "./decode/devices.ts"
import { envOf, ownHome } from "./decode/environment.ts"
import { type Ids, idsOf } from "./decode/ids.ts"
import { cgroupOf, rlimitsOf } from "./decode/limits.ts"
import { bound, defaultTmpfs, inMemory, mountOf, privately } from "./decode/mounts.ts"
import { isAllow, networkProblems, networksOf } from "./decode/networks.ts"
import { type Root, rootOf } from "./decode/root.ts"
import { statesProblems } from "./decode/states.ts"
import type { Allow, Description } from "./Description.ts"
import type { Policy } from "./network/access.ts"
import { ruleOf } from "./network/rules.ts"
import { InvalidSandbox } from "./SandboxError.ts"
import { find, type Found } from "./workspace/find.ts"
import { tree } from "./workspace/tree.ts"

/** A description, with what this host says to it: ready to start. */
export interface Resolved {
  readonly container: Container
  readonly makeRoot?: MakeRoot
  readonly names: Names
  /** Milliseconds that the program has. */
  readonly time?: number
  /** Bytes that are taken of each of its outputs. */
  readonly output: number
  /** What happens if they write more, unless the caller says otherwise. */
  readonly overflow: Overflow
  /** The limits that take a cgroup, by their names. */
  readonly inCgroup: ReadonlyArray<string>
  /** The directory that its programs work in. */
  readonly workspace?: Found
  /** Whom its programs may reach, by a proxy. */
  readonly access?: Policy & Pick<Allow, "onConnection">
  /** Whether all limits of `inCgroup` are asked for only if they can be had. */
  readonly optional: boolean
}

const defaultOutput = 10 * 1024 * 1024

/** How the model's parts are called in a description. */
const names: Names = {
  ...modelNames,
  sections: {
    rootfs: "root",
    "process.args": "command",
    "process.env": "env",
    "process.cwd": "cwd",
    "process.user": "user",
    "process.capabilities": "capabilities",
    "process.rlimits": "limits",
    "process.noNewPrivileges": "noNewPrivileges",
    cgroup: "limits",
    maskedPaths: "hidden",
    networks: "network",
    uidMappings: "user",
    gidMappings: "user"
  }
}

const seccompOf = (seccomp: Description["seccomp"] = "default"): { readonly seccomp?: Seccomp } => {
  if (seccomp === "none") return {}
  return { seccomp: typeof seccomp === "string" ? seccompProfiles[seccomp] : seccomp }
}

/** The mounts of the default container that a sandbox has, too: processes, devices, terminals, and shared memory. */
const kept = new Set(["/proc", "/dev", "/dev/pts", "/dev/shm"])

/** The parts of the container that no description names. */
const baseOf = (
  { cwd, hostname, readOnly = true, tmp, workspace }: Description,
  { mappings }: Ids,
  { rootfs }: Root,
  caller: Authority
): Container => {
  const asked = {
    rootfs,
    args: [],
    readonly: readOnly,
    cwd: cwd ?? workspace?.directory ?? (tmp === false ? "/" : "/tmp"),
    env: [],
    ...given({ hostname, mappings })
  }
  const base = rulesHost(caller)
    ? defaultSpec(asked)
    : rootlessSpec({ ...asked, uid: caller.uid, gid: caller.gid })
  // container engines forbid their containers to set one: a name that nobody asked for is left out then
  return hostname === undefined ? { ...base, defaultHostname: "sandbox" } : base
}

/** The mounts that a description names. */
const describedMounts = (
  { mounts = [], workspace, writable = [] }: Description,
  found: Found | undefined
): ReadonlyArray<Mount> => [
  ...(workspace === undefined || found === undefined ? [] : [bound(found.source, workspace.directory, false)]),
  ...writable.map((path) => bound(path, path, false)),
  ...mounts.map(mountOf)
]

const homeOf = (
  { home = false }: Description,
  { user }: Ids,
  files: UserFiles
): Effect.Effect<ReadonlyArray<Mount>, SyscallError, Kernel> =>
  home === false
    ? Effect.succeed([])
    : Effect.map(idsBefore(user, files), (owner) => [privately(ownHome, bytesOf(home)!, owner)])

/** In all sets: what is not ambient would be lost with the change to the program's user. */
const capabilitiesOf = ({ capabilities = [] }: Description): Capabilities => {
  const numbers = capabilities.map((name) =>
    capabilityNumbers[name.replace(/^CAP_/, "") as keyof typeof capabilityNumbers]
  )
  return { bounding: numbers, effective: numbers, permitted: numbers, inheritable: numbers, ambient: numbers }
}

const withDevices = (cgroup: Omit<Cgroup, "devices">, devices: ReadonlyArray<Device>): Cgroup => ({
  ...cgroup,
  devices: [
    denyAll,
    ...defaultRules,
    ...devices.map(({ major, minor, type }) => ({ allow: true, type: type as "c" | "b", major, minor, access: "rwm" }))
  ]
})

const accessOf = ({ allow, ...functions }: Allow): NonNullable<Resolved["access"]> => ({
  ...functions,
  // all were checked
  rules: allow.map((entry) => ruleOf(entry)!)
})

/** Fails with problems, if there are any. */
const refuse = (problems: ReadonlyArray<Problem>): Effect.Effect<void, InvalidSandbox> =>
  problems.length === 0 ? Effect.void : Effect.fail(new InvalidSandbox({ problems }))

/**
 * The container that a description stands for, on this host and for this caller; fails with all that is wrong with the
 * description, and with the command.
 *
 * @param where the directory of the states, and the name below it at which the root is made, if it is not there already
 */
export const decode = (
  description: Description,
  command: ReadonlyArray<string>,
  where: { readonly stateRoot: string; readonly id: string }
): Effect.Effect<Resolved, InvalidSandbox | SyscallError, Kernel> =>
  Effect.gen(function*() {
    yield* refuse([...check(description), ...checkCommand(command)])
    const { hidden = [], limits = {}, network = "loopback", noNewPrivileges = true, tmp = defaultTmpfs } = description
    const caller = yield* authority
    const rules = rulesHost(caller)
    const root = yield* rootOf(description, `${where.stateRoot}/${where.id}`)
    const work = description.workspace === undefined ?
      undefined
      : yield* find(description.workspace, yield* tree)
    // its owner works in it; a user without privileges is the only one there is
    const user = description.user ?? (rules ? work?.owner : undefined)
    const described = describedMounts(description, work)
    const files = { root: root.files, mounts: [...root.mounts, ...described] }
    const ids = yield* idsOf({ ...description, ...given({ user }) }, caller, files)
    const found = yield* Effect.forEach(description.devices ?? [], deviceOf)
    const devices = found.filter(isDevice)
    const { cgroup, inCgroup, optional } = cgroupOf(limits, rules)
    const base = baseOf(description, ids, root, caller)
    const container: Container = {
      ...base,
      ...seccompOf(description.seccomp),
      namespaces: base.namespaces.filter(({ type }) => network !== "host" || type !== "net"),
      networks: networksOf(network, base.networks),
      mounts: [
        ...root.mounts,
        ...base.mounts.filter(({ destination }) => kept.has(destination)),
        ...(tmp === false ? [] : [inMemory("/tmp", bytesOf(tmp)!, true)]),
        ...yield* homeOf(description, ids, files),
        ...described
      ],
      readonlyPaths: [...base.readonlyPaths, ...work?.readOnly ?? []],
      maskedPaths: [...base.maskedPaths, ...root.hidden, ...hidden, ...work?.hidden ?? []],
      devices: withDefaults(devices),
      process: {
        ...base.process,
        args: command,
        env: yield* envOf(description),
        user: ids.user,
        noNewPrivileges,
        capabilities: capabilitiesOf(description),
        rlimits: yield* rlimitsOf(limits, !rules)
      },
      ...(rules || inCgroup.length > 0 ? { cgroup: withDevices(cgroup, devices) } : {})
    }
    yield* refuse([
      ...root.problems,
      ...networkProblems(network, rules),
      ...work?.problems ?? [],
      ...yield* statesProblems(description, where.stateRoot),
      ...ids.problems,
      ...found.filter((one): one is Problem => !isDevice(one)),
      ...validate(container, names)
    ])
    const time = millisecondsOf(limits.time)
    return {
      container,
      names,
      ...(root.makeRoot === undefined ? {} : { makeRoot: root.makeRoot }),
      ...(limits.time === undefined || time === undefined ? {} : { time }),
      overflow: work === undefined ? "end" : "last",
      output: Number(bytesOf(limits.output) ?? defaultOutput),
      ...given({ workspace: work }),
      ...(isAllow(network) ? { access: accessOf(network) } : {}),
      inCgroup,
      optional
    }
  })
