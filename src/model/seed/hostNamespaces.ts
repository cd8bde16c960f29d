/**
 * Namespaces of the machine that are not this process's, and the processes in them: a container may join them by
 * `/proc/PID/ns/…`, or by a file on which one is mounted. They are not entered: what can't be seen from outside gets the
 * default.
 */
import { readdirSync, statSync } from "node:fs"
import type { IdRange, Namespace, NamespaceSet, NamespaceType, Process } from "../State.ts"
import { hostMountTree, type Making } from "./hostMounts.ts"
import { hostText } from "./hostUser.ts"
import { link } from "./objects.ts"

const types: ReadonlyArray<NamespaceType> = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"]

/** Another process of the machine. */
export interface Neighbour
  extends Pick<Process, "pid" | "numbers" | "ns" | "root" | "cgroups" | "comm" | "dumpable" | "startTime" | "status">
{
  readonly creds: Partial<Process["creds"]>
  /** It is a child of this process, which has to reap it. */
  readonly isOwnChild: boolean
}

/** The inode number of what a path leads to; `undefined` if that can't be looked at. */
export const inodeOf = (path: string): number | undefined => {
  try {
    return statSync(path).ino
  } catch {
    // it has ended, or may not be inspected
    return undefined
  }
}

const ownerOf = (path: string): number | undefined => {
  try {
    return statSync(path).uid
  } catch {
    return undefined
  }
}

const statusOf = (pid: number): ReadonlyMap<string, string> =>
  new Map((hostText(`/proc/${pid}/status`) ?? "").split("\n").map((line) => line.split(":\t") as [string, string]))

const idMap = (pid: number, kind: "uid" | "gid"): ReadonlyArray<IdRange> | undefined => {
  const ranges = [...(hostText(`/proc/${pid}/${kind}_map`) ?? "").matchAll(/(\d+)\s+(\d+)\s+(\d+)/g)].map(
    ([, inside, outside, count]) => ({ inside: Number(inside), outside: Number(outside), count: Number(count) })
  )
  return ranges.length === 0 ? undefined : ranges
}

/** When a process was started, in clock ticks since the boot: the 22nd field, counted behind the name. @see proc_pid_stat(5) */
const startTimeOf = (pid: number): number => {
  const text = hostText(`/proc/${pid}/stat`) ?? ""
  return Number(text.slice(text.lastIndexOf(")") + 1).trim().split(" ")[19] ?? 1)
}

/** A process in a namespace, if there is one that may be inspected. */
const memberOf = (type: NamespaceType, inode: number): number | undefined =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).find((pid) =>
    inodeOf(`/proc/${pid}/ns/${type}`) === inode
  )

const groupsOf = (pid: number): ReadonlyMap<number, string> =>
  new Map(
    (hostText(`/proc/${pid}/cgroup`) ?? "").trim().split("\n").flatMap((line) => {
      const [number, , ...path] = line.split(":")
      return number === undefined || path.length === 0 ? [] : [[Number(number), path.join(":")] as const]
    })
  )

/** Finds namespaces of the machine, and adds those that the model does not have yet. */
export class HostNamespaces {
  readonly #making: Making
  readonly #bottom: number
  /** Known namespaces by inode number, which identifies them. */
  readonly #known = new Map<number, number>()

  /** @param bottom the mount below all others */
  constructor(making: Making, bottom: number) {
    this.#making = making
    this.#bottom = bottom
    for (const type of types) {
      const inode = inodeOf(`/proc/self/ns/${type}`)
      if (inode !== undefined) this.#known.set(inode, making.ns[type])
    }
  }

  /** The namespace of an nsfs mount, by the root of the mount: `net:[4026531833]`. */
  mounted(root: string): number | undefined {
    const [, type, inode] = /^([a-z]+):\[(\d+)\]$/.exec(root) ?? []
    const known = types.find((name) => name === type)
    return known === undefined ? undefined : this.#find(known, Number(inode))
  }

