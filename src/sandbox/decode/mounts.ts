/** Mounts of a sandbox in the form of the model. */
import type { Mount } from "../../config/Container.ts"
import { bytesOf } from "../../config/shape/quantity.ts"
import { MOUNT_ATTR, MS } from "../../native/constants.ts"
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

/** A file system in memory that everybody may write. */
export const inMemory = (destination: string, size: bigint, executable: boolean): Mount => ({
  type: "tmpfs",
  source: "tmpfs",
  destination,
  flags: MS.NOSUID | MS.NODEV | (executable ? 0 : MS.NOEXEC),
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data: ["mode=1777", `size=${size}`],
  copyUp: false
})

/** What bind and tmpfs describe. */
export const mountOf = (mount: Bind | Tmpfs): Mount =>
  mount._tag === "Bind"
    ? bound(mount.source, mount.at ?? mount.source, mount.readOnly ?? true)
    : inMemory(mount.at, bytesOf(mount.size ?? defaultTmpfs)!, mount.executable ?? true)
