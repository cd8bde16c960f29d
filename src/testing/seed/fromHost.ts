/**
 * The machine that this runs on, as the beginning of a model: its mounts, cgroups, links, limits and files.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import * as os from "node:os"
import { basename } from "node:path"
import { MS } from "../../native/constants.ts"
import { formatAddress } from "../../native/inet.ts"
import * as Cgroups from "../Cgroups.ts"
import { limitTitles } from "../Proc.ts"
import * as Routes from "../Routes.ts"
import type { Options } from "../Seed.ts"
import type { Link, Node, NodeId, State } from "../State.ts"
import { apply } from "../transitions.ts"
import { builder, finish, hierarchy, initialNamespaces, link, usualTypes } from "./build.ts"

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const unescape = (text: string): string =>
  text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const optionFlags: Readonly<Record<string, number>> = {
  ro: MS.RDONLY,
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  noatime: MS.NOATIME,
  nodiratime: MS.NODIRATIME,
  relatime: MS.RELATIME,
  nosymfollow: MS.NOSYMFOLLOW
}

/**
 * The machine that this runs on, as far as a plan needs it: the caller's ids and capabilities, mounts, cgroups, links.
 * Files are read when the model first looks at them, and never written: what a plan changes stays in the model.
 */
export const fromHost = (overrides: Pick<Options, "securityModules" | "freezingReads"> = {}): State => {
  const make = builder()
  const ns = initialNamespaces(make, os.hostname())
  const status = new Map(
    (readText("/proc/self/status") ?? "").split("\n").map((line) => line.split(":\t") as [string, string])
  )
  const ids = (name: string): number => Number((status.get(name) ?? "0").split("\t")[1] ?? 0)
  const capabilities = (name: string): bigint => BigInt(`0x${status.get(name) ?? "0"}`)
  const cpus = os.cpus().length || 1

  const bottomFs = make.fileSystem("ramfs", undefined, ns.user, { source: "rootfs" })
  const bottom = make.mount(bottomFs, ns.mnt)
  const mntNs = make.b.namespaces.get(ns.mnt)
  if (mntNs?.type === "mnt") make.b.namespaces.set(ns.mnt, { ...mntNs, root: bottom })

  const memberships = new Map<number, string>()
  const hierarchies = new Map<string, number>()
  for (const line of (readText("/proc/self/cgroup") ?? "").trim().split("\n")) {
    const [number, names, ...rest] = line.split(":")
    if (number === undefined || names === undefined) continue
    const path = rest.join(":")
    const version = number === "0" ? 2 : 1
    const id = hierarchy(
      make,
      version,
      version === 2 ? [] : names.startsWith("name=") ? [] : names.split(","),
      cpus,
      [path],
      names.startsWith("name=") ? names.slice(5) : undefined,
      Number(number)
    )
    memberships.set(id, path)
    hierarchies.set(version === 2 ? "" : names, id)
  }

  const lines = (readText("/proc/self/mountinfo") ?? "1 0 0:1 / / rw - ext4 none rw").trim().split("\n").map((line) => {
    const [left, right] = line.split(" - ") as [string, string]
    const [id, parent, dev, root, point, options, ...tags] = left.split(" ") as [
      string,
      string,
      string,
      string,
      string,
      string
    ]
    const [type, source] = right.split(" ") as [string, string]
    const peer = (name: string): number | undefined => {
      const found = (tags as ReadonlyArray<string>).find((tag) => tag.startsWith(`${name}:`))
      return found === undefined ? undefined : 1_000_000 + Number(found.slice(name.length + 1))
    }
    return {
      id: Number(id),
      parent: Number(parent),
      dev: dev.split(":").map(Number) as [number, number],
      root: unescape(root),
      point: unescape(point),
      flags: options.split(",").reduce((flags, option) => flags | (optionFlags[option] ?? 0), 0),
      type,
      source: unescape(source),
      options: right.split(" ")[2]?.split(",") ?? [],
      shared: peer("shared"),
      master: peer("master")
    }
  })
  const byHostId = new Map<number, number>()
  const instances = new Map<string, number>()
  // a parent may be listed after its child: place those whose parent is known first
  const waiting = [...lines]
  for (let before = -1; waiting.length > 0 && waiting.length !== before;) {
    before = waiting.length
    for (const line of waiting.splice(0)) {
      const isRoot = line.point === "/" && !byHostId.has(line.parent)
      const parent = isRoot ? bottom : byHostId.get(line.parent)
      if (parent === undefined) {
        waiting.push(line)
        continue
      }
      const key = `${line.dev.join(":")} ${line.root}`
      const fs = instances.get(key) ?? hostFileSystem(make, ns, line, hierarchies)
      instances.set(key, fs)
      const mountpoint = isRoot
        ? make.b.fileSystems.get(bottomFs)!.root
        : hostMountpoint(make, parent, relativeTo(lines.find(({ id }) => id === line.parent)?.point ?? "/", line.point))
      const id = make.mount(fs, ns.mnt, { mount: parent, node: mountpoint }, line.flags)
      byHostId.set(line.id, id)
      const mount = make.b.mounts.get(id)!
      make.b.mounts.set(id, {
        ...mount,
        ...line.shared === undefined ? {} : { shared: line.shared },
        ...line.master === undefined ? {} : { master: line.master }
      })
    }
  }
  const root = byHostId.get(lines.findLast(({ point }) => point === "/")?.id ?? -1) ?? bottom
  const cgroupNs = make.b.namespaces.get(ns.cgroup)
  if (cgroupNs?.type === "cgroup") {
    make.b.namespaces.set(ns.cgroup, { ...cgroupNs, roots: new Map([...memberships.keys()].map((id) => [id, "/"])) })
  }
  hostLinks(make, ns.net)
  const limits = readText("/proc/self/limits")
  const groups = (status.get("Groups") ?? "").trim()
  const state = finish(make, ns, {
    uid: ids("Uid"),
    gid: ids("Gid"),
    groups: groups === "" ? [] : groups.split(" ").map(Number),
    capabilities: capabilities("CapEff"),
    bounding: capabilities("CapBnd"),
    lastCapability: Number(readText("/proc/sys/kernel/cap_last_cap") ?? "40"),
    cpus,
    pid: process.pid > 1 ? process.pid : 2,
    release: os.release(),
    uptime: BigInt(Math.round(os.uptime() * 1e9)),
    fileSystemTypes: [
      ...new Set([
        ...usualTypes.filter((type) => type !== "overlay"),
        ...(readText("/proc/filesystems") ?? "").split("\n").map((line) => line.split("\t")[1] ?? "").filter((type) =>
          type !== ""
        )
      ])
    ],
    ...limits === undefined ? {} : { limits: hostLimits(limits) },
    ...overrides,
    root,
    memberships
  })
  const settled = apply(state, [...state.processes.keys()].at(-1)!, (m) => {
    Routes.settle(m, ns.net, hostRoutes(m.links.values()))
  })
  // parameters are those of the machine until one is written
  return { ...settled, sysctls: new Map(), facts: { ...settled.facts, hostSysctls: true } }
}

