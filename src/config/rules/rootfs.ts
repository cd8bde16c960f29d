/** Rules of the root file system: its path, mounts, masked and read-only paths, devices. */
import * as nodePath from "node:path/posix"
import { isDeepStrictEqual } from "node:util"
import { MS } from "../../native/constants.ts"
import { type Device, hasNamespace, hostId, makesNamespace, type Mount } from "../Container.ts"
import { mappingProblems } from "./namespaces.ts"
import {
  each,
  type Found,
  found,
  idRule,
  isId,
  isWithin,
  needs,
  noNul,
  pathRule,
  paths,
  type Rule,
  when
} from "./Rule.ts"

/** The path of the root file system is absolute and in its shortest form. */
export const rootfs: Rule = {
  reads: ["rootfs"],
  check: ({ rootfs }) => {
    const rule = pathRule(rootfs)
    if (rule !== undefined) return [found("rootfs", [], rootfs, rule)]
    const plain = rootfs === "/" ||
      rootfs.slice(1).split("/").every((part) => part !== "" && part !== "." && part !== "..")
    return when(
      !plain,
      () => found("rootfs", [], rootfs, "must be written without `.`, `..`, empty parts or a slash at the end")
    )
  }
}

/** What is mounted or covered needs a mount namespace of the container. */
export const needsMountNamespace: Rule = {
  reads: ["namespaces", "mounts", "maskedPaths", "readonlyPaths", "readonlyRootfs", "rootPropagation"],
  check: (container) => {
    if (hasNamespace(container, "mnt")) return []
    const { maskedPaths, mounts, readonlyPaths, readonlyRootfs, rootPropagation } = container
    return [
      ...when(mounts.length > 0, () => found("mounts", [], undefined, needs("mnt"))),
      ...when(maskedPaths.length > 0, () => found("maskedPaths", [], undefined, needs("mnt"))),
      ...when(readonlyPaths.length > 0, () => found("readonlyPaths", [], undefined, needs("mnt"))),
      ...when(readonlyRootfs, () => found("readonlyRootfs", [], readonlyRootfs, needs("mnt"))),
      ...when(rootPropagation !== undefined, () => found("rootPropagation", [], undefined, needs("mnt")))
    ]
  }
}

const propagationFlags: ReadonlySet<number> = new Set([MS.PRIVATE, MS.SLAVE, MS.SHARED, MS.UNBINDABLE])

/** The propagation of the root is one of the four. */
export const rootPropagation: Rule = {
  reads: ["rootPropagation"],
  check: ({ rootPropagation }) =>
    when(
      rootPropagation !== undefined &&
        !(Number.isInteger(rootPropagation) && propagationFlags.has(rootPropagation & ~MS.REC)),
      () => found("rootPropagation", [], rootPropagation, "must be private, slave, shared or unbindable")
    )
}

/** Whether an absolute path is another name of the root. */
const isRoot = (path: string): boolean => nodePath.normalize(path).replaceAll("/", "") === ""

/** Masked and read-only paths are absolute, and the root is not masked: nothing would be left. */
export const maskedAndReadonly: Rule = {
  reads: ["maskedPaths", "readonlyPaths"],
  check: ({ maskedPaths, readonlyPaths }) => [
    ...paths("maskedPaths", maskedPaths),
    ...paths("readonlyPaths", readonlyPaths),
    ...each(
      maskedPaths,
      (path, index) =>
        when(
          pathRule(path) === undefined && isRoot(path),
          () => found("maskedPaths", [index], path, "must be below the root: masked, the root has no program")
        )
    )
  ]
}

