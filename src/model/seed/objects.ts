/** The namespaces, links and cgroup hierarchies that a machine begins with. */
import { keyOf } from "../cgroupTree.ts"
import type { Link } from "../State.ts"
import type { Builder } from "./Builder.ts"
import type { UserNamespace } from "./hostUser.ts"

const all = [{ inside: 0, outside: 0, count: 4294967295 }]

/**
 * The inode number of the initial user namespace, by which a process recognizes it. @see linux/proc_ns.h,
 * PROC_USER_INIT_INO
 */
const firstUserNamespace = 0xeffffffd

/** The initial namespaces, all owned by the initial user namespace. */
export const initialNamespaces = (
  make: Builder,
  hostname: string,
  userNs: UserNamespace = {},
  pidInode?: number
) => {
  const user = make.namespace(
    "user",
    {
      parent: undefined,
      level: 0,
      ownerUid: 0,
      ownerGid: 0,
      uidMap: userNs.uidMap ?? all,
      gidMap: userNs.gidMap ?? all,
      setgroups: userNs.setgroups ?? "allow",
      creatorHadSetfcap: true
    },
    undefined,
    userNs.inode ?? firstUserNamespace
  )
  return {
    user,
    pid: make.namespace("pid", { parent: undefined, level: 0, nextPid: 2 }, user, pidInode),
    uts: make.namespace("uts", { nodename: hostname, domainname: "(none)" }, user),
    ipc: make.namespace("ipc", {}, user),
    net: make.namespace("net", { nextIndex: 2 }, user),
    cgroup: make.namespace("cgroup", { roots: new Map() }, user),
    time: make.namespace(
      "time",
      { offsets: "monotonic           0         0\nboottime            0         0\n", fixed: true },
      user
    ),
    mnt: make.namespace("mnt", { root: 0 }, user)
  }
}

export const link = (
  make: Builder,
  ns: number,
  index: number,
  name: string,
  fields: Partial<Link>
): void => {
  const id = make.fresh()
  make.links.set(id, {
    id,
    ns,
    index,
    name,
    kind: "",
    up: true,
    mtu: 1500,
    mac: "02:00:00:00:00:01",
    txQueueLength: 1000,
    addresses: [],
    ...fields
  })
}

export const hierarchy = (
  make: Builder,
  version: 1 | 2,
  controllers: ReadonlyArray<string>,
  cpus: number,
  paths: ReadonlyArray<string>,
  name?: string,
  id = make.hierarchies.size + 1
): number => {
  make.hierarchies.set(id, { id, version, controllers, ...name === undefined ? {} : { name } })
  const values = new Map(
    controllers.includes("cpuset") ? [["cpuset.cpus", cpus === 1 ? "0" : `0-${cpus - 1}`], ["cpuset.mems", "0"]] : []
  )
  for (const path of new Set(["/", ...paths.flatMap(ancestors)])) {
    make.cgroups.set(keyOf(id, path), {
      hierarchy: id,
      path,
      uid: 0,
      gid: 0,
      mode: path === "/" ? 0o555 : 0o755,
      values,
      freeze: false,
      freezingReads: 0,
      controllersOn: version === 2 && path === "/" ? controllers : [],
      programs: []
    })
  }
  return id
}

/** The paths from below the root to a path. */
export const ancestors = (path: string): ReadonlyArray<string> =>
  path.split("/").filter((part) => part !== "").map((_, index, all) => `/${all.slice(0, index + 1).join("/")}`)
