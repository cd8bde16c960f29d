/**
 * What is kept about a container between two commands.
 *
 * @see OCI runtime.md#state
 * @category state
 * @since 0.1.0
 */
import type { Container, NamespaceType } from "../../config/Container.ts"
import { textOf } from "../../engine/errorText.ts"
import { immutable, isImmutable } from "../../engine/immutable.ts"
import { ofRecent } from "../../engine/ofRecent.ts"
import type { AnyUid } from "../../native/Handle.ts"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { Created } from "../network/Strategy.ts"
import type { Numbering } from "../proc/numbers.ts"
import type { HiddenProcess, ProcessIdentity } from "../proc/processes.ts"
import type { ContainerId } from "./ContainerId.ts"
import * as Json from "./json.ts"

/**
 * The version of the file's format. A file of another version is refused. Fields that 0.1.0 did not have are optional, so
 * that its states can be read.
 */
const version = 1

/**
 * The state of a container. It does not have the status, for which the kernel is asked: see `status`.
 *
 * It is written before anything of the container is made, and again before each thing that outlives the process that makes
 * it. So a later command knows what may exist, no matter when a start was interrupted.
 */
export interface State {
  readonly id: ContainerId
  /** A random value: a later container of the same id has another one. */
  readonly nonce?: string
  /** The inode of the state directory. */
  readonly directory?: bigint
  /** In which pid namespace, and since which boot, the pids of this state are valid; absent if `/proc` did not show it. */
  readonly numbering?: Numbering
  /**
   * The process that is starting the container, or that runs it in the foreground and removes it at the end. Absent if the
   * container is detached.
   */
  readonly runner?: RunnerIdentity
  /** The container's first process, with its pid in the namespace of `numbering`; absent while there is none. */
  readonly init?: InitIdentity
  /** Its first process while `/proc` does not show that: from its birth to its exec, for a user without privileges (hidepid). */
  readonly hidden?: HiddenProcess
  /** Absent: the container has no cgroup of its own. */
  readonly cgroup?: CgroupManager
  /** `/proc/<pid>/ns/<type>` of its first process, for each namespace of the configuration; empty until that is known. */
  readonly namespacePaths: Readonly<Partial<Record<NamespaceType, string>>>
  /** Absolute. */
  readonly rootfs: string
  /** How the root was made, if only the container's own mount namespace shows it; absent if it is a directory of the host. */
  readonly madeRoot?: MadeRoot
  /** Absolute path of the bundle; absent for a container that came from none. */
  readonly bundle?: string
  /** ISO 8601, UTC. */
  readonly created: string
  /** The uid that made the container. */
  readonly owner: AnyUid
  /** What was made for its networks on the host, and has to be removed with it. */
  readonly networks: ReadonlyArray<Created>
  readonly container: Container
  /** Anything that the creator of the container wants to find again. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/**
 * The process that starts a container, or stays with it.
 *
 * @since 0.2.0
 */
export interface RunnerIdentity extends ProcessIdentity {
  /** The worker thread that does it, which may end before its process; absent if that is the main thread. */
  readonly thread?: ProcessIdentity
}

/**
 * A container's first process.
 *
 * @since 0.2.0
 */
export interface InitIdentity extends ProcessIdentity {
  /** The pid namespace that it is in, as its link `ns/pid` names it. It identifies the process from outside. */
  readonly pidNamespace?: string
}

/**
 * A root that a step has made.
 *
 * @since 0.2.0
 */
export interface MadeRoot {
  /** The step's name. */
  readonly step: string
  /** The directories of the host that it has stacked, the uppermost first. */
  readonly layers?: ReadonlyArray<string>
}

const withEmpty = (container: Container): Container => ({ ...container, process: { ...container.process, env: [] } })

/** Of configurations that can't change, which a runtime starts over and over. */
const emptied = new WeakMap<Container, Container>()

/**
 * A configuration as it is kept: without the environment, which may hold secrets. `exec` reads that from the bundle.
 *
 * @since 0.2.0
 */
export const withoutEnvironment = (container: Container): Container => {
  if (!isImmutable(container)) return withEmpty(container)
  const known = emptied.get(container) ?? immutable(withEmpty(container))!
  emptied.set(container, known)
  return known
}

const jsonOf = (part: object): string => Json.stringify(part).trimEnd()
const jsonOfContainer = (container: Container): string => jsonOf(withoutEnvironment(container))

// a start writes its state several times, and most of its parts stay the same
const textOfCgroup: (cgroup: CgroupManager) => string = ofRecent(jsonOf)
const textOfOwn: (container: Container) => string = ofRecent(jsonOfContainer)

/** The texts of configurations that can't change, which a runtime starts over and over. */
const texts = new WeakMap<Container, string>()

const textOfContainer = (container: Container): string => {
  if (!isImmutable(container)) return textOfOwn(container)
  const text = texts.get(container) ?? jsonOfContainer(container)
  texts.set(container, text)
  return text
}

/**
 * The state as the text of the state file; the environment is not in it. The texts of a configuration and of cgroups are made once for
 * each object, so a start copies what its caller may use again: see {@link withoutEnvironment}.
 */
export const encode = ({ cgroup, container, ...state }: State): string => {
  const { length } = "}\n"
  const groups = cgroup === undefined ? "" : `,"cgroup":${textOfCgroup(cgroup)}`
  const rest = Json.stringify({ version, ...state }).slice(0, -length)
  return `${rest}${groups},"container":${textOfContainer(container)}}\n`
}

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === "string"
const isNumber: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0
const isRecord: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value)
const isOptional = (check: Check): Check => (value) => value === undefined || check(value)
const isListOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check)
const isMapOf = (check: Check): Check => (value) =>
  isRecord(value) && Object.values(value as object).every((item) => check(item))
