/**
 * Kinds of host for tests of cgroups: this one, and what a mount namespace can make of it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Step from "../../src/engine/Step.ts"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import { type ChildFailed, inChild, readAll, writeAll } from "./child.ts"
import { markOf } from "./mark.ts"

/** Runs an effect on the kernel of this host. */
export const live = <A, E>(effect: Effect.Effect<A, E, Kernel | Fork>): Effect.Effect<A, E> =>
  Effect.provide(effect, Layer.orDie(Linux.layer))

/** The hierarchies of this host; `undefined` where the kernel can't be asked. */
export const here = Effect.runSync(Effect.orElseSucceed(live(Cgroup.detect), () => undefined))

const root = "/sys/fs/cgroup"

const isolate = sys.mount({ source: null, target: "/", type: null, flags: c.MS.REC | c.MS.PRIVATE, data: null })

/** A host as seen from a child in a mount namespace of its own; `missing` says why this one can't show it. */
export interface Host {
  readonly version: "v1" | "v2" | "hybrid"
  readonly missing: string | undefined
  readonly prepare: Effect.Effect<void, SyscallError, Kernel>
}

const unifiedMount = here?.hierarchies.find(({ keys }) => keys.includes(Cgroup.unified))?.mountpoint

/** The three kinds of host. */
export const hosts: ReadonlyArray<Host> = [
  {
    version: "v1",
    missing: here === undefined || here.version === "v2" ? "this host has no cgroup v1" : undefined,
    prepare: unifiedMount === undefined ? Effect.void : sys.umount2({ target: unifiedMount, flags: c.MNT.DETACH })
  },
  {
    version: "hybrid",
    missing: here?.version === "hybrid" ? undefined : "this host is not a hybrid one",
    prepare: Effect.void
  },
  {
    version: "v2",
    missing: here === undefined ? "this host has no cgroups" : undefined,
    prepare: here?.version === "v2" ? Effect.void : Effect.andThen(
      sys.umount2({ target: root, flags: c.MNT.DETACH }),
      sys.mount({ source: "cgroup2", target: root, type: "cgroup2", flags: 0, data: null })
    )
  }
]

/** Runs an effect in a child on such a host; its result must be plain data. */
export const on = <A>(
  host: Host,
  effect: Effect.Effect<A, unknown, Kernel | Fork>
): Effect.Effect<A, ChildFailed | SyscallError> =>
  live(inChild(
    c.CLONE.NEWNS,
    Effect.gen(function*() {
      viewer = yield* sys.getpid({})
      yield* isolate
      yield* host.prepare
      return yield* restoringRoot(effect)
    })
  )).pipe(Effect.ensuring(Effect.sync(() => viewer = "self")))

/** Whose mounts {@link seen} looks at. */
let viewer: number | "self" = "self"

/** A path as the child of {@link on} sees it, for `node:fs`, which acts in this process. */
export const seen = (path: string): string => `/proc/${viewer}/root${path}`

/** Collects compensations, and runs them on demand, last first. */
export const rollback = () => {
  const undos: Array<Effect.Effect<void, unknown>> = []
  return {
    service: { add: (undo: Effect.Effect<void, unknown>) => void undos.push(undo) },
    run: Effect.suspend(() => Effect.forEach(undos.toReversed(), (undo) => undo, { discard: true }))
  }
}

let count = 0

/** A fresh id. */
export const freshId = (): string => `${markOf("test")}-${count++}`

/** The root of cgroup2, by its file of what is switched on for its children; nothing where there is none. */
const rootControl = Effect.map(Cgroup.detect, ({ hierarchies }) => {
  const mountpoint = hierarchies.find(({ keys }) => keys.includes(Cgroup.unified))?.mountpoint
  return mountpoint === undefined ? undefined : `${mountpoint}/cgroup.subtree_control`
})

const opened = <A>(path: string, flags: number, use: (fd: number) => Effect.Effect<A, SyscallError, Kernel>) =>
  Effect.acquireUseRelease(sys.openat({ dirfd: c.AT.FDCWD, path, flags, mode: 0 }), use, (fd) => sys.close({ fd }))

const switchedOn = (file: string | undefined): Effect.Effect<ReadonlyArray<string>, SyscallError, Kernel> =>
  file === undefined
    ? Effect.succeed([])
    : Effect.map(opened(file, c.O.RDONLY, readAll), (text) => text.split(/\s+/).filter((name) => name !== ""))

/** Switches off again what an effect has switched on in the root, so that the host is as it was. */
const restoringRoot = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(rootControl, (file) =>
    Effect.acquireUseRelease(
      switchedOn(file),
      () => effect,
      (before) =>
        Effect.flatMap(switchedOn(file), (now) =>
          Effect.forEach(
            now.filter((name) => !before.includes(name)),
            // somebody else may use it by now
            (name) => Effect.ignore(opened(file!, c.O.WRONLY, (fd) => writeAll(fd, Buffer.from(`-${name}`))))
          ))
    ))

/** Makes a container's cgroups, hands them to `use`, kills what is in them and removes them. */
export const withCgroup = <A, E, R>(
  use: (manager: Cgroup.CgroupManager) => Effect.Effect<A, E, R>,
  config: Parameters<typeof Cgroup.applyLimits>[1] = { devices: [] }
) =>
  restoringRoot(Effect.acquireUseRelease(
    Effect.gen(function*() {
      const planned = yield* Cgroup.plan(yield* Cgroup.detect, { id: freshId(), path: config.path })
      return yield* Effect.provideService(
        Cgroup.create(planned, Cgroup.requiredControllers(planned, config)),
        Step.Rollback,
        { add: () => undefined }
      )
    }),
    use,
    (manager) =>
      Effect.gen(function*() {
        yield* Effect.exit(Cgroup.thaw(manager))
        for (const pid of yield* Cgroup.pids(manager)) {
          yield* Effect.exit(sys.kill({ pid, signal: c.SIG.KILL }))
          yield* Effect.exit(sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED }))
        }
        yield* Cgroup.destroy(manager)
      })
  ))

/** Starts a shell that waits to be put somewhere, and runs a script when it is released. */
export const shell = Effect.fnUntraced(function*(script: string, flags = 0) {
  const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
  const fork = yield* Fork
  const pid = yield* fork.spawn(
    flags,
    Effect.gen(function*() {
      yield* sys.close({ fd: writeEnd })
      yield* sys.read({ fd: readEnd, count: 1 })
      return yield* sys.execve({ path: "/bin/sh", argv: ["sh", "-c", script], envp: ["PATH=/usr/bin:/bin"] })
    })
  )
  yield* sys.close({ fd: readEnd })
  return { pid, release: sys.close({ fd: writeEnd }) }
})

/** A shell in a container's cgroups. */
export const shellIn = Effect.fnUntraced(function*(manager: Cgroup.CgroupManager, script: string, flags = 0) {
  const { pid, release } = yield* shell(script, flags)
  yield* Cgroup.join(manager, pid)
  yield* release
  return pid
})
