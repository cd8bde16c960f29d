/**
 * The container's device nodes.
 *
 * A node is made and then looked at by handle: what an image or a mount put there first may be anything (CVE-2025-31133
 * began with a `/dev/null` that was none). If the kernel forbids mknod (a user namespace) the host's node is bound,
 * after a look at its number.
 *
 * @see mknod(2), OCI config-linux.md#devices
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type Device, hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import * as Ahead from "../../native/Ahead.ts"
import { AT, O, RESOLVE, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, SyscallError } from "../../native/Kernel.ts"
import { Init } from "../init/Init.ts"
import { attach } from "./attach.ts"
import { cloneOfHandle } from "./bind.ts"
import { PathError } from "./errors.ts"
import { DevicesCreated, type Kept, Mounted, MountsContained, Ownership, RootHandle } from "./facts.ts"
import { bindsDev, makingFor } from "./mounting.ts"
import { holderOf, startOf } from "./places.ts"

/** A device that could not be made, or something else in its place. */
export class DeviceError extends Data.TaggedError("DeviceError")<{
  /** Path inside the container. */
  readonly path: string
  readonly why: string
  readonly advice: string
}> {
  override get message(): string {
    return `device ${this.path}: ${this.why}`
  }
}

const types = { c: S.IFCHR, b: S.IFBLK, p: S.IFIFO } as const

const nameOf = ({ major, minor, type }: Device): string =>
  type === "p" ? "a fifo" : `${type === "c" ? "character" : "block"} device ${major}:${minor}`

const isIt = (device: Device, stat: Parameters<typeof Files.isType>[0]): boolean =>
  device.type === "p"
    ? Files.isType(stat, S.IFIFO)
    : Files.isDevice(stat, types[device.type], device.major, device.minor)

