/** What the options with podman's words change in a container. */
import * as Effect from "effect/Effect"
import { numbers as capabilityNumbers } from "../config/capabilities.ts"
import * as Config from "../config/Config.ts"
import type { ConfigError } from "../config/ConfigError.ts"
import type { Capabilities, Cgroup, Container, Mount, Seccomp } from "../config/Container.ts"
import { defaultRules, denyAll } from "../config/devices.ts"
import { parse as parseOptions } from "../config/mountOptions.ts"
import { infinity, numberOf } from "../config/rlimits.ts"
import { seccompProfiles } from "../config/seccompProfiles.ts"
import { textOf } from "../engine/errorText.ts"
import { AT, MS, S, STATX } from "../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import * as HostFiles from "../runtime/hostFiles.ts"
import { OptionError } from "../runtime/OptionError.ts"
import type { PodmanOptions } from "./podmanOptions.ts"

const refuse = (option: string, value: string, rule: string): Effect.Effect<never, OptionError> =>
  Effect.fail(new OptionError({ option, value, rule }))

const units: Readonly<Record<string, bigint>> = {
  "": 1n,
  b: 1n,
  k: 2n ** 10n,
  m: 2n ** 20n,
  g: 2n ** 30n,
  t: 2n ** 40n
}

/** A size as podman has it: `512`, `64k`, `256m`, `1g`; `undefined` for what is none. */
export const sizeOf = (text: string): bigint | undefined => {
  const [, number, unit = ""] = /^(\d+)([bkmgt]?)b?$/i.exec(text) ?? []
  return number === undefined ? undefined : BigInt(number) * units[unit.toLowerCase()]!
}

const size = (option: string, text: string): Effect.Effect<bigint, OptionError> => {
  const found = sizeOf(text)
  // the kernel reads a larger number as another one, or as no limit
  return found === undefined || found === 0n || found >= 2n ** 63n
    ? refuse(option, text, "must be a size, such as 256m")
    : Effect.succeed(found)
}

const seconds: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600 }

/** A time as `10s`, `5m` or `1h`, or in seconds; in milliseconds. */
export const timeOf = (text: string): Effect.Effect<number, OptionError> => {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text) ?? []
  const time = Number(number) * seconds[unit]! * 1000
  return time > 0 && time < 2 ** 31 ? Effect.succeed(time) : refuse("--time", text, "must be a time, such as 10s or 5m")
}

const mountWith = (
  type: string,
  source: string,
  destination: string,
  words: ReadonlyArray<string>
): Mount => {
  const { clearedFlags, copyUp, data, flags, propagation, recursiveAttributes } = parseOptions(words)
  const bind = type === "bind" ? MS.BIND | MS.REC : 0
  return {
    type,
    source,
    destination,
    flags: flags | bind,
    clearedFlags,
    propagation,
    recursiveAttributes,
    data,
    copyUp
  }
}

const isPath = (text: string | undefined): text is string => text?.startsWith("/") === true

/** Words that a volume may have. Podman's others, such as those for labels and owners, are refused, not ignored. */
const volumeWords = new Set(["ro", "rw", "exec", "noexec", "dev", "nodev", "suid", "nosuid", "rbind", "bind"])

const volume = (text: string): Effect.Effect<Mount, OptionError> => {
  const [source, destination, options, more] = text.split(":")
  if (!isPath(source) || !isPath(destination) || more !== undefined) {
    return refuse("--volume", text, "must be two absolute paths, and options, as in /data:/data:ro")
  }
  const words = options === undefined ? [] : options.split(",")
  const unknown = words.find((word) => !volumeWords.has(word))
  return unknown === undefined
    ? Effect.succeed(mountWith("bind", source, destination, words))
    : refuse("--volume", text, `the option "${unknown}" is not known: there are ${[...volumeWords].join(", ")}`)
}

const tmpfs = (option: string, destination: string | undefined, words: ReadonlyArray<string>, text: string) =>
  isPath(destination)
    ? Effect.succeed(mountWith("tmpfs", "tmpfs", destination, ["nosuid", "nodev", "mode=1777", ...words]))
    : refuse(option, text, "must name an absolute path of the container")

