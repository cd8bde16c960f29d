/**
 * How a model machine begins: from a short description, or as a copy of the machine that this runs on.
 *
 * @category models
 * @since 0.1.0
 */
import { settle } from "./Routes.ts"
import { Builder } from "./seed/Builder.ts"
import { finish } from "./seed/finish.ts"
import { kernelMounts } from "./seed/kernelMounts.ts"
import { initialNamespaces, link } from "./seed/objects.ts"
import { usual } from "./seed/usual.ts"
import type { State } from "./State.ts"
import { apply } from "./transitions.ts"

export { fromHost } from "./seed/fromHost.ts"

/** One file of a seed: its text, or more. */
export type SeedFile =
  | string
  | Uint8Array
  | {
    /** Permission bits; 0644, directories 0755. */
    readonly mode?: number
    readonly uid?: number
    readonly gid?: number
    /** The text; if absent, empty, or a program if the file has an execute bit. */
    readonly text?: string
    readonly symlink?: string
    readonly directory?: boolean
    readonly fifo?: boolean
    /** A unix socket on which something listens. */
    readonly socket?: boolean
    readonly device?: readonly ["c" | "b", number, number]
  }

/** The options of a model machine. Each has a default. By default, the machine has root as caller, and the link `lo`. */
export interface Options {
  /** Real, effective and saved uid of the first process; 0 if absent. */
  readonly uid?: number
  readonly gid?: number
  readonly groups?: ReadonlyArray<number>
  /** Its capabilities, as a bit set. If absent, all for uid 0, otherwise none. */
  readonly capabilities?: bigint
  /** Its bounding set; all if absent. */
  readonly bounding?: bigint
  /** Files by absolute path; parents are made. */
  readonly files?: Readonly<Record<string, SeedFile>>
  /** Layout of `/sys/fs/cgroup`: `"hybrid"` is v1 with a v2 hierarchy without controllers at `unified`. */
  readonly cgroup?: "v1" | "v2" | "hybrid" | "none"
  /** The group of the first process in every hierarchy; `/` if absent. */
  readonly cgroupPath?: string
  /** How often `freezer.state` reads FREEZING before FROZEN; 0 if absent. */
  readonly freezingReads?: number
  readonly hostname?: string
  /** `/proc/sys/kernel/cap_last_cap`; 40 if absent. */
  readonly lastCapability?: number
  readonly cpus?: number
  /** Propagation of all mounts at the start; private if absent. */
  readonly propagation?: "private" | "shared"
  /** The root is the initramfs, where pivot_root(2) does not work. */
  readonly initramfs?: boolean
  /** By path below `/proc/sys`, with slashes. */
  readonly sysctls?: Readonly<Record<string, string>>
  readonly securityModules?: ReadonlyArray<string>
  readonly fileSystemTypes?: ReadonlyArray<string>
  /** Links besides `lo`, by name, with their addresses. They are up. */
  readonly links?: Readonly<Record<string, ReadonlyArray<string>>>
  /** Limits of the first process, by `RLIMIT_*`. */
  readonly limits?: Readonly<Record<number, { readonly soft: bigint; readonly hard: bigint }>>
  /** Pid of the first process; 1000 if absent. Its parent is process 1. */
  readonly pid?: number
  /** Signals that the first process ignores; Node ignores SIGPIPE and SIGXFSZ. */
  readonly ignored?: ReadonlyArray<number>
}

/**
 * Makes a machine from a short description: a root file system in memory, `/proc`, `/sys`, `/dev`, cgroups, `lo`, process
 * 1, and the process that makes the calls.
 *
 * **Example** (An unprivileged caller on a v2 host)
 *
 * ```ts
 * const state = seed({ uid: 1000, cgroup: "v2", files: { "/bin/tool": { mode: 0o755 } } })
 * ```
 */
export const seed = (options: Options = {}): State => {
  const make = new Builder()
  const ns = initialNamespaces(make, options.hostname ?? "host")
  const bottomFs = make.fileSystem("ramfs", undefined, ns.user, { source: "rootfs" })
  const bottom = make.mount(bottomFs, ns.mnt)
  make.change(ns.mnt, "mnt", { root: bottom })
  let root = bottom
  if (options.initramfs !== true) {
    const fs = make.fileSystem("ext4", undefined, ns.user, { source: "/dev/vda" })
    root = make.mount(fs, ns.mnt, { mount: bottom, node: make.fileSystems.get(bottomFs)!.root })
  }
  const rootNode = make.mounts.get(root)!.root as number
  for (const [path, file] of Object.entries({ ...usual, ...options.files })) make.file(rootNode, path, file)
  const memberships = kernelMounts(
    make,
    ns,
    { mount: root, node: rootNode },
    options.cgroup ?? "v2",
    options.cpus ?? 2,
    options.cgroupPath ?? "/"
  )
  link(make, ns.net, 1, "lo", { mtu: 65536, mac: "00:00:00:00:00:00", addresses: ["127.0.0.1/8", "::1/128"] })
  const links = Object.entries(options.links ?? { eth0: ["192.0.2.2/24"] })
  for (const [index, [name, addresses]] of links.entries()) link(make, ns.net, index + 2, name, { addresses })
  make.change(ns.net, "net", { nextIndex: links.length + 2 })
  const state = finish(make, ns, { ...options, root, memberships })
  return apply(state, [...state.processes.keys()].at(-1)!, (m) => settle(m, ns.net))
}