/** The limits, which the kernel lists in an order of its own. */
const hostLimits = (text: string): NonNullable<Options["limits"]> =>
  Object.fromEntries(
    [...text.matchAll(/^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/gm)].flatMap(([, title, ...values]) => {
      const resource = limitTitles.find(([name]) => name === title)?.[1]
      const [soft, hard] = values.map((value) => value === "unlimited" ? 2n ** 64n - 1n : BigInt(value))
      return resource === undefined ? [] : [[resource, { soft: soft!, hard: hard! }]]
    })
  )

const relativeTo = (parent: string, path: string): ReadonlyArray<string> =>
  path.slice(parent === "/" ? 0 : parent.length).split("/").filter((part) => part !== "")

interface HostMount {
  readonly type: string
  readonly source: string
  readonly point: string
  readonly root: string
  readonly options: ReadonlyArray<string>
  readonly dev: readonly [number, number]
}

const hostFileSystem = (
  make: ReturnType<typeof builder>,
  ns: ReturnType<typeof initialNamespaces>,
  line: HostMount,
  hierarchies: Map<string, number>
): number => {
  const kept = { source: line.source }
  const set = (id: number, root: NodeId, shows?: number): number => {
    const fs = make.b.fileSystems.get(id)!
    make.b.fileSystems.set(id, {
      ...fs,
      root,
      dev: { major: line.dev[0], minor: line.dev[1] },
      ...shows === undefined ? {} : { shows }
    })
    return id
  }
  if (line.type === "proc") {
    const id = make.fileSystem("proc", "proc::", ns.user, kept)
    return set(id, `proc:${id}:`, ns.pid)
  }
  if (line.type === "cgroup" || line.type === "cgroup2") {
    const names = line.options.filter((option) =>
      !["rw", "ro", "nsdelegate", "memory_recursiveprot", "xattr", "clone_children"].includes(option)
    )
    const hierarchyId = hierarchies.get(line.type === "cgroup2" ? "" : names.join(",")) ??
      hierarchies.get(names[0] ?? "")
    if (hierarchyId !== undefined) {
      if (line.type === "cgroup2") hostControllers(make, hierarchyId, line.point)
      const path = make.b.cgroups.has(Cgroups.keyOf(hierarchyId, line.root)) ? line.root : "/"
      const id = make.fileSystem(line.type, "", ns.user, { ...kept, options: line.type === "cgroup" ? names : [] })
      return set(id, Cgroups.directoryOf(hierarchyId, path), hierarchyId)
    }
  }
  const id = make.fileSystem(line.type, "", ns.user, kept)
  const isDirectory = isDirectoryOnHost(line.point)
  const { gid, mode, uid } = ownerOnHost(line.point)
  const root = make.node(
    id,
    undefined,
    "",
    mode,
    isDirectory
      ? { _tag: "Directory", entries: new Map(), host: line.point }
      : { _tag: "File", data: new Uint8Array(), host: line.point },
    uid,
    gid
  )
  return set(id, root, line.type === "sysfs" ? ns.net : undefined)
}

