/** Names in directories, and what they lead to. */
import { deviceNumber } from "../composed.ts"
import * as c from "../constants.ts"
import { invalid, Refused } from "../Refused.ts"
import type { DirectoryEntry } from "../results.ts"
import type { Block } from "./Block.ts"
import { linux_dirent64 } from "./structs.ts"
import type { Handlers, Syscalls } from "./Syscalls.ts"

const pathSize = 4096
const directorySize = 0x8000

const typeLetters: Readonly<Record<number, DirectoryEntry["type"]>> = {
  [c.DT.FIFO]: "p",
  [c.DT.CHR]: "c",
  [c.DT.DIR]: "d",
  [c.DT.BLK]: "b",
  [c.DT.REG]: "f",
  [c.DT.LNK]: "l",
  [c.DT.SOCK]: "s"
}

const entriesOf = (block: Block, size: number): ReadonlyArray<DirectoryEntry> => {
  const entries: Array<DirectoryEntry> = []
  const { d_ino, d_name, d_reclen, d_type } = linux_dirent64.fields
  for (let at = 0; at < size;) {
    const end = at + block.get(d_reclen, at)
    if (end <= at) throw new Refused("EIO", "an entry of a directory has no length")
    const name = block.textUntilNul(at + d_name.at, end)
    if (name !== "." && name !== "..") {
      entries.push({ name, ino: block.get(d_ino, at), type: typeLetters[block.get(d_type, at)] ?? "?" })
    }
    at = end
  }
  return entries
}

/** Encodes a device number as the kernel does; refuses one that it can't express. */
const checkedDevice = (major: number, minor: number): number => {
  if (!(major >= 0 && major < 1 << 12 && minor >= 0 && minor < 1 << 20)) {
    throw invalid(`there is no device ${major}:${minor}: a major number has 12 bits, a minor number 20`)
  }
  return deviceNumber(major, minor)
}

/** The handlers of the calls about names, directories, and attributes of files. */
export const paths = ({ call, memory, numbers }: Syscalls) => {
  const readlink = (dirfd: number, path: string, size: number): string => {
    const block = memory.block(size)
    const length = call(numbers.readlinkat, dirfd, memory.text(path), block.address, size)
    // a full buffer may hold a target that was cut off
    return length === size ? readlink(dirfd, path, size * 2) : block.text(0, length)
  }

  return {
    readlinkat: ({ dirfd, path }) => readlink(dirfd, path, pathSize),
    getdents64: ({ fd }) => {
      for (;;) {
        // new memory each time: see rpc/Client.ts
        const block = memory.block(directorySize)
        const size = call(numbers.getdents64, fd, block.address, directorySize)
        const entries = entriesOf(block, size)
        // a batch of nothing but "." and ".." is not the end
        if (size === 0 || entries.length > 0) return entries
      }
    },
    faccessat2: ({ dirfd, path, mode, flags }) => void call(numbers.faccessat2, dirfd, memory.text(path), mode, flags),
    mkdirat: ({ dirfd, path, mode }) => void call(numbers.mkdirat, dirfd, memory.text(path), mode),
    mknodat: ({ dirfd, path, mode, major, minor }) =>
      void call(numbers.mknodat, dirfd, memory.text(path), mode, checkedDevice(major, minor)),
    symlinkat: ({ target, dirfd, path }) => void call(numbers.symlinkat, memory.text(target), dirfd, memory.text(path)),
    unlinkat: ({ dirfd, path, flags }) => void call(numbers.unlinkat, dirfd, memory.text(path), flags),
    renameat2: ({ olddirfd, oldpath, newdirfd, newpath, flags }) =>
      void call(numbers.renameat2, olddirfd, memory.text(oldpath), newdirfd, memory.text(newpath), flags),
    fchmodat: ({ dirfd, path, mode }) => void call(numbers.fchmodat, dirfd, memory.text(path), mode),
    fchownat: ({ dirfd, path, uid, gid, flags }) =>
      void call(numbers.fchownat, dirfd, memory.text(path), uid, gid, flags),
    setxattr: ({ path, name, value }) =>
      void call(numbers.setxattr, memory.text(path), memory.text(name), memory.bytes(value), value.length, 0),
    umask: ({ mask }) => call(numbers.umask, mask),
    chdir: ({ path }) => void call(numbers.chdir, memory.text(path)),
    fchdir: ({ fd }) => void call(numbers.fchdir, fd),
    getcwd: () => {
      const block = memory.block(pathSize)
      // the length counts the NUL
      return block.text(0, call(numbers.getcwd, block.address, pathSize) - 1)
    },
    chroot: ({ path }) => void call(numbers.chroot, memory.text(path))
  } satisfies Partial<Handlers>
}
