/**
 * The container of a command line: from a bundle, a configuration file, a directory, or none of these, changed by the options.
 */
import * as Effect from "effect/Effect"
import { dirname, join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { numbers as capabilityNumbers } from "../config/capabilities.ts"
import * as Config from "../config/Config.ts"
import { ConfigError, type Notice } from "../config/ConfigError.ts"
import type { Capabilities, Container, Network } from "../config/Container.ts"
import * as Defaults from "../config/defaults.ts"
import { defaultRules, denyAll } from "../config/devices.ts"
import type { UserError } from "../config/user.ts"
import { type Names, validate } from "../config/validate.ts"
import { textOf } from "../engine/errorText.ts"
import { given } from "../engine/given.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { type Authority, rulesHost } from "../steps/caller/authority.ts"
import { available } from "../steps/caller/available.ts"
import { withGrantable } from "./grantable.ts"
import * as HostFiles from "./hostFiles.ts"
import { mappedUser } from "./mappedUser.ts"
import { OptionError } from "./OptionError.ts"
import { tellNotices } from "./tellNotices.ts"

/** The options of the process. */
export interface ProcessOptions {
  readonly cmd: ReadonlyArray<string>
  readonly tty?: boolean
  readonly user?: string
  readonly cwd?: string
  readonly env?: ReadonlyArray<string>
  readonly capAdd?: ReadonlyArray<string>
}

/** The options of the container. */
export interface ContainerOptions extends ProcessOptions {
  readonly bundle?: string
  readonly config?: string
  readonly rootfs?: string
  readonly hostname?: string
  /** `none`, `loopback`, `bridge`, or one of the `strategies`. */
  readonly network?: string
  /** Names of the consumer's own kinds of network. */
  readonly strategies?: ReadonlyArray<string>
  readonly readOnly?: boolean
  readonly rootless?: boolean
  /** `none`: no cgroup, even if the configuration has one. */
  readonly cgroups?: string
  /** `false`: the container stays in the caller's session keyring. */
  readonly newKeyring?: boolean
}

/** A container, and the origin of its root and its configuration. */
export interface Chosen {
  readonly container: Container
  /** The bundle's directory; empty if there is none. */
  readonly bundle: string
  /** Whether the root is the host's own files, with writes that are discarded. */
  readonly scratch: boolean
  /** The names of the container's parts in the configuration; absent without a configuration. */
  readonly names?: Names
  /** What the user may want to know of the configuration: what has no effect, and what was added. */
  readonly notices: ReadonlyArray<Notice>
}

const readText = (option: string, file: string): Effect.Effect<string, OptionError> =>
  Effect.try({
    try: () => HostFiles.readText(file),
    catch: (error) => new OptionError({ option, value: file, rule: textOf(error) })
  })

const realDirectory = (option: string, directory: string): Effect.Effect<string, OptionError> =>
  Effect.try({
    try: () => HostFiles.realPath(directory),
    catch: (error) => new OptionError({ option, value: directory, rule: textOf(error) })
  })

/** Capabilities by name, with or without `CAP_`; `ALL` is all that are available. */
const capabilitiesOf = (
  texts: ReadonlyArray<string>,
  container: Container
): Effect.Effect<ReadonlyArray<number>, OptionError | SyscallError, Kernel> =>
  Effect.forEach(texts.flatMap((text) => text.split(",")), (
    text
  ): Effect.Effect<ReadonlyArray<number>, OptionError | SyscallError, Kernel> => {
    const name = text.toUpperCase().replace(/^CAP_/, "")
    if (name === "ALL") return available(container)
    const number = (capabilityNumbers as Readonly<Record<string, number>>)[name]
    return number === undefined
      ? Effect.fail(new OptionError({ option: "--cap-add", value: text, rule: "is not the name of a capability" }))
      : Effect.succeed([number])
  }).pipe(Effect.map((lists) => lists.flat()))

const none: Capabilities = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }

/** Adds capabilities to what the program may have; not to the inheritable set (CVE-2022-29162). */
const withCapabilities = (sets: Capabilities | undefined, added: ReadonlyArray<number>): Capabilities | undefined => {
  if (added.length === 0) return sets
  const add = (set: ReadonlyArray<number>) => [...new Set([...set, ...added])]
  const { bounding, effective, permitted, ...rest } = sets ?? none
  return { ...rest, bounding: add(bounding), effective: add(effective), permitted: add(permitted) }
}

