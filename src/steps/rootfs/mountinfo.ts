/**
 * Reading `/proc/<pid>/mountinfo` and `/proc/<pid>/cgroup`.
 *
 * @see proc_pid_mountinfo(5), cgroups(7)
 */

/** One mount, as a line of mountinfo tells it. */
export interface MountInfo {
  readonly id: number
  readonly parent: number
  /** The directory of the file system that is the mount's root. */
  readonly root: string
  readonly mountpoint: string
  readonly type: string
  /** Options of the superblock. */
  readonly options: ReadonlyArray<string>
}

const unescape = (text: string): string =>
  // the kernel escapes byte by byte, and only ASCII: space, tab, newline, backslash
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

/** The mounts of a mountinfo file, in its order. Lines that are not of its form are left out. */
export const parseMountInfo = (text: string): ReadonlyArray<MountInfo> =>
  text.split("\n").flatMap((line) => {
    const fields = line.split(" ")
    const separator = fields.indexOf("-", 6)
    const [id, parent, , root, mountpoint] = fields
    const type = fields[separator + 1]
    if (separator < 0 || root === undefined || mountpoint === undefined || type === undefined) return []
    return [{
      id: Number(id),
      parent: Number(parent),
      root: unescape(root),
      mountpoint: unescape(mountpoint),
      type,
      options: (fields[separator + 3] ?? "").split(",")
    }]
  })

/** One line of a cgroup file: a process's place in a hierarchy. */
export interface CgroupPlace {
  /** Controllers, or `name=…`; empty for cgroup v2. */
  readonly controllers: ReadonlyArray<string>
  readonly path: string
}

/** The places of a cgroup file, in its order. */
export const parseCgroups = (text: string): ReadonlyArray<CgroupPlace> =>
  text.split("\n").flatMap((line) => {
    const [id, controllers, ...path] = line.split(":")
    if (id === undefined || controllers === undefined || path.length === 0) return []
    return [{ controllers: controllers === "" ? [] : controllers.split(","), path: path.join(":") }]
  })

/** A cgroup hierarchy of version 1 that is mounted on the host, and the process's place in it. */
export interface Hierarchy {
  /** Name of its directory: `cpu,cpuacct`. */
  readonly name: string
  readonly controllers: ReadonlyArray<string>
  readonly mountpoint: string
  /** Directory of the process's own cgroup on the host. */
  readonly own: string
}

/** The cgroup hierarchies that are mounted: version 1 each, and version 2 where it is there. */
export interface Hierarchies {
  readonly v1: ReadonlyArray<Hierarchy>
  readonly v2: { readonly mountpoint: string; readonly own: string } | undefined
}

const below = (mount: MountInfo, path: string): string => {
  const rest = mount.root === "/" ? path : path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : "/"
  return rest === "/" ? mount.mountpoint : `${mount.mountpoint}${rest}`
}

/** Finds the hierarchies by what the kernel says of the mounts, not by the names of directories. */
export const hierarchiesOf = (
  mounts: ReadonlyArray<MountInfo>,
  places: ReadonlyArray<CgroupPlace>
): Hierarchies => {
  const v1 = places.filter(({ controllers }) => controllers.length > 0).flatMap(({ controllers, path }) => {
    const mount = mounts.find(({ options, type }) =>
      type === "cgroup" && controllers.every((controller) => options.includes(controller))
    )
    if (mount === undefined) return []
    const { mountpoint } = mount
    return [{
      name: mountpoint.slice(mountpoint.lastIndexOf("/") + 1),
      controllers,
      mountpoint,
      own: below(mount, path)
    }]
  })
  const mount = mounts.find(({ type }) => type === "cgroup2")
  const place = places.find(({ controllers }) => controllers.length === 0)
  return {
    v1,
    v2: mount === undefined ? undefined : {
      mountpoint: mount.mountpoint,
      own: below(mount, place?.path ?? "/")
    }
  }
}
