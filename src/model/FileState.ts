/**
 * The second part of the state of a model machine: nodes, mounts, and what descriptors refer to.
 *
 * @category models
 * @since 0.1.0
 */
import type { Errno } from "../native/Errno.ts"
import type { TerminalModes } from "../native/results.ts"
import type { MountSettings, Room } from "./mountData.ts"
import type { Credentials } from "./State.ts"

/**
 * The id of a node of a file system: a number for stored nodes, a text for computed ones (`/proc`, cgroups).
 *
 * @since 0.2.0
 */
export type NodeId = number | string

/** A place in the mount tree: a node in a mount. */
export interface Location {
  readonly mount: number
  readonly node: NodeId
}

/**
 * What a node is. `host` marks content of the real machine that is not read yet.
 *
 * @since 0.2.0
 */
export type Content =
  | { readonly _tag: "Directory"; readonly entries: ReadonlyMap<string, NodeId>; readonly host?: string }
  | { readonly _tag: "File"; readonly data: Uint8Array; readonly host?: string; readonly seals?: number }
  | { readonly _tag: "Symlink"; readonly target: string }
  | { readonly _tag: "Device"; readonly type: "c" | "b"; readonly major: number; readonly minor: number }
  | {
    readonly _tag: "Fifo"
    readonly data: Uint8Array
    /** The pages that hold the data: where it begins in each, and its length. */
    readonly pages?: ReadonlyArray<{ readonly at: number; readonly length: number }>
    /** Processes that slept in open(2), whose other end was opened, and that have not continued yet. */
    readonly met?: ReadonlyArray<number>
  }
  /** `listening`: a peer outside of the model accepts every connection. */
  | { readonly _tag: "Socket"; readonly listening: boolean }
  /**
   * A node of overlayfs: the node of the upper layer, if there is one, and the nodes of the lower layers that it is merged
   * from, the highest first. `entries`: the names that were looked up.
   */
  | {
    readonly _tag: "Overlay"
    readonly upper?: NodeId
    readonly lowers: ReadonlyArray<NodeId>
    readonly entries: ReadonlyMap<string, NodeId>
  }

/**
 * A stored node. There are no hard links in the model: a node has one name.
 *
 * @since 0.2.0
 */
export interface Node {
  readonly id: number
  readonly fs: number
  readonly parent: NodeId
  readonly name: string
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly content: Content
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
  /** It is a node of the real machine. */
  readonly fromHost?: true
  /** Its inode number; absent if that is the id. */
  readonly number?: number
}

/** A file system instance (a superblock). */
export interface FileSystem {
  readonly id: number
  readonly type: string
  readonly source: string
  readonly readonly: boolean
  /** The user namespace that mounted it. */
  readonly owner: number
  readonly root: NodeId
  readonly options: ReadonlyArray<string>
  /** The limits of a tmpfs; absent: as much as the machine's memory. */
  readonly room?: Room
  /** The pid, net or ipc namespace, or the cgroup hierarchy, that it shows. */
  readonly shows?: number
  readonly dev: { readonly major: number; readonly minor: number }
}

/**
 * A mount.
 *
 * @since 0.2.0
 */
export interface Mount {
  readonly id: number
  /** The mount it is on, and the node there; absent for the bottom of a tree and for detached trees. */
  readonly parent?: number
  readonly mountpoint?: NodeId
  readonly fs: number
  readonly root: NodeId
  /** The mount namespace; 0 for a detached tree. */
  readonly ns: number
  /** `MS_*` flags that belong to a mount: rdonly, nosuid, nodev, noexec, noatime, nodiratime, relatime, nosymfollow. */
  readonly flags: number
  /** The peer group, and the group that it receives from. @see mount_namespaces(7) */
  readonly shared?: number
  readonly master?: number
  readonly unbindable: boolean
  /** It came from a more privileged mount namespace: it can't be unmounted alone, and `lockedFlags` can't be cleared. */
  readonly locked: boolean
  readonly lockedFlags: number
  readonly idmap?: number
}