/** The variables of `--env`; fails for a text without `=`. A name is shown, a value is not. */
const variables = (given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, OptionError> => {
  const wrong = given.find((text) => text.indexOf("=") < 1)
  return wrong === undefined
    ? Effect.succeed(given)
    : Effect.fail(new OptionError({ option: "--env", value: wrong.replace(/=.*/s, "=…"), rule: "must be NAME=value" }))
}

/**
 * A process, changed by the options.
 *
 * @param container where it will run, which decides which capabilities are available
 */
export const withProcessOptions = (
  base: Container["process"],
  options: ProcessOptions,
  container: Container
): Effect.Effect<Container["process"], OptionError | SyscallError, Kernel> =>
  Effect.gen(function*() {
    const env = yield* variables(options.env ?? [])
    const added = yield* capabilitiesOf(options.capAdd ?? [], container)
    const capabilities = withCapabilities(base.capabilities, added)
    return {
      ...base,
      ...(options.cmd.length === 0 ? {} : { args: options.cmd }),
      ...given({
        terminal: options.tty,
        cwd: options.cwd,
        user: options.user === undefined
          ? undefined
          : { _tag: "Named" as const, spec: options.user, additionalGids: [] },
        capabilities
      }),
      env: [...base.env, ...env]
    }
  })

/** The process that a file describes, for an existing container. */
export const processOf = (
  file: string,
  container: Container
): Effect.Effect<Container["process"], OptionError | ConfigError | SyscallError, Kernel> =>
  Effect.gen(function*() {
    const read = yield* Effect.fromResult(Config.readProcess(yield* readText("--process", file), container))
    const { notices, process } = yield* withGrantable(read.process, container)
    yield* tellNotices([...read.notices, ...notices])
    return process
  })

/** The network of `--network bridge`: one bridge for all containers, and an address for each. */
export const bridge = { name: "runfx0", gateway: "10.189.0.1", prefix: 16 }

const networksOf = <R>(
  { network: kind, strategies = [] }: ContainerOptions,
  address: Effect.Effect<string, never, R>
): Effect.Effect<ReadonlyArray<Network> | undefined, OptionError, R> => {
  const loopback: Network = { strategy: "loopback", name: "lo" }
  switch (kind) {
    case undefined:
      return Effect.succeed(undefined)
    case "none":
      return Effect.succeed([])
    case "loopback":
      return Effect.succeed([loopback])
    case "bridge":
      return Effect.map(address, (ip) => [loopback, {
        strategy: "veth",
        name: "eth0",
        bridge: bridge.name,
        createBridge: { address: `${bridge.gateway}/${bridge.prefix}` },
        address: `${ip}/${bridge.prefix}`,
        gateway: bridge.gateway
      }])
    default:
      if (strategies.includes(kind)) return Effect.succeed([loopback, { strategy: kind, name: "eth0" }])
      return Effect.fail(
        new OptionError({
          option: "--network",
          value: kind,
          rule: `must be ${["none", "loopback", "bridge", ...strategies].join(", ").replace(/, ([^,]*)$/, " or $1")}`
        })
      )
  }
}

const shell = "/bin/sh"

/**
 * A caller without privileges over the host may not make cgroups, unless one was delegated. If the configuration names
 * none and limits nothing, as that of `runc spec --rootless`, the container gets none. If it asks for a cgroup that can't be
 * made, the step that makes it fails.
 */
const withoutIdleCgroup = (container: Container): Container => {
  const { cgroup } = container
  const idle = cgroup !== undefined && Object.keys(cgroup).every((key) => key === "devices") &&
    isDeepStrictEqual(cgroup.devices, [denyAll, ...defaultRules])
  return idle ? withoutCgroup(container) : container
}

const withoutCgroup = (container: Container): Container => {
  const { cgroup: _, ...rest } = container
  return rest
}

/** `--cgroups none`. */
const withCgroups = (container: Container, asked: string | undefined): Effect.Effect<Container, OptionError> => {
  if (asked === undefined) return Effect.succeed(container)
  return asked === "none"
    ? Effect.succeed(withoutCgroup(container))
    : Effect.fail(new OptionError({ option: "--cgroups", value: asked, rule: "must be none" }))
}

/** Reduces default limits to those of the caller, since no configuration asks for them. */
const fitted = (container: Container): Effect.Effect<Container, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const rlimits = yield* Effect.forEach(container.process.rlimits, (limit) =>
      Effect.map(sys.prlimit64({ pid: 0, resource: limit.resource, limit: null }), ({ hard: own }) => {
        const hard = limit.hard < own ? limit.hard : own
        return { ...limit, hard, soft: limit.soft < hard ? limit.soft : hard }
      }))
    return { ...container, process: { ...container.process, rlimits } }
  })

