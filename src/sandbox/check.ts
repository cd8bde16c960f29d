/** Looks at a description: everything that is wrong with it at once, by the names that its author wrote. */
import * as Redacted from "effect/Redacted"
import { constants } from "node:buffer"
import { names as capabilityNames } from "../config/capabilities.ts"
import { pathOf, type Problem, problem } from "../config/ConfigError.ts"
import type { Seccomp } from "../config/Container.ts"
import { pathRule } from "../config/rules/Rule.ts"
import { seccompProfiles } from "../config/seccompProfiles.ts"
import { bytesOf, size, time } from "../config/shape/quantity.ts"
import { flag, func, list, may, oneOf, open, record, type Shape, struct, text, whole } from "../config/shape/Shape.ts"
import { nearest } from "../engine/nearest.ts"
import { parseAddress, parseCidr } from "../native/inet.ts"
import type { Allow, Bind, Description, IfPossible, Layers, Limits, Tmpfs, Veth } from "./Description.ts"
import { ruleForm, ruleOf } from "./network/rules.ts"
import type { Workspace } from "./workspace/find.ts"

/** An absolute path. */
export const path: Shape = (value, at, tell) => {
  if (typeof value !== "string") return tell(at, value, "must be an absolute path")
  const rule = pathRule(value)
  if (rule !== undefined) tell(at, value, rule)
  else text(value, at, tell)
}

const belowRoot: Shape = (value, at, tell) => {
  if (typeof value === "string" && /^[/.]+$/.test(value)) tell(at, value, "must be below the root")
  else path(value, at, tell)
}

/** The shape of what may also be wrapped: see `ifPossible`. */
const maybe = (shape: Shape): Shape => (value, at, tell) => {
  const wrapped = typeof value === "object" && value !== null && "_tag" in value && value._tag === "IfPossible"
  shape(wrapped ? (value as unknown as IfPossible<unknown>).value : value, at, tell)
}

/** The largest number of processes that Linux has. */
const mostProcesses = 2 ** 22

const cpus: Shape = (value, at, tell) => {
  if (typeof value !== "number" || !(value >= 0.01 && value <= 8192)) {
    tell(at, value, "must be a number of processors from 0.01 to 8192")
  }
}

/** The output is told as a text as well, and no text is longer. */
const output: Shape = (value, at, tell) => {
  size(value, at, tell)
  if ((bytesOf(value) ?? 0n) > constants.MAX_STRING_LENGTH) {
    tell(at, value, `must be at most ${constants.MAX_STRING_LENGTH} bytes; of more, read the streams that spawn has`)
  }
}

const limits = struct<Limits>({
  memory: may(maybe(size)),
  swap: may(maybe(size)),
  cpus: may(maybe(cpus)),
  processes: may(maybe(whole(1, mostProcesses))),
  files: may(whole(4, 2 ** 30)),
  fileSize: may(size),
  time: may(time),
  output: may(output)
})

const bindShape = struct<Bind>({ _tag: oneOf("Bind"), source: path, at: may(belowRoot), readOnly: may(flag) })
const tmpfsShape = struct<Tmpfs>({ _tag: oneOf("Tmpfs"), at: belowRoot, size: may(size), executable: may(flag) })
const layersShape = struct<Layers>({ _tag: oneOf("Layers"), directories: list(path) })

const tagOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined

const mount: Shape = (value, at, tell) => {
  const tag = tagOf(value)
  if (tag === "Bind") bindShape(value, at, tell)
  else if (tag === "Tmpfs") tmpfsShape(value, at, tell)
  else tell(at, value, "must be made by bind or tmpfs")
}

const rootRule = "must be \"host\", an absolute path of the host, or layers(\"/upper\", \"/lower\")"

const root: Shape = (value, at, tell) => {
  if (value === "host") return
  if (tagOf(value) === "Layers") {
    layersShape(value, at, tell)
    if ((value as Layers).directories?.length === 0) tell(at, value, "must have at least one directory")
  } else if (typeof value === "string" && value.startsWith("/")) path(value, at, tell)
  else tell(at, value, rootRule)
}

const user: Shape = (value, at, tell) => {
  if (typeof value === "number") whole(0, 2 ** 32 - 2)(value, at, tell)
  else if (typeof value !== "string" || value === "") tell(at, value, "must be a name, \"name:group\", or a number")
  else text(value, at, tell)
}

const variableName = /^[^=\0]+$/

/** Variables of an environment; a problem does not show their values. */
export const env: Shape = (value, at, tell) => {
  record((entry, place, tell) => {
    const name = String(place.at(-1))
    if (!variableName.test(name)) tell(place, undefined, "must have a name without \"=\" and NUL characters")
    const plain = Redacted.isRedacted(entry) ? Redacted.value(entry) : entry
    // without the value, which may be a secret
    if (typeof plain !== "string") tell(place, undefined, "must be a text")
    else if (plain.includes("\0")) tell(place, undefined, "must not contain a NUL character")
  })(value, at, tell)
}

/** What a word that is none was probably meant to be. */
const hint = (word: unknown, known: ReadonlyArray<string>): string => {
  const near = typeof word === "string" ? nearest(word, known) : undefined
  return near === undefined ? "" : `: did you mean "${near}"?`
}

