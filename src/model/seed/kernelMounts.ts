/** The mounts that a machine begins with: its root, /proc, /sys, /dev and the cgroups. */
import { directoryOf } from "../cgroupTree.ts"
import type { Options } from "../Seed.ts"
import type { NodeId } from "../State.ts"
import type { Builder } from "./Builder.ts"
import { hierarchy, initialNamespaces } from "./objects.ts"
import { controllers1, controllers2, devices } from "./usual.ts"

/** Mounts `/proc`, `/sys`, `/dev` and the cgroups on a root. */
export const kernelMounts = (
  make: Builder,
  ns: ReturnType<typeof initialNamespaces>,
  root: { readonly mount: number; readonly node: number },
  layout: NonNullable<Options["cgroup"]>,
  cpus: number,
  group: string
): ReadonlyMap<number, string> => {
  const on = (mount: number, base: number, path: string): { readonly mount: number; readonly node: NodeId } => ({
    mount,
    node: make.directories(base, path.split("/").filter((part) => part !== ""))
  })
  const proc = make.fileSystem("proc", "proc::", ns.user, { shows: ns.pid })
  const procFs = make.fileSystems.get(proc)!
  make.fileSystems.set(proc, { ...procFs, root: `proc:${proc}:` })
  make.mount(proc, ns.mnt, on(root.mount, root.node, "proc"))
  const sys = make.fileSystem("sysfs", undefined, ns.user, { shows: ns.net, mode: 0o555 })
  const sysRoot = make.fileSystems.get(sys)!.root as number
  make.directories(sysRoot, ["fs", "cgroup"])
  make.directories(sysRoot, ["kernel", "security"])
  make.directories(sysRoot, ["firmware"])
  make.directories(sysRoot, ["devices", "system", "cpu"])
  const sysMount = make.mount(sys, ns.mnt, on(root.mount, root.node, "sys"))
  const dev = make.fileSystem("devtmpfs", undefined, ns.user)
  const devRoot = make.fileSystems.get(dev)!.root as number
  for (const [name, [major, minor]] of Object.entries(devices)) {
    make.node(dev, devRoot, name, name === "console" ? 0o600 : 0o666, { _tag: "Device", type: "c", major, minor })
  }
  make.file(devRoot, "fd", { symlink: "/proc/self/fd" })
  const devMount = make.mount(dev, ns.mnt, on(root.mount, root.node, "dev"))
  const pts = make.fileSystem("devpts", undefined, ns.user, { options: ["mode=620", "ptmxmode=000"] })
  make.node(pts, make.fileSystems.get(pts)!.root as number, "ptmx", 0, {
    _tag: "Device",
    type: "c",
    major: 5,
    minor: 2
  })
  make.mount(pts, ns.mnt, on(devMount, devRoot, "pts"))
  make.mount(make.fileSystem("tmpfs", undefined, ns.user, { mode: 0o1777 }), ns.mnt, on(devMount, devRoot, "shm"))

  const memberships = new Map<number, string>()
  const add = (
    version: 1 | 2,
    controllers: ReadonlyArray<string>,
    where: { mount: number; node: NodeId },
    name?: string
  ): void => {
    const id = hierarchy(make, version, controllers, cpus, [group], name)
    memberships.set(id, group)
    const fs = make.fileSystem(version === 1 ? "cgroup" : "cgroup2", directoryOf(id, "/"), ns.user, {
      shows: id,
      options: version === 1 ? [name === undefined ? controllers.join(",") : `name=${name}`] : []
    })
    make.mount(fs, ns.mnt, where)
  }
  if (layout === "v2") add(2, controllers2, on(sysMount, sysRoot, "fs/cgroup"))
  if (layout === "v1" || layout === "hybrid") {
    const tmp = make.fileSystem("tmpfs", undefined, ns.user)
    const tmpRoot = make.fileSystems.get(tmp)!.root as number
    const tmpMount = make.mount(tmp, ns.mnt, on(sysMount, sysRoot, "fs/cgroup"))
    for (const controller of controllers1) add(1, [controller], on(tmpMount, tmpRoot, controller))
    add(1, [], on(tmpMount, tmpRoot, "systemd"), "systemd")
    if (layout === "hybrid") add(2, ["hugetlb"], on(tmpMount, tmpRoot, "unified"))
  }
  make.change(ns.cgroup, "cgroup", { roots: new Map([...memberships.keys()].map((id) => [id, "/"])) })
  return memberships
}