const mount = (text: string): Effect.Effect<Mount, OptionError> => {
  const given = new Map(
    text.split(",").map((part) => {
      const [key, ...value] = part.split("=")
      return [key!, value.join("=")]
    })
  )
  const take = (...keys: ReadonlyArray<string>): string | undefined => {
    const key = keys.find((key) => given.has(key))
    const value = key === undefined ? undefined : given.get(key)
    if (key !== undefined) given.delete(key)
    return value
  }
  const type = take("type") ?? "bind"
  const source = take("src", "source")
  const destination = take("dst", "destination", "target")
  const readOnly = take("ro", "readonly")
  const [ofSize, ofMode] = [take("tmpfs-size"), take("tmpfs-mode")]
  const [unknown] = given.keys()
  if (unknown !== undefined) {
    return refuse("--mount", text, `"${unknown}" is not known: there are type, src, dst, ro, tmpfs-size and tmpfs-mode`)
  }
  if (readOnly !== undefined && !["", "true", "false"].includes(readOnly)) {
    return refuse("--mount", text, "ro must be true or false, or have no value")
  }
  const words = readOnly === undefined || readOnly === "false" ? [] : ["ro"]
  if (type === "tmpfs" && source !== undefined) return refuse("--mount", text, "a tmpfs has no source: leave out src")
  if (type === "bind" && (ofSize ?? ofMode) !== undefined) {
    return refuse("--mount", text, "tmpfs-size and tmpfs-mode are for type=tmpfs: leave them out")
  }
  if (type === "tmpfs") {
    const data = [
      ...(ofSize === undefined ? [] : [`size=${ofSize}`]),
      ...(ofMode === undefined ? [] : [`mode=${ofMode}`])
    ]
    return tmpfs("--mount", destination, [...words, ...data], text)
  }
  if (type !== "bind") return refuse("--mount", text, "its type must be bind or tmpfs")
  return isPath(source) && isPath(destination)
    ? Effect.succeed(mountWith("bind", source, destination, words))
    : refuse("--mount", text, "must have src=… and dst=…, both absolute paths")
}

const mountsOf = (options: PodmanOptions): Effect.Effect<ReadonlyArray<Mount>, OptionError> =>
  Effect.map(
    Effect.all([
      Effect.forEach(options.tmpfs ?? [], (text) => {
        const [destination, words = ""] = text.split(/:(.*)/s)
        return tmpfs("--tmpfs", destination, words.split(",").filter((word) => word !== ""), text)
      }),
      Effect.forEach(options.volume ?? [], volume),
      Effect.forEach(options.mount ?? [], mount)
    ]),
    (all) => all.flat()
  )

/** The most that Linux can have: PID_MAX_LIMIT. */
const mostProcesses = 2 ** 22

/** In microseconds, as podman has it. */
const period = 100_000n

const limitsOf = ({ cpus, memory, memorySwap, pidsLimit }: PodmanOptions, old: Omit<Cgroup, "devices">) =>
  Effect.gen(function*() {
    const most = memory === undefined ? undefined : yield* size("--memory", memory)
    const swap = memorySwap === undefined
      ? undefined
      : memorySwap === "-1"
      ? -1n
      : yield* size("--memory-swap", memorySwap)
    if (swap !== undefined && most === undefined) return yield* refuse("--memory-swap", memorySwap!, "needs --memory")
    // JavaScript accepts more as a number: 0x10, 1e3, Infinity
    const quota = cpus === undefined
      ? undefined
      : /^\d{1,4}(\.\d+)?$/.test(cpus)
      ? Math.round(Number(cpus) * Number(period))
      : 0
    if (quota !== undefined && !(quota >= 1000)) {
      return yield* refuse("--cpus", cpus!, "must be a number of processors from 0.01 to 9999, such as 0.5")
    }
    if (pidsLimit !== undefined && !(/^(-1|[1-9]\d*)$/.test(pidsLimit) && Number(pidsLimit) <= mostProcesses)) {
      return yield* refuse("--pids-limit", pidsLimit, `must be a whole number above 0, at most ${mostProcesses}, or -1`)
    }
    return {
      ...old,
      ...(most === undefined
        ? {}
        : { memory: { ...old.memory, limit: most, ...(swap === undefined ? {} : { swap }) } }),
      ...(quota === undefined ? {} : { cpu: { ...old.cpu, period, quota: BigInt(quota) } }),
      ...(pidsLimit === undefined ? {} : { pids: { limit: BigInt(pidsLimit) } })
    }
  })

const ulimit = (text: string) => {
  const [, name = "", soft = "", hard = soft] = /^(\w+)=(-1|unlimited|\d+)(?::(-1|unlimited|\d+))?$/.exec(text) ?? []
  const resource = numberOf(`RLIMIT_${name.toUpperCase()}`)
  if (resource === undefined) return refuse("--ulimit", text, "must be a limit and its value, as in nofile=1024:2048")
  const value = (word: string): bigint => word === "-1" || word === "unlimited" ? infinity : BigInt(word)
  if (value(hard) > infinity) return refuse("--ulimit", text, "is more than a limit can be: say -1 for none")
  return value(soft) > value(hard)
    ? refuse("--ulimit", text, "its soft limit must not be above the hard one")
    : Effect.succeed({ resource, soft: value(soft), hard: value(hard) })
}

const numbersOf = (option: string, texts: ReadonlyArray<string>) =>
  Effect.forEach(texts.flatMap((text) => text.split(",")), (text): Effect.Effect<number | "ALL", OptionError> => {
    const name = text.toUpperCase().replace(/^CAP_/, "")
    if (name === "ALL") return Effect.succeed("ALL")
    const number = (capabilityNumbers as Readonly<Record<string, number>>)[name]
    return number === undefined ? refuse(option, text, "is not the name of a capability") : Effect.succeed(number)
  })

