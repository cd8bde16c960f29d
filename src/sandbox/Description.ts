/**
 * What a sandbox is, in plain words: everything may be left out, and what is left out is safe.
 *
 * @category descriptions
 * @since 0.2.0
 */
import type { Redacted } from "effect/Redacted"
import type { Name as CapabilityName } from "../config/capabilities.ts"
import type { Seccomp } from "../config/Container.ts"
import type { Size, Time } from "../config/shape/quantity.ts"
import type { Answer, Request } from "./network/access.ts"
import type { Connection } from "./network/Connection.ts"
import type { Workspace } from "./workspace/find.ts"

/**
 * A limit that may be left out if this host can't keep it; see {@link ifPossible}.
 *
 * @category models
 */
export interface IfPossible<A> {
  readonly _tag: "IfPossible"
  readonly value: A
}

/**
 * Asks for a limit if it can be had. Without it, a limit that can't be kept here is an error, never ignored.
 *
 * **Example** (A memory limit where there are cgroups)
 *
 * ```ts
 * make({ limits: { memory: ifPossible("256 MiB") } })
 * ```
 */
export const ifPossible = <A>(value: A): IfPossible<A> => ({ _tag: "IfPossible", value })

/**
 * A part of the host's files in the sandbox; see {@link bind}.
 *
 * @category models
 */
export interface Bind {
  readonly _tag: "Bind"
  /** Absolute path on the host. */
  readonly source: string
  /** Absolute path in the sandbox; the same if absent. */
  readonly at?: string
  /** Whether it can't be written; true if absent. */
  readonly readOnly?: boolean
}

/**
 * Memory that can be written, empty at first; see {@link tmpfs}.
 *
 * @category models
 */
export interface Tmpfs {
  readonly _tag: "Tmpfs"
  readonly at: string
  /** The most that it holds; 64 MiB if absent. */
  readonly size?: Size
  /** Whether programs in it can be executed; true if absent. */
  readonly executable?: boolean
}

/**
 * Something mounted in the sandbox.
 *
 * @category models
 */
export type MountOf = Bind | Tmpfs

/**
 * A file or directory of the host in the sandbox, read-only if nothing else is said.
 *
 * **Example** (A directory of data, and one for the results)
 *
 * ```ts
 * make({ mounts: [bind("/srv/data"), bind("/srv/results", { at: "/out", readOnly: false })] })
 * ```
 */
export const bind = (source: string, options: Omit<Bind, "_tag" | "source"> = {}): Bind => ({
  ...options,
  _tag: "Bind",
  source
})

/** A file system in memory that everybody in the sandbox may write, at most 64 MiB large if nothing else is said. */
export const tmpfs = (at: string, options: Omit<Tmpfs, "_tag" | "at"> = {}): Tmpfs => ({
  ...options,
  _tag: "Tmpfs",
  at
})

/**
 * Directories of the host stacked to a root; see {@link layers}.
 *
 * @category models
 */
export interface Layers {
  readonly _tag: "Layers"
  readonly directories: ReadonlyArray<string>
}

/**
 * A root of directories of the host that are stacked, the uppermost first, as the layers of an image are. What is written
 * is thrown away.
 */
export const layers = (...directories: ReadonlyArray<string>): Layers => ({ _tag: "Layers", directories })

/**
 * What a sandbox may use. These are limited if nothing is said: `output` (10 MiB), `files` (1024), core dumps (none), and
 * `processes` (1024, if that can be had). Nothing else is.
 *
 * @category models
 */
export interface Limits {
  /** Memory of all its processes, with what they write to a tmpfs. Takes a cgroup. */
  readonly memory?: Size | IfPossible<Size>
  /** Memory and swap together, at least `memory`; as much as `memory`, and so no swap, if absent. */
  readonly swap?: Size | IfPossible<Size>
  /** Processors: 0.5 is half of one. Takes a cgroup. */
  readonly cpus?: number | IfPossible<number>
  /** Processes and threads at the same time. */
  readonly processes?: number | IfPossible<number>
  /** Descriptors that each process may have open. */
  readonly files?: number
  /** The largest file that can be written. */
  readonly fileSize?: Size
  /** From the start of the program to its end; then all of its processes are killed. */
  readonly time?: Time
  /** What `run` takes of standard output, and as much of standard error; more of it ends the program. */
  readonly output?: Size
}

/**
 * Hosts that the programs of a sandbox may reach, by a proxy that the usual variables (`HTTPS_PROXY`…) point to, and
 * nothing else.
 *
 * @category models
 */
