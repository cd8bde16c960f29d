/** Mounts of a sandbox in the form of the model. */
import type { Mount } from "../../config/Container.ts"
import { bytesOf } from "../../config/shape/quantity.ts"
import { MOUNT_ATTR, MS } from "../../native/constants.ts"
import type { AnyGid, AnyUid } from "../../native/Handle.ts"
import type { Bind, Tmpfs } from "../Description.ts"

/** How large a file system in memory is if nobody says otherwise, in bytes. */
export const defaultTmpfs = 64n * 1024n * 1024n

const restrained = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV

/** A part of the host's files. */
export const bound = (source: string, destination: string, readOnly: boolean, links: Mount["links"] = []): Mount => ({
  type: "bind",
  source,
  destination,
  flags: MS.BIND | MS.REC | MS.NOSUID | MS.NODEV | (readOnly ? MS.RDONLY : 0),
  clearedFlags: 0,
  propagation: [],
  // what is mounted below it, too
  recursiveAttributes: { set: restrained | (readOnly ? MOUNT_ATTR.RDONLY : 0), clear: 0 },
  data: [],
  copyUp: false,
  ...(links.length === 0 ? {} : { links })
})

/** A file system in memory. */
const memory = (destination: string, executable: boolean, data: Mount["data"]): Mount => ({
  type: "tmpfs",
  source: "tmpfs",
  destination,
  flags: MS.NOSUID | MS.NODEV | (executable ? 0 : MS.NOEXEC),
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data,
  copyUp: false
})

/** A file system in memory that everybody may write. */
export const inMemory = (destination: string, size: bigint, executable: boolean): Mount =>
  memory(destination, executable, ["mode=1777", `size=${size}`])

/** One that only its owner may enter. If the owner is not known, that is the process that mounts it. */
export const privately = (
  destination: string,
  size: bigint,
  owner: { readonly uid: AnyUid; readonly gid: AnyGid } | undefined
): Mount =>
  memory(destination, true, [
    "mode=0700",
    `size=${size}`,
    ...(owner === undefined ? [] : [`uid=${owner.uid}`, `gid=${owner.gid}`])
  ])

/** Replaces a directory of the host: it is empty except for what is mounted in it. */
export const emptied = (destination: string): Mount => memory(destination, false, ["mode=0755", "size=64k"])

/** What bind and tmpfs describe. */
export const mountOf = (mount: Bind | Tmpfs): Mount =>
  mount._tag === "Bind"
    ? bound(mount.source, mount.at ?? mount.source, mount.readOnly ?? true)
    : inMemory(mount.at, bytesOf(mount.size ?? defaultTmpfs)!, mount.executable ?? true)
