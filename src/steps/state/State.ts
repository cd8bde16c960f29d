/**
 * What is kept of a container between two commands.
 *
 * @see OCI runtime.md#state
 */
import type { Container, NamespaceType } from "../../config/Container.ts"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { Created } from "../network/Strategy.ts"
import type { ProcessIdentity } from "../processes.ts"
import * as Json from "./json.ts"

/** The version of the file's form. A file of another version is refused, not guessed at. */
export const version = 1

/** The state of a container. Its status is not among it: that is asked of the kernel, see `status`. */
export interface State {
  readonly id: string
  /** The container's first process, as the caller's pid namespace numbers it; absent while there is none yet. */
  readonly init?: ProcessIdentity
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
  readonly owner: number
  /** What was made for its networks on the host, to be removed with it. */
  readonly networks: ReadonlyArray<Created>
  readonly container: Container
  /** Anything that the one who made the container wants to find again: hooks, for instance. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** The state as the text of the state file. */
export const encode = (state: State): string => Json.stringify({ version, ...state })

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

// the configuration was validated before it was saved, by more than a look at its shape; here it is told from damage
const fields: Readonly<Record<string, Check>> = {
  id: isText,
  init: isOptional(has({ pid: (pid) => isNumber(pid) && pid !== 0, startTime: (time) => typeof time === "bigint" })),
  cgroup: isOptional(has({
    version: (value) => value === "v1" || value === "v2" || value === "hybrid",
    paths: isMapOf(isText),
    mountpoints: isMapOf(isText),
    made: isListOf(isText)
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

/** Reads the text of a state file; a text that says what is wrong with it, where it can't. */
export const decode = (text: string): State | string => {
  if (text === "") return "the file is empty"
  let value: unknown
  try {
    value = Json.parse(text)
  } catch (cause) {
    return `the file is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`
  }
  if (!isRecord(value)) return "the file holds no object"
  const { version: found, ...state } = value as Record<string, unknown>
  if (found !== version) {
    return `the file has the version ${JSON.stringify(found) ?? "none"}, but this runtime knows ${version} only`
  }
  return isState(state) ? state : damageOf(state)!
}