export interface Allow {
  /**
   * `"example.org"`, with the ports 443 and 80; `"example.org:22"`; `"*.example.org"`, all names below it; `"*"`, all names;
   * `"10.0.0.7:5432"`, `"10.0.0.0/8"`, `"[fd00::7]:443"`. A name never leads to a private address, a loopback or a link-local
   * one that is not named itself.
   */
  readonly allow: ReadonlyArray<string>
  /** Asked for what the list does not allow; no answer within two minutes is a no. */
  readonly ask?: (request: Request) => Answer<boolean>
  /** Finds the addresses of a name; by the servers in the host's /etc/resolv.conf if absent. */
  readonly resolve?: (name: string) => Answer<ReadonlyArray<string>>
  /** Is told of each connection that a program asks for, whatever becomes of it. */
  readonly onConnection?: (connection: Connection) => void
}

/**
 * A pair of interfaces, one in the sandbox, the other one on a bridge of the host. Only root can have it.
 *
 * @category models
 */
export interface Veth {
  /** The bridge's name. */
  readonly bridge: string
  /** The address of the bridge, with its prefix (`"10.88.0.1/24"`), if it is to be made; it is removed with its last sandbox. */
  readonly createBridge?: string
  /** The name of the sandbox's interface; `"eth0"` if absent. */
  readonly name?: string
  /** Its address with a prefix: `"10.88.0.2/24"`. */
  readonly address?: string
  readonly gateway?: string
  readonly ipv6Address?: string
  readonly ipv6Gateway?: string
  readonly macAddress?: string
  readonly mtu?: number
}

/**
 * A sandbox as it is described; see `make`.
 *
 * @category models
 */
export interface Description {
  /**
   * What the program sees as `/`: `"host"`, which is the host's programs and settings (/usr, /bin, /lib…, /etc, /opt,
   * /nix) and nothing else of it; an absolute path of a directory on the host; or {@link layers}. `"host"` if absent.
   */
  readonly root?: "host" | (string & {}) | Layers
  /** Whether the root can't be written; true if absent. It does not hold for what is mounted in it. */
  readonly readOnly?: boolean
  /** Paths of the host that are in the sandbox under the same name, and can be written there. */
  readonly writable?: ReadonlyArray<string>
  /** A directory that can be written, but for names and paths in it that are covered; see `workspace`. */
  readonly workspace?: Workspace
  readonly mounts?: ReadonlyArray<MountOf>
  /** Paths of the sandbox that are covered: a file is empty, and so is a directory. What is not there is no error. */
  readonly hidden?: ReadonlyArray<string>
  /** The size of /tmp, a file system of the sandbox's own in memory; 64 MiB if absent, `false` for none. */
  readonly tmp?: Size | false
  /**
   * The size of a home of its own, /home/sandbox, in memory and empty. `HOME` names it, and only the program's user may enter
   * it. Without one, /tmp is the home, or / if there is no /tmp.
   */
  readonly home?: Size | false
  /**
   * Whose rights the program has: `"name"`, `"name:group"`, `"1000:1000"` or 1000, looked up in the sandbox's own files. If
   * absent: for root, the owner of the workspace, or nobody (65534) without one; for anybody else, the caller's own ids.
   */
  readonly user?: string | number
  /**
   * `"none"`; `"loopback"`, only itself; `{ allow: ["example.org"] }`, beside itself only hosts that are named, see
   * {@link Allow}; `{ bridge: "br0", address: "10.88.0.2/24" }`, what is on a bridge of the host, see {@link Veth}; `"host"`,
   * all that the host has. `"loopback"` if absent.
   */
  readonly network?: "none" | "loopback" | "host" | Allow | Veth
  readonly limits?: Limits
  /**
   * Variables of its environment, in addition to `PATH`, to `HOME` (see `home`), and to those that name the proxy of
   * {@link Allow}. A secret may be `Redacted`.
   */
  readonly env?: Readonly<Record<string, string | Redacted<string>>>
  /** Names of variables that are taken from the caller's environment, if they are there. */
  readonly inherit?: ReadonlyArray<string>
  /** Working directory. If absent: the workspace; without one, /tmp; without that, /. */
  readonly cwd?: string
  /** If absent `"sandbox"`, or the caller's own in a container that may not set one. */
  readonly hostname?: string
  /** Devices of the host, by path, beside null, zero, full, random, urandom and tty. */
  readonly devices?: ReadonlyArray<string>
  /**
   * What the program may do of what root may, with or without `CAP_`; nothing if absent. With `SYS_ADMIN` it can take away what
   * covers files that are hidden or read-only.
   */
  readonly capabilities?: ReadonlyArray<CapabilityName | `CAP_${CapabilityName}`>
  /**
   * Whether process 1 is one of runfx's own, which waits for the processes that nobody else waits for, and hands signals on;
   * otherwise the program itself is. A program that a signal has ended has the exit code 128 and its number then.
   */
  readonly init?: boolean
  /** Which system calls it may make: `"default"`, `"strict"`, `"none"` for no filter, or a filter in the OCI form. */
  readonly seccomp?: "default" | "strict" | "none" | Seccomp
  /** Whether no program can gain privileges by execution, as sudo does; true if absent. */
  readonly noNewPrivileges?: boolean
  /** Whether it has a user namespace of its own; true if absent. Only root can do without. */
  readonly userNamespace?: boolean
}
