/**
 * The container that a command line asks for: from a bundle, a configuration file, a directory, or nothing at all, with
 * what the options change.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { readFileSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { numbers as capabilityNumbers } from "../config/capabilities.ts"
import * as Config from "../config/Config.ts"
import { ConfigError, render } from "../config/ConfigError.ts"
import type { Capabilities, Container, Network } from "../config/Container.ts"
import * as Defaults from "../config/defaults.ts"
import { defaultRules, denyAll } from "../config/devices.ts"
import { validate } from "../config/validate.ts"

/** What a command line can say about the process. */
export interface ProcessOptions {
  readonly cmd: ReadonlyArray<string>
  readonly tty?: boolean
  readonly user?: string
  readonly cwd?: string
  readonly env?: ReadonlyArray<string>
  readonly capAdd?: ReadonlyArray<string>
}

/** What a command line can say about the container. */
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
}

/** A container, and where its root comes from. */
export interface Chosen {
  readonly container: Container
  /** The bundle's directory; empty where there is none. */
  readonly bundle: string
  /** Whether the root is the host's own files, with writes that are thrown away. */
  readonly scratch: boolean
  /** What stands in the configuration and has no effect. */
  readonly warnings: ReadonlyArray<string>
}

/** An option that can't be used. */
export class OptionError extends Data.TaggedError("OptionError")<{
  readonly option: string
  readonly value: string
  readonly rule: string
}> {
  override get message(): string {
    return `${this.option} ${this.value}: ${this.rule}`
  }
}

/** The ids that a user without privileges has, and the caller's choice of a user namespace. */
export interface Caller {
  readonly uid: number
  readonly gid: number
}

const readText = (option: string, file: string): Effect.Effect<string, OptionError> =>
  Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (error) =>
      new OptionError({ option, value: file, rule: error instanceof Error ? error.message : String(error) })
  })

const realDirectory = (option: string, directory: string): Effect.Effect<string, OptionError> =>
  Effect.try({
    try: () => realpathSync(directory),
    catch: (error) =>
      new OptionError({ option, value: directory, rule: error instanceof Error ? error.message : String(error) })
  })

/** Capabilities by name, with or without `CAP_`; `ALL` is all that there are. */
const capabilitiesOf = (texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<number>, OptionError> =>
  Effect.forEach(texts.flatMap((text) => text.split(",")), (text) => {
    const name = text.toUpperCase().replace(/^CAP_/, "")
    if (name === "ALL") return Effect.succeed(Object.values(capabilityNumbers))
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

/** A process with what the options change. */
export const withProcessOptions = (
  base: Container["process"],
  options: ProcessOptions
): Effect.Effect<Container["process"], OptionError> =>
  Effect.map(capabilitiesOf(options.capAdd ?? []), (added) => {
    const capabilities = withCapabilities(base.capabilities, added)
    return {
      ...base,
      ...(options.cmd.length === 0 ? {} : { args: options.cmd }),
      ...(options.tty === undefined ? {} : { terminal: options.tty }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.user === undefined
        ? {}
        : { user: { _tag: "Named" as const, spec: options.user, additionalGids: [] } }),
      ...(capabilities === undefined ? {} : { capabilities }),
      env: [...base.env, ...(options.env ?? [])]
    }
  })

/** The process that a file describes, to be run in a container that is there. */
export const processOf = (
  file: string,
  container: Container
): Effect.Effect<Container["process"], OptionError | ConfigError> =>
  Effect.flatMap(readText("--process", file), (text) => Effect.fromResult(Config.decodeProcess(text, container)))

/** The network of `--network bridge`: one bridge for all containers, an address of it for each. */
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
 * A user may not make cgroups, unless one was delegated. Who names none and limits nothing, as `runc spec --rootless`
 * writes it, gets none; who asks for one is told by the step that makes it.
 */
const withoutIdleCgroup = (container: Container): Container => {
  const { cgroup, ...rest } = container
  const idle = cgroup !== undefined && Object.keys(cgroup).every((key) => key === "devices") &&
    isDeepStrictEqual(cgroup.devices, [denyAll, ...defaultRules])
  return idle ? rest : container
}

const base = (
  options: ContainerOptions,
  caller: Caller,
  scratchRoot: string
): Effect.Effect<Chosen, OptionError | ConfigError> =>
  Effect.gen(function*() {
    const file = options.config ?? (options.bundle === undefined ? undefined : join(options.bundle, "config.json"))
    if (file !== undefined) {
      const bundle = yield* realDirectory("--bundle", options.bundle ?? dirname(resolve(file)))
      const option = options.config === undefined ? "--bundle" : "--config"
      const text = yield* readText(option, file)
      const overrides = options.cmd.length === 0 ? {} : { args: options.cmd }
      const { container, warnings } = yield* Effect.mapError(
        Effect.fromResult(Config.decode(text, bundle, overrides)),
        ({ problems }) =>
          // what is wrong with the document as a whole is told of its file
          new ConfigError({ problems: problems.map((found) => found.path === "" ? { ...found, path: file } : found) })
      )
      return {
        container: caller.uid === 0 ? container : withoutIdleCgroup(container),
        bundle,
        scratch: false,
        warnings: warnings.map(render)
      }
    }
    const given = {
      rootfs: options.rootfs === undefined ? scratchRoot : yield* realDirectory("--rootfs", options.rootfs),
      args: options.cmd.length === 0 ? [shell] : options.cmd,
      readonly: options.readOnly ?? false
    }
    const unprivileged = caller.uid !== 0
    const container = unprivileged || options.rootless === true
      ? Defaults.rootlessSpec({ ...given, ...caller })
      : Defaults.defaultSpec(given)
    return { container, bundle: "", scratch: options.rootfs === undefined, warnings: [] }
  })

/**
 * The container that the options ask for. Its configuration is read and checked; nothing is made.
 *
 * @param scratchRoot where the default root will be mounted
 * @param address the address for `--network bridge`, asked for only then
 */
export const containerOf = <R = never>(
  options: ContainerOptions,
  caller: Caller,
  scratchRoot: string,
  address: Effect.Effect<string, never, R>
): Effect.Effect<Chosen, OptionError | ConfigError, R> =>
  Effect.gen(function*() {
    const chosen = yield* base(options, caller, scratchRoot)
    const networks = yield* networksOf(options, address)
    const program = yield* withProcessOptions(chosen.container.process, { ...options, cmd: options.cmd })
    const container: Container = {
      ...chosen.container,
      ...(networks === undefined ? {} : { networks }),
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
      ...(options.readOnly === undefined ? {} : { readonlyRootfs: options.readOnly }),
      process: program
    }
    return { ...chosen, container: yield* checked(container) }
  })

/** What the options have changed is held to the same rules as what a file says. */
const checked = (container: Container): Effect.Effect<Container, ConfigError> => {
  const problems = validate(container)
  return problems.length === 0 ? Effect.succeed(container) : Effect.fail(new ConfigError({ problems }))
}