const base = (
  options: ContainerOptions,
  caller: Authority,
  scratchRoot: string
): Effect.Effect<Chosen & { readonly user?: Container["process"]["user"] }, ContainerError, Kernel> =>
  Effect.gen(function*() {
    const file = options.config ?? (options.bundle === undefined ? undefined : join(options.bundle, "config.json"))
    if (file !== undefined) {
      const bundle = yield* realDirectory("--bundle", options.bundle ?? dirname(file))
      const option = options.config === undefined ? "--bundle" : "--config"
      const text = yield* readText(option, file)
      const overrides = options.cmd.length === 0 ? {} : { args: options.cmd }
      const { container, names, notices } = yield* Effect.mapError(
        Effect.fromResult(Config.decode(text, bundle, overrides)),
        ({ problems }) =>
          // a problem of the whole document is reported with its file
          new ConfigError({ problems: problems.map((found) => found.path === "" ? { ...found, path: file } : found) })
      )
      // resolved once, as with --rootfs; validateHost reports what is wrong with it, by the document's name for it
      const rootfs = yield* Effect.orElseSucceed(realDirectory(option, container.rootfs), () => container.rootfs)
      const granted = yield* withGrantable(container.process, container, names.sections["process.capabilities"])
      return {
        container: {
          ...(rulesHost(caller) ? container : withoutIdleCgroup(container)),
          rootfs,
          process: granted.process
        },
        bundle,
        scratch: false,
        names,
        notices: [...notices, ...granted.notices]
      }
    }
    const spec = {
      rootfs: options.rootfs === undefined ? scratchRoot : yield* realDirectory("--rootfs", options.rootfs),
      args: [shell],
      readonly: options.readOnly ?? false
    }
    const about = { bundle: "", scratch: options.rootfs === undefined, notices: [] }
    if (rulesHost(caller) && options.rootless !== true) {
      return { ...about, container: yield* fitted(Defaults.defaultSpec(spec)) }
    }
    const { gid, uid, user } = yield* mappedUser(
      options.user,
      caller,
      { root: options.rootfs === undefined ? "/" : spec.rootfs, mounts: [] }
    )
    if (user !== undefined && options.tty === true) {
      const rule =
        "leaves the user namespace without root, and the kernel makes no terminal there: have ids granted in " +
        "/etc/subuid and /etc/subgid, or leave out --tty"
      return yield* new OptionError({ option: "--user", value: options.user!, rule })
    }
    const container = yield* fitted(
      Defaults.rootlessSpec({ ...spec, uid: caller.uid, gid: caller.gid, mappings: { uid, gid } })
    )
    return { ...about, container, ...given({ user }) }
  })

/** What {@link containerOf} can fail with. */
export type ContainerError = OptionError | ConfigError | SyscallError | UserError

/**
 * The container that the options ask for. Its configuration is read and checked; nothing is made.
 *
 * @param scratchRoot where the default root will be mounted
 * @param address the address for `--network bridge`, asked for only then
 */
export const containerOf = <R = never>(
  options: ContainerOptions,
  caller: Authority,
  scratchRoot: string,
  address: Effect.Effect<string, never, R>
): Effect.Effect<Chosen, ContainerError, R | Kernel> =>
  Effect.gen(function*() {
    const { user, ...chosen } = yield* base(options, caller, scratchRoot)
    const networks = yield* networksOf(options, address)
    const changed = yield* withProcessOptions(chosen.container.process, options, chosen.container)
    const program = user === undefined ? changed : { ...changed, user }
    const container: Container = {
      ...yield* withCgroups(chosen.container, options.cgroups),
      ...given({ networks, hostname: options.hostname, readonlyRootfs: options.readOnly }),
      ...(options.newKeyring === false ? { noNewKeyring: true } : {}),
      process: program
    }
    return { ...chosen, container: yield* checked(container, chosen.names) }
  })

/** Checks a container that the options have changed, by the same rules as a file. */
const checked = (container: Container, names?: Names): Effect.Effect<Container, ConfigError> => {
  const problems = validate(container, names)
  return problems.length === 0 ? Effect.succeed(container) : Effect.fail(new ConfigError({ problems }))
}
