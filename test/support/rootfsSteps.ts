/** What the tests of the steps of the root file system have in common: facts, and a kernel that opens everything. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Container } from "../../src/config/Container.ts"
import { S } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import type { CgroupManager } from "../../src/steps/cgroup/Manager.ts"
import {
  InRoot,
  Mounted,
  MountsContained,
  Ownership,
  PathsCovered,
  PathsReadonly,
  RootHandle,
  RootSealed
} from "../../src/steps/rootfs/facts.ts"
import { and, withInit } from "./steps.ts"

export const mnt = [{ type: "mnt" }] as const

export const given = (
  container: Partial<Container> = {},
  facts: { readonly contained?: boolean; readonly outside?: boolean; readonly cgroup?: CgroupManager } = {}
) => {
  const inside = facts.outside === true
    ? { outside: true, uid: (id: number) => Effect.succeed(1000 + id), gid: (id: number) => Effect.succeed(2000 + id) }
    : { outside: false, uid: Effect.succeed, gid: Effect.succeed }
  let context: Context.Context<never> = withInit({
    container: { namespaces: mnt, ...container },
    ...(facts.cgroup === undefined ? {} : { cgroup: facts.cgroup })
  })
  context = and(context, Ownership, inside)
  context = and(context, MountsContained, { contained: facts.contained ?? true })
  context = and(context, RootHandle, { fd: 9 })
  context = and(context, InRoot, { fd: 9 })
  context = and(context, RootSealed, { kept: [] })
  context = and(context, PathsReadonly, { kept: [] })
  context = and(context, PathsCovered, { kept: [], cover: undefined })
  return and(context, Mounted, { kept: [], readonlyLater: [{ destination: "/dev", fd: 8 }] })
}

export const directory = {
  mode: S.IFDIR | 0o755,
  ino: 2n,
  mountId: 70n,
  mountRoot: true,
  rdev: { major: 0, minor: 0 },
  dev: { major: 0, minor: 1 }
}
export const nullDevice = { ...directory, mode: S.IFCHR | 0o666, rdev: { major: 1, minor: 3 }, mountRoot: false }

/** Opens everything, as descriptors from 20 on; all is a directory, except that some calls answer otherwise. */
export const opens = (answers: Partial<Record<Call["_tag"], (call: never) => unknown>> = {}) => {
  let next = 20
  const opening = new Set(["openat2", "openat", "open_tree", "fsopen", "fsmount"])
  return (call: Call): unknown => {
    const answer = (answers[call._tag] as ((call: Call) => unknown) | undefined)?.(call)
    if (answer !== undefined) return answer
    if (opening.has(call._tag)) return next++
    if (call._tag === "statx") return { ...directory, ino: BigInt(call.dirfd) }
    if (call._tag === "fstatfs") return { type: 0xef53, flags: 0 }
    if (call._tag === "umask") return 0o22
    return undefined
  }
}