const mountProblems = (mount: Mount, index: number): ReadonlyArray<Found> => {
  const at = (field: string, value: unknown, rule: string) => found("mounts", [index, field], value, rule)
  const bind = (mount.flags & MS.BIND) !== 0
  const destination = pathRule(mount.destination)
  const links = mount.links ?? []
  return [
    ...when(destination !== undefined, () => at("destination", mount.destination, destination!)),
    ...when(
      destination === undefined && isRoot(mount.destination),
      () => at("destination", mount.destination, "must be below the root: nothing is mounted on the root itself")
    ),
    ...when(
      !bind && mount.type === "",
      () => at("type", mount.type, "must name a file system, as this is no bind mount")
    ),
    ...when(
      bind && pathRule(mount.source) !== undefined,
      () => at("source", mount.source, `${pathRule(mount.source)}, as it is bound`)
    ),
    ...when(
      bind && mount.data.length > 0,
      () => at("options", mount.data, "a bind mount takes no options of the file system")
    ),
    ...when(
      !bind && mount.type === "bind" && (mount.flags & MS.REMOUNT) === 0,
      () =>
        at("options", undefined, `must have \`bind\` or \`rbind\` (the flag ${MS.BIND}): the type alone binds nothing`)
    ),
    ...when(links.length > 0 && !bind, () => at("options", links, "needs a bind mount")),
    ...when(
      links.includes("copy-symlink") && links.some((option) => option !== "copy-symlink"),
      () => at("options", links, "`copy-symlink` mounts nothing: leave out `src-nofollow` and `dest-nofollow`")
    ),
    ...when(mount.data.some((option) => option.includes("\0")), () => at("options", mount.data, noNul)),
    ...when(mount.copyUp && mount.type !== "tmpfs", () => at("options", "tmpcopyup", "needs a tmpfs")),
    ...when(mount.idMapping !== undefined && !bind, () => at("options", "idmap", "needs a bind mount"))
  ]
}

/** Mounts have absolute targets, and options that fit. */
export const mounts: Rule = {
  reads: ["mounts"],
  check: ({ mounts }) => each(mounts, mountProblems)
}

/** Id mappings of mounts are whole: for users and groups. */
export const mountMappings: Rule = {
  reads: ["mounts"],
  check: ({ mounts }) =>
    each(mounts, ({ idMapping }, index) =>
      idMapping === undefined ? [] : [
        ...mappingProblems("mounts", [index, "uidMappings"], idMapping.uidMappings),
        ...mappingProblems("mounts", [index, "gidMappings"], idMapping.gidMappings),
        ...when(
          idMapping.uidMappings.length === 0,
          () => found("mounts", [index, "uidMappings"], undefined, "an id-mapped mount needs uid mappings")
        ),
        ...when(
          idMapping.gidMappings.length === 0,
          () => found("mounts", [index, "gidMappings"], undefined, "an id-mapped mount needs gid mappings")
        )
      ])
}

/** The kernel refuses a mount with `uid=` or `gid=` (devpts has `gid=5`) that the user namespace does not map: EINVAL. */
export const mountOwners: Rule = {
  reads: ["namespaces", "mounts", "uidMappings", "gidMappings"],
  check: (container) =>
    !makesNamespace(container, "user") ? [] : each(container.mounts, ({ data }, index) =>
      data.flatMap((option) => {
        const [, kind, id] = /^(uid|gid)=(\d+)$/.exec(option) ?? []
        if (id === undefined) return []
        const mappings = kind === "uid" ? container.uidMappings : container.gidMappings
        return when(mappings.length > 0 && hostId(mappings, Number(id)) === undefined, () =>
          found("mounts", [index, "options"], option, `must be an id that the ${kind} mappings hold`))
      }))
}

const isSameDevice = (one: Device, other: Device): boolean =>
  one === other || isDeepStrictEqual({ ...one, path: other.path }, other)

/** The first device at the path of another one; the other one if it is the first. */
const firstAt = (first: Map<string, Device>, device: Device): Device => {
  const path = nodePath.normalize(device.path)
  const found = first.get(path) ?? device
  first.set(path, found)
  return found
}

/** Devices have absolute paths, and numbers and owners in range. */
export const devices: Rule = {
  reads: ["devices"],
  check: ({ devices }) => {
    const first = new Map<string, Device>()
    return each(devices, (device, index) => {
      const at = (field: string, value: unknown, rule: string) => found("devices", [index, field], value, rule)
      const rule = pathRule(device.path)
      const number = device.type === "p" ? [] : [
        ...when(
          !isWithin(device.major, 0, 0xfff),
          () => at("major", device.major, "must be a whole number from 0 to 4095")
        ),
        ...when(
          !isWithin(device.minor, 0, 0xfffff),
          () => at("minor", device.minor, "must be a whole number from 0 to 1048575")
        )
      ]
      return [
        ...when(rule !== undefined, () => at("path", device.path, rule!)),
        ...when(
          // engines add devices that the configuration already has
          !isSameDevice(firstAt(first, device), device),
          () => at("path", device.path, "must not be given twice with different values")
        ),
        ...number,
        ...when(
          (device.fileMode & ~0o7777) !== 0,
          () => at("fileMode", device.fileMode, "must be permission bits, 0 to 4095 (07777)")
        ),
        ...when(!isId(device.uid), () => at("uid", device.uid, idRule)),
        ...when(!isId(device.gid), () => at("gid", device.gid, idRule))
      ]
    })
  }
}
