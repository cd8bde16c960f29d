/**
 * What is kept of a container between two commands.
 *
 * @see OCI runtime.md#state
 * @category state
 * @since 0.1.0
 */
import type { Container, NamespaceType } from "../../config/Container.ts"
import { textOf } from "../../engine/errorText.ts"
import type { AnyUid } from "../../native/Handle.ts"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { Created } from "../network/Strategy.ts"
import type { Numbering } from "../proc/numbers.ts"
import type { HiddenProcess, ProcessIdentity } from "../proc/processes.ts"
import type { ContainerId } from "./ContainerId.ts"
import * as Json from "./json.ts"

/**
 * The version of the file's form. A file of another version is refused, not guessed at. The fields that 0.1.0 did not have
 * are optional: its states can be read, and are believed as far as they go.
 */
const version = 1

/**
 * The state of a container. Its status is not among it: that is asked of the kernel, see `status`.
 *
 * It is written before anything of the container is made, and again before each thing that outlives its maker: so that
 * whatever is cut short when, a later command knows what there may be.
 */
export interface State {
  readonly id: ContainerId
  /** Chosen at random: a later container of the same id has another one. */
  readonly nonce?: string
  /** The inode of the state directory. */
  readonly directory?: bigint
  /** What the pids of this state are numbers of; absent if `/proc` could not tell. */
  readonly numbering?: Numbering
  /**
   * The process that is starting the container, or that runs it in the foreground and removes it in the end. Absent for
   * one that nobody waits for.
   */
  readonly runner?: ProcessIdentity
  /** The container's first process, as `numbering` has it; absent while there is none yet. */
  readonly init?: InitIdentity
  /** Its first process while `/proc` does not show that: from its birth to its exec, for a user without privileges (hidepid). */
  readonly hidden?: HiddenProcess
  /** Absent: the container has no cgroup of its own. */
  readonly cgroup?: CgroupManager
  /** `/proc/<pid>/ns/<type>` or the path that was joined, of each namespace that is not the host's. */
  readonly namespacePaths: Readonly<Partial<Record<NamespaceType, string>>>
  /** Absolute. */
  readonly rootfs: string
  /** Absolute path of the bundle; absent for a container that came from none. */
  readonly bundle?: string
  /** ISO 8601, UTC. */
  readonly created: string
  /** The uid that made the container. */
  readonly owner: AnyUid
  /** What was made for its networks on the host, to be removed with it. */
  readonly networks: ReadonlyArray<Created>
  readonly container: Container
  /** Anything that the one who made the container wants to find again: hooks, for instance. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/**
 * A container's first process.
 *
 * @since 0.2.0
 */
export interface InitIdentity extends ProcessIdentity {
  /** The pid namespace that it is in itself, as its link `ns/pid` names it: by that it is found from outside. */
  readonly pidNamespace?: string
}

/**
 * A configuration as it is kept: without the environment, which is where secrets are, and which no later command needs.
 *
 * @since 0.2.0
 */
export const withoutSecrets = (container: Container): Container => ({
  ...container,
  process: { ...container.process, env: [] }
})

/** The state as the text of the state file; the environment is not in it. */
export const encode = (state: State): string =>
  Json.stringify({ version, ...state, container: withoutSecrets(state.container) })

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

// the configuration was validated before it was saved, by more than a look at its shape; here it is distinguished from damage
const isBigint: Check = (value) => typeof value === "bigint"
const identity = { pid: (pid: unknown) => isNumber(pid) && pid !== 0, startTime: isBigint }

const fields: Readonly<Record<string, Check>> = {
  id: isText,
  nonce: isOptional(isText),
  directory: isOptional(isBigint),
  numbering: isOptional(has({ boot: isOptional(isText), pidNamespace: isText })),
  runner: isOptional(has(identity)),
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

/** Reads the text of a state file; a text that says what is wrong with it, if it can't. */
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
    return `the file has the version ${JSON.stringify(found) ?? "none"}, but this runtime knows ${version} only`
  }
  return isState(state) ? state : damageOf(state)!
}