const entry = (dirfd: AnyFd, path: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({
    dirfd,
    path,
    flags: O.PATH | O.NOFOLLOW | O.CLOEXEC,
    mode: 0,
    resolve: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS
  })

const refuseOther = (device: Device, path: string, fd: AnyFd) =>
  Effect.flatMap(Files.stat(fd), (stat) =>
    isIt(device, stat) ? Effect.succeed(stat) : new DeviceError({
      path,
      why: `what is there already is not ${nameOf(device)}`,
      advice: `remove ${path} from the image, or mount a tmpfs on the directory that holds it`
    }))

const bindFromHost = (
  device: Device,
  path: string,
  parent: number,
  name: string
): Effect.Effect<void, DeviceError | SyscallError, Kernel> => {
  const host = sys.openat2({
    dirfd: AT.FDCWD,
    path: device.path,
    flags: O.PATH | O.CLOEXEC,
    mode: 0,
    resolve: 0
  })
  return Files.using(host, (source) =>
    Effect.gen(function*() {
      if (!isIt(device, yield* Files.stat(source))) {
        return yield* new DeviceError({
          path,
          why: `in a user namespace the host's node must serve, and the host's ${device.path} is not ${nameOf(device)}`,
          advice: "leave out the device, or run without a user namespace"
        })
      }
      yield* sys.mknodat({ dirfd: parent, path: name, mode: S.IFREG | 0o600, major: 0, minor: 0 }).pipe(
        orOn(["EEXIST"], undefined)
      )
      yield* Files.using(entry(parent, name), (place) =>
        Effect.gen(function*() {
          const stat = yield* Files.stat(place)
          if (isIt(device, stat)) return
          // refuses all but a regular file, the place to bind on
          if (!Files.isType(stat, S.IFREG)) yield* refuseOther(device, path, place)
          yield* Files.using(cloneOfHandle(source, false), (node) => attach(node, place))
        }))
    })).pipe(
      Effect.catchIf(
        (error) => error._tag === "SyscallError" && error.code === "ENOENT" && error.call._tag === "openat2",
        () =>
          new DeviceError({
            path,
            why: `in a user namespace the host's node must serve, and the host has no ${device.path}`,
            advice: "leave out the device, or run without a user namespace"
          })
      )
    )
}

/** How the devices of a container are made. */
interface Manner {
  readonly ownership: Ownership["Service"]
  readonly making: Files.Making
  /** The host's nodes serve. */
  readonly bound: boolean
}

const inPath = <A, E, R>(path: string, self: Effect.Effect<A, E | SyscallError, R>) =>
  Effect.mapError(self, (error) =>
    error instanceof SyscallError
      ? new PathError({ path, what: "create the device", reason: error })
      : error as Exclude<E, SyscallError>)

const create = Effect.fnUntraced(function*(parent: number, device: Device, { bound, ownership }: Manner) {
  const path = Files.clean(device.path)
  const { name } = Files.split(path)
  const uid = yield* ownership.uid(device.uid)
  const gid = yield* ownership.gid(device.gid)
  if (bound && device.type !== "p") return yield* bindFromHost(device, path, parent, name)
  const existing = Files.using(
    entry(parent, name),
    (fd) =>
      Effect.flatMap(refuseOther(device, path, fd), (stat) =>
        (stat.mode & 0o7777) === device.fileMode
          ? Effect.void
          // the host's /proc is still there; a descriptor of O_PATH takes no fchmod
          : sys.fchmodat({ dirfd: AT.FDCWD, path: `/proc/self/fd/${fd}`, mode: device.fileMode }))
  )
  const { major, minor } = device.type === "p" ? { major: 0, minor: 0 } : device
  yield* sys.mknodat({ dirfd: parent, path: name, mode: types[device.type] | device.fileMode, major, minor }).pipe(
    onErrno(["EEXIST"], () => existing),
    Effect.andThen(Files.using(entry(parent, name), (fd) =>
      Effect.flatMap(refuseOther(device, path, fd), (stat) =>
        // only 0 is sure: any other number may stand for ids without a mapping here
        uid === 0 && gid === 0 && Ahead.is(stat, "uid", 0) && Ahead.is(stat, "gid", 0)
          ? Effect.void
          : sys.fchownat({ dirfd: fd, path: "", uid, gid, flags: AT.EMPTY_PATH })))),
    Effect.catchIf(
      (error) =>
        error._tag === "SyscallError" && error.code === "EPERM" && error.call._tag === "mknodat" &&
        device.type !== "p",
      () => bindFromHost(device, path, parent, name)
    )
  )
})

/** Where the directory of devices is looked up. */
interface Start {
  readonly root: number
  readonly path: string
  readonly lookup: Files.Lookup
}

/** Creates devices that follow each other in one directory, which is opened once. */
const createIn = Effect.fnUntraced(
  function*(at: Start, devices: ReadonlyArray<Device>, manner: Manner) {
    const path = Files.clean(devices[0]!.path)
    if (path === "/") {
      return yield* new DeviceError({ path, why: "the root is a directory", advice: "correct the device's path" })
    }
    const each = (parent: number) =>
      Effect.forEach(devices, (device) => inPath(Files.clean(device.path), create(parent, device, manner)), {
        discard: true
      })
    yield* inPath(path, Files.using(Files.makeDirectories(at.root, at.path, { ...manner.making, ...at.lookup }), each))
  }
)

/** Devices with the directory that they are in, in their order. */
const byDirectory = (devices: ReadonlyArray<Device>) => {
  const groups: Array<{ readonly directory: string; readonly devices: Array<Device> }> = []
  for (const device of devices) {
    const { directory, name } = Files.split(Files.clean(device.path))
    const last = groups.at(-1)
    if (name !== "" && last?.directory === directory) last.devices.push(device)
    else groups.push({ directory, devices: [device] })
  }
  return groups
}

/**
 * Where a directory of devices is looked up. A link of the image's could lead into a volume of the host, where nodes have no
 * business (CVE-2026-47766): it is refused, at `/dev` and wherever else a device is to be.
 */
const devStart = (root: number, kept: ReadonlyArray<Kept>, directory: string): Start => ({
  ...startOf(root, kept, directory),
  lookup: holderOf(kept, directory)?.fresh !== true ? { resolve: RESOLVE.NO_SYMLINKS } : {}
})

/** Creates the device nodes, unless the user binds a `/dev`. */
export const createDevices = Step.make("createDevices", {
  doc: "create the container's device nodes",
  calls: [...new Set([...Files.makeCalls, "statx", "fchmodat", "open_tree", "move_mount", "umask"] as const)],
  requires: [Init, RootHandle, Mounted, MountsContained, Ownership],
  provides: DevicesCreated,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    ENOTDIR: "the image has a file where a directory must be on the way to the device: fix it, or mount a tmpfs there",
    EACCES: "the container's root may not write in the directory of the device: mount a tmpfs there",
    ENOSPC: "make room on the file system that holds the device: a tmpfs with a larger size",
    EROFS: "mount a tmpfs on /dev, or put the device nodes into the image",
    ELOOP:
      "the image has a symlink where a real directory must be, on the way to the device: fix it, or mount a tmpfs there",
    EPERM: "without CAP_MKNOD device nodes can only be bound from the host, which needs a mount namespace"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd: root } = yield* RootHandle
    const ownership = yield* Ownership
    const { contained } = yield* MountsContained
    const { kept } = yield* Mounted
    if (container.devices.length === 0 || bindsDev(container)) return
    const making = yield* makingFor(ownership)
    // the kernel refuses mknod of devices without CAP_MKNOD on the host
    const bound = contained && hasNamespace(container, "user") && !ownership.outside
    yield* Files.withoutUmask(
      Effect.forEach(
        byDirectory(container.devices),
        ({ devices, directory }) => createIn(devStart(root, kept, directory), devices, { ownership, making, bound }),
        { discard: true }
      )
    )
  }).pipe(Effect.as(true as const))
})