/** Of what is on top at a mount point. */
const ownerOnHost = (path: string): { readonly mode: number; readonly uid: number; readonly gid: number } => {
  try {
    const { gid, mode, uid } = statSync(path)
    return { mode: mode & 0o7777, uid, gid }
  } catch {
    return { mode: 0o755, uid: 0, gid: 0 }
  }
}

const isDirectoryOnHost = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return true
  }
}

/** What a version 2 hierarchy offers, from its own files. */
const hostControllers = (make: ReturnType<typeof builder>, id: number, point: string): void => {
  const controllers = (readText(`${point}/cgroup.controllers`) ?? "").trim().split(/\s+/).filter((name) => name !== "")
  const on = (readText(`${point}/cgroup.subtree_control`) ?? "").trim().split(/\s+/).filter((name) => name !== "")
  make.b.hierarchies.set(id, { ...make.b.hierarchies.get(id)!, controllers })
  const key = Cgroups.keyOf(id, "/")
  make.b.cgroups.set(key, { ...make.b.cgroups.get(key)!, controllersOn: on })
}

/** The node that a mount of the real machine lies on, made as an empty directory; its siblings are read on demand. */
const hostMountpoint = (make: ReturnType<typeof builder>, parent: number, path: ReadonlyArray<string>): NodeId => {
  let at: NodeId = make.b.mounts.get(parent)!.root
  for (const name of path) {
    if (typeof at !== "number") {
      const text: string = at
      at = text.startsWith("cg:")
        ? `${text}${text.endsWith("/") ? "" : "/"}${name}`
        : `${text}${text.endsWith(":") ? "" : "/"}${name}`
      continue
    }
    const here: Node = make.b.nodes.get(at)!
    const there = make.child(at, name)
    if (there !== undefined) {
      at = there
      continue
    }
    const host = here.content._tag === "Directory" ? here.content.host : undefined
    const full = host === undefined ? undefined : host === "/" ? `/${name}` : `${host}/${name}`
    at = make.node(
      here.fs,
      at,
      name,
      0o755,
      full !== undefined && !isDirectoryOnHost(full)
        ? { _tag: "File", data: new Uint8Array(), host: full }
        : full === undefined
        ? make.directory()
        : { _tag: "Directory", entries: new Map(), host: full }
    )
  }
  return at
}