const capability: Shape = (value, at, tell) => {
  const bare = typeof value === "string" ? value.replace(/^CAP_/, "") : value
  if (!(capabilityNames as ReadonlyArray<unknown>).includes(bare)) {
    tell(at, value, `must be the name of a capability, such as "NET_BIND_SERVICE"${hint(bare, capabilityNames)}`)
  }
}

const word = (...words: ReadonlyArray<string>): Shape => (value, at, tell) => {
  if (!words.includes(value as string)) {
    tell(at, value, `must be ${words.map((one) => `"${one}"`).join(", ")}${hint(value, words)}`)
  }
}

const filterNames = [...Object.keys(seccompProfiles), "none"]
const filter = open<Pick<Seccomp, "defaultAction" | "syscalls">>({
  defaultAction: text,
  syscalls: list(open<object>({}))
})

const seccomp: Shape = (value, at, tell) =>
  typeof value === "object" ? filter(value, at, tell) : word(...filterNames)(value, at, tell)

const pattern: Shape = (value, at, tell) => {
  const text = typeof value === "string" ? value : ""
  const parts = text.replace(/\/$/, "").split("/")
  const isPlain = parts.every((part) => part !== "" && part !== "." && part !== "..") && !text.includes("\0")
  if (!isPlain) tell(at, value, "must be a name as \".env\", or a path from the workspace on, as \"ci/deploy.sh\"")
  else if (parts.length > 1 && text.includes("*")) {
    tell(at, value, "must have a * in a name only, which stands in no path")
  }
}

const workspace = struct<Workspace>({
  directory: belowRoot,
  readOnly: may(list(pattern)),
  hidden: may(list(pattern))
})

const rule: Shape = (value, at, tell) => {
  if (typeof value !== "string" || ruleOf(value) === undefined) tell(at, value, ruleForm)
}

const allow = struct<Allow>({ allow: list(rule), ask: may(func), resolve: may(func), onConnection: may(func) })

/** What is an address, with a prefix or without one, of a family. */
const address = (family: 4 | 6, prefixed: boolean, like: string): Shape => (value, at, tell) => {
  const parsed = typeof value !== "string" ? undefined : prefixed ? parseCidr(value) : parseAddress(value)
  if (parsed?.family !== family) tell(at, value, `must be an address as "${like}"`)
}

const interfaceName: Shape = (value, at, tell) => {
  if (typeof value !== "string" || !/^[^\s/:%]{1,15}$/.test(value) || /^\.\.?$/.test(value)) {
    tell(at, value, "must be the name of an interface: 1 to 15 characters without /, : and spaces")
  }
}

const veth = struct<Veth>({
  bridge: interfaceName,
  createBridge: may(address(4, true, "10.88.0.1/24")),
  name: may(interfaceName),
  address: may(address(4, true, "10.88.0.2/24")),
  gateway: may(address(4, false, "10.88.0.1")),
  ipv6Address: may(address(6, true, "fd00::2/64")),
  ipv6Gateway: may(address(6, false, "fd00::1")),
  macAddress: may((value, at, tell) => {
    if (typeof value !== "string" || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) {
      tell(at, value, "must be an address as \"02:42:ac:11:00:02\"")
    }
  }),
  mtu: may(whole(68, 65_535))
})

const networks = word("none", "loopback", "host")

const network: Shape = (value, at, tell) =>
  typeof value !== "object" || value === null
    ? networks(value, at, tell)
    : "bridge" in value
    ? veth(value, at, tell)
    : allow(value, at, tell)

const tmp: Shape = (value, at, tell) => {
  if (value !== false) size(value, at, tell)
}

const hostname: Shape = (value, at, tell) => {
  if (typeof value !== "string" || value === "" || value.length > 64 || value.includes("\0")) {
    tell(at, value, "must be a name of 1 to 64 characters")
  }
}

const description = struct<Description>({
  root: may(root),
  readOnly: may(flag),
  writable: may(list(belowRoot)),
  workspace: may(workspace),
  mounts: may(list(mount)),
  hidden: may(list(belowRoot)),
  tmp: may(tmp),
  home: may(tmp),
  user: may(user),
  network: may(network),
  limits: may(limits),
  env: may(env),
  inherit: may(list(text)),
  cwd: may(path),
  hostname: may(hostname),
  devices: may(list(belowRoot)),
  capabilities: may(list(capability)),
  init: may(flag),
  seccomp: may(seccomp),
  noNewPrivileges: may(flag),
  userNamespace: may(flag)
})

/** What is wrong with a value by a shape. */
export const problemsOf = (shape: Shape, value: unknown, top: string): ReadonlyArray<Problem> => {
  const all: Array<Problem> = []
  shape(value, [], (at, value, rule) => void all.push(problem(at.length === 0 ? top : pathOf(at), value, rule)))
  return all
}

/** All problems of a description that can be found without a look at the host. */
export const check = (value: unknown): ReadonlyArray<Problem> => problemsOf(description, value, "the description")

const argument: Shape = (value, at, tell) => {
  if (typeof value === "string" && value.includes("\0")) tell(at, value, "must not contain a NUL character")
  else text(value, at, tell)
}

/** A program and its arguments. */
export const checkCommand = (value: unknown): ReadonlyArray<Problem> =>
  Array.isArray(value) && value.length === 0
    ? [problem("command", value, "must name a program")]
    : problemsOf(list(argument), value, "command").map((found) => ({
      ...found,
      path: found.path === "command" ? "command" : `command${found.path}`
    }))