  /**
   * A process; `undefined` if it has ended.
   *
   * @param entered whether the mounts that it sees matter
   */
  process(pid: number, entered: boolean): Neighbour | undefined {
    const status = statusOf(pid)
    if (!status.has("Pid")) return undefined
    const isOpen = inodeOf(`/proc/${pid}/ns/user`) !== undefined
    const of = (type: NamespaceType): number =>
      type === "user" && !isOpen
        ? this.#outOfReach()
        : type === "mnt" && !entered
        ? this.#making.ns.mnt
        : this.#ofProcess(pid, type)
    const ns = Object.fromEntries(types.map((type) => [type, of(type)])) as Record<NamespaceType, number>
    const [uid = 0, euid = 0, suid = 0] = (status.get("Uid") ?? "").split("\t").map(Number)
    const [gid = 0, egid = 0, sgid = 0] = (status.get("Gid") ?? "").split("\t").map(Number)
    const set = (name: string): bigint => BigInt(`0x${status.get(name) ?? "0"}`)
    const { mounts, namespaces } = this.#making.make
    const own = namespaces.get(ns.mnt)
    const root = own?.type === "mnt" ? own.root : this.#bottom
    const inner = Number((status.get("NSpid") ?? "").split("\t").at(-1))
    return {
      pid,
      numbers: new Map([
        [this.#making.ns.pid, pid],
        ...ns.pid === this.#making.ns.pid ? [] : [[ns.pid, inner] as const]
      ]),
      ns: { ...ns, pidForChildren: ns.pid, timeForChildren: ns.time } satisfies NamespaceSet,
      root: { mount: root, node: mounts.get(root)!.root },
      cgroups: groupsOf(pid),
      comm: status.get("Name") ?? "",
      startTime: startTimeOf(pid),
      isOwnChild: Number(status.get("PPid")) === process.pid,
      status: /^[ZX]/.test(status.get("State") ?? "") ? "zombie" : "running",
      // a process that may not be inspected is owned by root
      dumpable: isOpen && ownerOf(`/proc/${pid}/fd`) === euid ? 1 : 0,
      creds: {
        uid,
        euid,
        suid,
        gid,
        egid,
        sgid,
        effective: set("CapEff"),
        permitted: set("CapPrm"),
        inheritable: set("CapInh"),
        bounding: set("CapBnd"),
        ambient: set("CapAmb")
      }
    }
  }

  /** A user namespace in which no process here has capabilities, for processes that may not be inspected. */
  #outOfReach(): number {
    return this.#making.make.namespace("user", {
      parent: undefined,
      level: 0,
      ownerUid: 0,
      ownerGid: 0,
      uidMap: undefined,
      gidMap: undefined,
      setgroups: "allow",
      creatorHadSetfcap: true
    })
  }

  /** The namespace of a process; the caller's if it can't be read, since usually it is that. */
  #ofProcess(pid: number, type: NamespaceType): number {
    const inode = inodeOf(`/proc/${pid}/ns/${type}`)
    return inode === undefined ? this.#making.ns[type] : this.#find(type, inode, pid)
  }

  #find(type: NamespaceType, inode: number, pid = memberOf(type, inode)): number {
    const there = this.#known.get(inode)
    if (there !== undefined) return there
    this.#known.set(inode, inode)
    const { make, ns } = this.#making
    // usually it is owned by the user namespace of its processes
    const owner = pid === undefined || type === "user" ? ns.user : this.#ofProcess(pid, "user")
    const add = <T extends NamespaceType>(
      type: T,
      fields: Omit<Extract<Namespace, { readonly type: T }>, "id" | "owner" | "type">
    ): number => make.namespace(type, fields, owner, inode)
    switch (type) {
      case "user":
        return add("user", {
          parent: ns.user,
          level: 1,
          ownerUid: pid === undefined ? 0 : Number(statusOf(pid).get("Uid")?.split("\t")[1] ?? 0),
          ownerGid: pid === undefined ? 0 : Number(statusOf(pid).get("Gid")?.split("\t")[1] ?? 0),
          uidMap: pid === undefined ? undefined : idMap(pid, "uid"),
          gidMap: pid === undefined ? undefined : idMap(pid, "gid"),
          setgroups: pid !== undefined && hostText(`/proc/${pid}/setgroups`)?.trim() === "deny" ? "deny" : "allow",
          creatorHadSetfcap: true
        })
      case "pid":
        return add("pid", { parent: ns.pid, level: 1, nextPid: 2 })
      case "net": {
        const id = add("net", { nextIndex: 2 })
        link(make, id, 1, "lo", { mac: "00:00:00:00:00:00", mtu: 65536 })
        return id
      }
      case "uts":
        return add("uts", { nodename: "(unknown)", domainname: "(none)" })
      case "ipc":
        return add("ipc", {})
      case "cgroup":
        return add("cgroup", { roots: pid === undefined ? new Map() : groupsOf(pid) })
      case "time":
        return add("time", {
          offsets: (pid === undefined ? undefined : hostText(`/proc/${pid}/timens_offsets`)) ?? "",
          fixed: true
        })
      case "mnt":
        return this.#mounts(pid, add("mnt", { root: this.#bottom }))
    }
  }

  /** The mounts of another mount namespace, whose files are reached through a process in it. */
  #mounts(pid: number | undefined, id: number): number {
    const text = pid === undefined ? undefined : hostText(`/proc/${pid}/mountinfo`)
    const { make } = this.#making
    const bottom = make.mount(make.mounts.get(this.#bottom)!.fs, id)
    make.change(id, "mnt", { root: bottom })
    if (text !== undefined) {
      hostMountTree(this.#making, { text, mntNs: id, bottom, below: `/proc/${pid}/root` })
    }
    return id
  }
}