const has = (checks: Readonly<Record<string, Check>>): Check => (value) =>
  isRecord(value) && Object.entries(checks).every(([key, check]) => check((value as Record<string, unknown>)[key]))

// the configuration was validated before it was saved: these checks only tell it from a damaged one
const isBigint: Check = (value) => typeof value === "bigint"
const identity = { pid: (pid: unknown) => isNumber(pid) && pid !== 0, startTime: isBigint }

const fields: Readonly<Record<string, Check>> = {
  id: isText,
  nonce: isOptional(isText),
  directory: isOptional(isBigint),
  numbering: isOptional(has({ boot: isOptional(isText), pidNamespace: isText })),
  runner: isOptional(has({ ...identity, thread: isOptional(has(identity)) })),
  init: isOptional(has({ ...identity, pidNamespace: isOptional(isText) })),
  hidden: isOptional(has({ pid: identity.pid, heldAt: isBigint })),
  cgroup: isOptional(has({
    version: (value) => value === "v1" || value === "v2" || value === "hybrid",
    paths: isMapOf(isText),
    mountpoints: isMapOf(isText),
    made: isListOf(isText),
    inodes: isOptional(isMapOf(isBigint))
  })),
  namespacePaths: isMapOf(isText),
  rootfs: isText,
  madeRoot: isOptional(has({ step: isText, layers: isOptional(isListOf(isText)) })),
  bundle: isOptional(isText),
  created: isText,
  owner: isNumber,
  networks: isListOf(has({ network: has({ strategy: isText, name: isText }), links: isListOf(isRecord) })),
  container: has({
    rootfs: isText,
    namespaces: isListOf(has({ type: isText })),
    mounts: isListOf(isRecord),
    annotations: isMapOf(isText),
    process: has({ args: isListOf(isText), env: isListOf(isText), cwd: isText })
  }),
  extra: isOptional(isRecord)
}

/** What is wrong with the fields of a state; `undefined` if nothing. */
const damageOf = (state: Readonly<Record<string, unknown>>): string | undefined => {
  const wrong = Object.keys(fields).find((key) => !fields[key]!(state[key]))
  if (wrong !== undefined) return `the field "${wrong}" is ${Object.hasOwn(state, wrong) ? "damaged" : "missing"}`
  const { cgroup } = state as { readonly cgroup?: CgroupManager }
  const escapes = cgroup !== undefined &&
    Object.entries(cgroup.paths).some(([key, path]) =>
      !path.startsWith(`${cgroup.mountpoints[key]}/`) || path.split("/").includes("..")
    )
  return escapes ? "the field \"cgroup\" is damaged: a path in it is not below its mount point" : undefined
}

const isState = (state: Readonly<Record<string, unknown>>): state is Readonly<Record<string, unknown>> & State =>
  damageOf(state) === undefined

/** Reads the text of a state file; returns a text that says what is wrong if it can't. */
export const decode = (text: string): State | string => {
  if (text === "") return "the file is empty"
  let value: unknown
  try {
    value = Json.parse(text)
  } catch (cause) {
    return `the file is not JSON: ${textOf(cause)}`
  }
  if (!isRecord(value)) return "the file holds no object"
  const { version: found, ...state } = value as Record<string, unknown>
  if (found !== version) {
    return `the file has the version ${JSON.stringify(found) ?? "none"}, but this runtime knows only ${version}`
  }
  return isState(state) ? state : damageOf(state)!
}
