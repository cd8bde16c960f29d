/** What a process is made of. */
import * as Redacted from "effect/Redacted"
import type { Capabilities, Process, Rlimit, User } from "../Container.ts"
import { capabilityRule } from "../rules/Rule.ts"
import { flag, int32, list, may, number, oneOf, type Shape, struct, text, uint32, uint64, whole } from "./Shape.ts"

/** The rules have the ranges of ids, and what a number means. */
const ids = struct<User & { readonly _tag: "Ids" }>({
  _tag: oneOf("Ids"),
  uid: number,
  gid: number,
  additionalGids: list(number)
})
const named = struct<User & { readonly _tag: "Named" }>({
  _tag: oneOf("Named"),
  spec: text,
  additionalGids: list(number)
})

const user: Shape = (value, at, tell) => {
  const tag = typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined
  if (tag === "Ids") ids(value, at, tell)
  else if (tag === "Named") named(value, at, tell)
  else {tell(
      at,
      value,
      "must be { _tag: \"Ids\", uid, gid, additionalGids } or { _tag: \"Named\", spec, additionalGids }"
    )}
}

/** A rule checks its range; for a name, the problem says what it must be. */
const capability: Shape = (value, at, tell) => {
  if (typeof value !== "number") tell(at, value, capabilityRule)
}
const numbers = list(capability)

/** Reports problems without the value, which may be a secret. */
const secret = (shape: Shape): Shape => (value, at, tell) =>
  shape(value, at, (at, _, rule) => tell(at, undefined, rule))

const variable: Shape = (value, at, tell) => {
  if (!Redacted.isRedacted(value)) text(value, at, tell)
}

const cpus = list(whole(0, 65_535))

/** A process. */
export const process = struct<Process>({
  args: list(text),
  env: secret(list(variable)),
  cwd: text,
  user,
  umask: may(number),
  terminal: flag,
  consoleSize: may(struct<NonNullable<Process["consoleSize"]>>({ rows: number, columns: number })),
  capabilities: may(struct<Capabilities>({
    bounding: numbers,
    effective: numbers,
    inheritable: numbers,
    permitted: numbers,
    ambient: numbers
  })),
  noNewPrivileges: flag,
  rlimits: list(struct<Rlimit>({ resource: number, soft: uint64, hard: uint64 })),
  oomScoreAdj: may(number),
  apparmorProfile: may(text),
  selinuxLabel: may(text),
  scheduler: may(struct<NonNullable<Process["scheduler"]>>({
    policy: whole(0, 7),
    nice: number,
    priority: number,
    flags: uint32,
    runtime: uint64,
    deadline: uint64,
    period: uint64
  })),
  ioPriority: may(struct<NonNullable<Process["ioPriority"]>>({ class: number, priority: int32 })),
  cpuAffinity: may(struct<NonNullable<Process["cpuAffinity"]>>({ initial: may(cpus), final: may(cpus) }))
})