const hostLinks = (make: ReturnType<typeof builder>, ns: number): void => {
  let names: ReadonlyArray<string> = []
  try {
    names = readdirSync("/sys/class/net")
  } catch {
    // no sysfs: the machine has lo
  }
  const number = (name: string, file: string, otherwise: number): number =>
    Number(readText(`/sys/class/net/${name}/${file}`)?.trim() ?? otherwise)
  const addresses = Object.entries(os.networkInterfaces())
  let highest = 1
  for (const name of names.length === 0 ? ["lo"] : names) {
    const index = number(name, "ifindex", 1)
    if (!Number.isInteger(index)) continue
    highest = Math.max(highest, index)
    const bridge = isDirectoryOnHost(`/sys/class/net/${name}`) &&
      readText(`/sys/class/net/${name}/bridge/bridge_id`) !== undefined
    const master = nameOfLink(`/sys/class/net/${name}/master`)
    const alias = readText(`/sys/class/net/${name}/ifalias`)?.trim()
    link(make, ns, index, name, {
      kind: bridge ? "bridge" : "",
      txQueueLength: number(name, "tx_queue_len", 1000),
      ...master === undefined ? {} : { master: number(master, "ifindex", 0) },
      ...alias === undefined || alias === "" ? {} : { alias },
      ...readText(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)?.trim() === "1" ? { ipv6Off: true } : {},
      up: (number(name, "flags", 1) & 1) === 1,
      mtu: number(name, "mtu", 1500),
      mac: readText(`/sys/class/net/${name}/address`)?.trim() ?? "00:00:00:00:00:00",
      addresses: (addresses.find(([other]) => other === name)?.[1] ?? []).flatMap(({ cidr }) => cidr ?? [])
    })
  }
  const net = make.b.namespaces.get(ns)
  if (net?.type === "net") make.b.namespaces.set(ns, { ...net, nextIndex: highest + 1 })
}

const nameOfLink = (path: string): string | undefined => {
  try {
    return basename(readlinkSync(path))
  } catch {
    return undefined
  }
}

/** The routes of the main tables; those of IPv4 without a preferred source, which the list does not tell. */
const hostRoutes = (links: ReadonlyArray<Link>): ReadonlyArray<Routes.Given> => {
  const linkOf = (name: string | undefined): number | undefined => links.find((link) => link.name === name)?.index
  const rows = (path: string): ReadonlyArray<ReadonlyArray<string>> =>
    (readText(path) ?? "").split("\n").map((line) => line.trim().split(/\s+/)).filter((row) => row.length > 1)
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
  // RTF_UP, and neither RTF_REJECT nor RTF_LOCAL (linux/route.h, linux/ipv6_route.h)
  const isUsual = (flags: string | undefined): boolean => (Number.parseInt(flags ?? "0", 16) & 0x8000_0201) === 1
  const four = rows("/proc/net/route").slice(1).flatMap(
    ([name, to, by, flags, , , , mask]): ReadonlyArray<Routes.Given> => {
      const link = linkOf(name)
      if (link === undefined || !isUsual(flags)) return []
      // of the machine's byte order, as everything that this runs on is little-endian
      const text = (hex: string): string => formatAddress(bytes(hex).toReversed())
      const prefix = Number.parseInt(mask!, 16).toString(2).replaceAll("0", "").length
      return [{
        family: 4,
        destination: prefix === 0 ? null : `${text(to!)}/${prefix}`,
        gateway: by === "00000000" ? null : text(by!),
        link
      }]
    }
  )
  const six = rows("/proc/net/ipv6_route").flatMap((row): ReadonlyArray<Routes.Given> => {
    const link = linkOf(row[9])
    const [to, length] = [row[0]!, Number.parseInt(row[1]!, 16)]
    // groups' routes come with addresses
    if (link === undefined || !isUsual(row[8]) || to.startsWith("ff")) return []
    return [{
      family: 6,
      destination: length === 0 ? null : `${formatAddress(bytes(to))}/${length}`,
      gateway: /^0+$/.test(row[4]!) ? null : formatAddress(bytes(row[4]!)),
      link
    }]
  })
  return [...four, ...six]
}
