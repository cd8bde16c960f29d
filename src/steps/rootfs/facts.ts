/**
 * What the steps of the root file system hand on: each fact is a handle or a rule that a later step needs, so that a
 * wrong order does not compile.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { AnyFd } from "../../native/Handle.ts"
import type { UnmappedIdError } from "./errors.ts"

/**
 * The ids of the files that steps make for the container, as the running process must write them. The init, inside
 * the user namespace, writes the container's own ids; a side-car outside of it writes the host's ids for them.
 */
export class Ownership extends Context.Service<Ownership, {
  /** Whether the process is outside the container's user namespace. */
  readonly outside: boolean
  readonly uid: (containerId: number) => Effect.Effect<number, UnmappedIdError>
  readonly gid: (containerId: number) => Effect.Effect<number, UnmappedIdError>
}>()("runfx/rootfs/Ownership") {}

/** Mounts made from here on do not reach the host. */
export class MountsContained extends Context.Service<MountsContained, {
  /** False if the container has no mount namespace of its own: then nothing may be mounted at all. */
  readonly contained: boolean
}>()("runfx/rootfs/MountsContained") {}

/** The container's root while it is still a directory of the host. */
export class RootHandle extends Context.Service<RootHandle, {
  /** An `O_PATH` descriptor of the root directory: of the bind mount that becomes the root, close-on-exec. */
  readonly fd: AnyFd
}>()("runfx/rootfs/RootHandle") {}

/**
 * A mount that this start has made, by a handle: a process that renames what it is on can't put another in its place.
 *
 * @since 0.2.0
 */
export interface Kept {
  /** Where the program finds it, in its shortest form. */
  readonly destination: string
  /** A descriptor of its root, close-on-exec. */
  readonly fd: AnyFd
  /** Whether this start alone has filled it, so that no link in it is anybody else's. */
  readonly fresh: boolean
}

/** The container's mounts are there. */
export class Mounted extends Context.Service<Mounted, {
  /** Those that later steps work in, or look after. */
  readonly kept: ReadonlyArray<Kept>
  /** Mounts that become read-only once everything in them is made; `fd` is a descriptor of the mount's root. */
  readonly readonlyLater: ReadonlyArray<{ readonly destination: string; readonly fd: AnyFd }>
}>()("runfx/rootfs/Mounted") {}

/** The process is in the container's root. */
export class InRoot extends Context.Service<InRoot, {
  /** An `O_PATH` descriptor of the root directory, close-on-exec. */
  readonly fd: AnyFd
}>()("runfx/rootfs/InRoot") {}

/** The container's devices are there. */
export class DevicesCreated extends Context.Service<DevicesCreated, true>()("runfx/rootfs/DevicesCreated") {}

/** Nothing more is made in the root: it is read-only, and so are its mounts, if they are to be. */
export class RootSealed extends Context.Service<RootSealed, {
  /** The mounts that paths are made read-only and masked in. */
  readonly kept: ReadonlyArray<Kept>
}>()("runfx/rootfs/RootSealed") {}

/** The paths that are to be read-only are so. */
export class PathsReadonly extends Context.Service<PathsReadonly, {
  /** The mounts, with the read-only ones in the place of those that they cover. */
  readonly kept: ReadonlyArray<Kept>
}>()("runfx/rootfs/PathsReadonly") {}

/**
 * The paths that are to be masked are covered.
 *
 * @since 0.2.0
 */
export class PathsCovered extends Context.Service<PathsCovered, {
  readonly kept: ReadonlyArray<Kept>
  /** The file system that covers directories; absent if none is covered. The step that checks the paths closes it. */
  readonly cover: AnyFd | undefined
}>()("runfx/rootfs/PathsCovered") {}

/** Mounts and masks are where the program will look: the root shows no more than the program may see. */
export class PathsMasked extends Context.Service<PathsMasked, true>()("runfx/rootfs/PathsMasked") {}
