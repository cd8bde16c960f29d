/** Mounts, with the old interface and the new one. */
import * as c from "../constants.ts"
import { invalid } from "../Refused.ts"
import { mount_attr, statfs } from "./structs.ts"
import { attempted, explained, type Handlers, type Syscalls } from "./Syscalls.ts"

/** mount(2) copies one page of its data, and ignores the rest. */
const mountDataSize = 4096
/** The file system of anonymous inodes, of which a file system context is one. */
const ANON_INODE_FS_MAGIC = 0x09041934
/** The longest message in the log of an fsopen(2) context, and a limit above the number of messages that it holds. */
const logMessageSize = 4096
const logMessages = 64

/** The handlers of the calls about mounts. */
export const mounts = ({ call, memory, numbers }: Syscalls) => {
  /** The kernel's log of a file system context: which option it refused, and why. */
  const logOf = (fd: number): string | undefined => {
    // read from such a descriptor only: a pipe would lose its data, or block
    const stat = memory.zeroed(statfs.size)
    if (attempted(() => call(numbers.fstatfs, fd, stat.address)) === undefined) return undefined
    if (stat.get(statfs.fields.f_type) !== ANON_INODE_FS_MAGIC) return undefined
    const messages: Array<string> = []
    while (messages.length < logMessages) {
      const block = memory.block(logMessageSize)
      // one read is one message; an empty log is ENODATA
      const size = attempted(() => call(numbers.read, fd, block.address, logMessageSize))
      if (size === undefined || size === 0) break
      // "e tmpfs: Unknown parameter 'x'": the letter is the level, an error, a warning or information
      messages.push(block.text(0, size).trimEnd().replace(/^[ewi] /, ""))
    }
    return messages.length === 0 ? undefined : messages.join("; ")
  }

  return {
    mount: ({ source, target, type, flags, data }) => {
      if (data !== null && Buffer.byteLength(data) >= mountDataSize) {
        throw invalid(`the data of a mount is limited to ${mountDataSize - 1} bytes; use fsopen(2)`)
      }
      call(
        numbers.mount,
        memory.textOrNull(source),
        memory.text(target),
        memory.textOrNull(type),
        flags,
        memory.textOrNull(data)
      )
    },
    umount2: ({ target, flags }) => void call(numbers.umount2, memory.text(target), flags),
    pivot_root: ({ newRoot, putOld }) => void call(numbers.pivot_root, memory.text(newRoot), memory.text(putOld)),
    open_tree: ({ dirfd, path, flags }) => call(numbers.open_tree, dirfd, memory.text(path), flags),
    move_mount: ({ fromDirfd, fromPath, toDirfd, toPath, flags }) =>
      void call(numbers.move_mount, fromDirfd, memory.text(fromPath), toDirfd, memory.text(toPath), flags),
    fsopen: ({ type, flags }) => call(numbers.fsopen, memory.text(type), flags),
    fsconfig: ({ fd, command, key, value, aux }) =>
      void explained(
        () => call(numbers.fsconfig, fd, command, memory.textOrNull(key), memory.textOrNull(value), aux),
        () => logOf(fd)
      ),
    fsmount: ({ fd, flags, attributes }) =>
      explained(() => call(numbers.fsmount, fd, flags, attributes), () => logOf(fd)),
    mount_setattr: ({ dirfd, path, flags, set, clear, propagation, usernsFd }) => {
      const attributes = memory.zeroed(mount_attr.size)
      attributes.set(mount_attr.fields.attr_set, set)
      attributes.set(mount_attr.fields.attr_clr, clear)
      attributes.set(mount_attr.fields.propagation, propagation)
      if ((set & c.MOUNT_ATTR.IDMAP) !== 0) attributes.set(mount_attr.fields.userns_fd, usernsFd)
      call(numbers.mount_setattr, dirfd, memory.text(path), flags, attributes.address, mount_attr.size)
    }
  } satisfies Partial<Handlers>
}