/** What an open file description is. @see open(2) */
export type FileKind =
  /**
   * `memfd`: returned by memfd_create(2); it does not count as open for writing (execve(2), ETXTBSY). `tree`: returned by
   * open_tree(2) or fsmount(2); its close ends the detached tree.
   */
  | { readonly _tag: "Node"; readonly location: Location; readonly memfd?: true; readonly tree?: true }
  | { readonly _tag: "Socket"; readonly socket: number }
  | { readonly _tag: "Pid"; readonly pid: number }
  | {
    readonly _tag: "FsContext"
    /** The namespace that an instance belongs to, and the user namespace that decides who may make it (`fc->user_ns`). */
    readonly place: { readonly namespace: number; readonly owner: number }
    readonly type: string
    readonly settings: MountSettings
    readonly fs?: number
    /** `parameters`: it takes options; `made`: it has an instance; `failed`: no instance could be made. */
    readonly phase: "parameters" | "made" | "failed" | "mounted"
  }
  /** `hungUp`: the terminal is gone, or was taken from its session, so nothing can be read or written any more. */
  | {
    readonly _tag: "Pty"
    readonly pty: number
    readonly side: "master" | "slave"
    readonly location: Location
    readonly hungUp?: true
  }
  | { readonly _tag: "BpfProgram"; readonly instructions: Uint8Array }
  | { readonly _tag: "SeccompListener"; readonly pid: number }

/** An open file description. */
export interface OpenFile {
  readonly id: number
  /** Descriptors and messages in flight that hold it. */
  readonly refs: number
  readonly kind: FileKind
  /** Access mode and status flags. */
  readonly flags: number
  readonly offset: number
  readonly path: string
  /** The opener, whose rights some files of /proc check. */
  readonly opener: { readonly pid: number; readonly creds: Credentials; readonly userNs: number }
  readonly lock?: "shared" | "exclusive"
  /** Its other end is outside of the model. It accepts all writes and returns no data. For a terminal, its modes. */
  readonly outside?: true | TerminalModes
}

/**
 * A message in flight.
 *
 * @since 0.2.0
 */
export interface Queued {
  readonly data: Uint8Array
  /** Open file descriptions, each holding a reference. */
  readonly files: ReadonlyArray<number>
  /** The sender; absent if credentials were not enabled when it was sent. */
  readonly sender?: { readonly numbers: ReadonlyMap<number, number>; readonly uid: number; readonly gid: number }
  /** The socket that sent it, and how much of that socket's buffer it takes until it is read. */
  readonly from: number
  readonly charge: number
}

/**
 * A socket.
 *
 * @since 0.2.0
 */
export interface Socket {
  readonly id: number
  readonly domain: number
  readonly type: number
  readonly peer?: number
  readonly queue: ReadonlyArray<Queued>
  readonly shutdownRead: boolean
  readonly shutdownWrite: boolean
  readonly passCredentials: boolean
  /** Whether descriptors may be sent to it (`SO_PASSRIGHTS`). */
  readonly passRights: boolean
  readonly receiveTimeout: number
  readonly error?: Errno
  /** For IPv4: its network namespace, and the address of bind(2). */
  readonly net?: number
  readonly bound?: { readonly address: string; readonly port: number }
  readonly listening?: true
  /** The far end of a connection that leaves the model. What was sent stays in its queue, where tests can read it. */
  readonly external?: string
}

/**
 * A pseudoterminal pair.
 *
 * @since 0.2.0
 */
export interface Pty {
  readonly id: number
  readonly number: number
  readonly fs: number
  readonly node: number
  readonly locked: boolean
  readonly rows: number
  /** Absent: the modes of a new terminal. */
  readonly modes?: TerminalModes
  readonly columns: number
  readonly toMaster: Uint8Array
  /** What slaves may read: whole lines, or pieces in non-canonical mode; and the line that is being typed. */
  readonly lines: ReadonlyArray<Uint8Array>
  readonly editing: Uint8Array
  /** The process group in the foreground, while a session has the terminal. */
  readonly foreground?: number
  readonly masterClosed?: true
  /** There were slaves, and the last one is closed. */
  readonly slavesClosed?: true
}