/** The sets without what `--cap-drop` names, but with what `--cap-add` names: `--cap-drop ALL --cap-add KILL` leaves one. */
const withoutDropped = (sets: Capabilities | undefined, { capAdd = [], capDrop = [] }: PodmanOptions) =>
  Effect.gen(function*() {
    if (capDrop.length === 0 || sets === undefined) return sets
    const dropped = yield* numbersOf("--cap-drop", capDrop)
    const added = new Set<number | "ALL">(yield* numbersOf("--cap-add", capAdd))
    const stays = (number: number) => added.has(number) || !(dropped.includes("ALL") || dropped.includes(number))
    const filtered = (set: ReadonlyArray<number>) => set.filter(stays)
    return {
      bounding: filtered(sets.bounding),
      effective: filtered(sets.effective),
      permitted: filtered(sets.permitted),
      inheritable: filtered(sets.inheritable),
      ambient: filtered(sets.ambient)
    }
  })

const device = (text: string) =>
  Effect.gen(function*() {
    const [source = "", ...parts] = text.split(":")
    // podman accepts the access without a path in the container as well
    const access = parts.length > 0 && !isPath(parts.at(-1)) ? parts.pop()! : "rwm"
    const [destination = source, more] = parts
    const isAccess = /^[rwm]{1,3}$/.test(access) && new Set(access).size === access.length
    if (!isPath(source) || !isPath(destination) || !isAccess || more !== undefined) {
      return yield* refuse("--device", text, "must be a path, as in /dev/fuse, /dev/fuse:rw or /dev/fuse:/dev/fuse:rw")
    }
    const stat = yield* sys.statx({ dirfd: AT.FDCWD, path: source, flags: 0, mask: STATX.BASIC_STATS }).pipe(
      orOn(["ENOENT", "ENOTDIR", "EACCES"], undefined)
    )
    const type = stat === undefined ? 0 : stat.mode & S.IFMT
    if (stat === undefined || (type !== S.IFCHR && type !== S.IFBLK)) {
      return yield* refuse("--device", text, "must be a device on the host")
    }
    const kind: "c" | "b" = type === S.IFCHR ? "c" : "b"
    const { major, minor } = stat.rdev
    return {
      node: { path: destination, type: kind, major, minor, fileMode: stat.mode & 0o777, uid: 0, gid: 0 },
      rule: { allow: true, type: kind, major, minor, access }
    }
  })

/** A filter by its name, or from a file in the OCI form (`linux.seccomp` of a config.json). */
const seccompOf = (name: string): Effect.Effect<Seccomp | undefined, OptionError | ConfigError> =>
  Effect.gen(function*() {
    if (name === "none") return undefined
    if (name === "default" || name === "strict") return seccompProfiles[name]
    const document = yield* Effect.try({
      try: () =>
        JSON.stringify({
          ociVersion: "1.0.0",
          root: { path: "/" },
          process: { args: ["true"], cwd: "/", user: { uid: 0, gid: 0 } },
          linux: { seccomp: JSON.parse(HostFiles.readText(name)) }
        }),
      catch: (error) =>
        new OptionError({
          option: "--seccomp",
          value: name,
          rule: `must be default, strict, none or a file: ${textOf(error)}`
        })
    })
    return (yield* Effect.fromResult(Config.decode(document, "/", {}))).container.seccomp
  })

const cgroupOf = (
  options: PodmanOptions,
  { cgroup }: Container,
  rules: Cgroup["devices"]
): Effect.Effect<Pick<Container, "cgroup">, OptionError> => {
  const { cpus, memory, memorySwap, pidsLimit } = options
  const asked = [cpus, memory, memorySwap, pidsLimit].some((option) => option !== undefined)
  // without a cgroup there is no filter of devices, and so no rule is needed
  if (!asked && (rules.length === 0 || cgroup === undefined)) return Effect.succeed({})
  const old = cgroup ?? { devices: [denyAll, ...defaultRules] }
  return Effect.map(
    limitsOf(options, old),
    (limits) => ({ cgroup: { ...limits, devices: [...old.devices, ...rules] } })
  )
}

/** A container, changed by these options; a mistake is reported with the option's name. */
export const withPodmanOptions = (
  container: Container,
  options: PodmanOptions
): Effect.Effect<Container, OptionError | ConfigError | SyscallError, Kernel> =>
  Effect.gen(function*() {
    const { process } = container
    const devices = yield* Effect.forEach(options.device ?? [], device)
    const limits = yield* Effect.forEach(options.ulimit ?? [], ulimit)
    const named = new Set(limits.map(({ resource }) => resource))
    const capabilities = yield* withoutDropped(process.capabilities, options)
    const { seccomp: before, ...rest } = container
    const filter = options.seccomp === undefined ? before : yield* seccompOf(options.seccomp)
    return {
      ...rest,
      ...(filter === undefined ? {} : { seccomp: filter }),
      mounts: [...container.mounts, ...yield* mountsOf(options)],
      devices: [
        ...container.devices.filter(({ path }) => !devices.some(({ node }) => node.path === path)),
        ...devices.map(({ node }) => node)
      ],
      ...yield* cgroupOf(options, container, devices.map(({ rule }) => rule)),
      process: {
        ...process,
        ...(capabilities === undefined ? {} : { capabilities }),
        rlimits: [...process.rlimits.filter(({ resource }) => !named.has(resource)), ...limits]
      }
    }
  })
