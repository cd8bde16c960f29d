/** Files and directories. */
import type { DirectoryEntry } from "../calls.ts"
import * as c from "../constants.ts"
import { linux_dirent64, open_how, statfs, statx } from "../structs.ts"
import { type Handlers, type Machine } from "./Machine.ts"
import { invalid, Refused } from "./Refused.ts"
import type { Block } from "./Scratch.ts"

/** The most that one read(2) or write(2) transfers. */
const maxTransfer = 0x7fff_f000
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

/** How often a path lookup that lost a race with a rename is tried again. */
const lookupAttempts = 64

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

/** The kernel's form of a device number. */
const deviceNumber = (major: number, minor: number): number => {
  if (!(major >= 0 && major < 1 << 12 && minor >= 0 && minor < 1 << 20)) {
    throw invalid(`there is no device ${major}:${minor}: a major number has 12 bits, a minor number 20`)
  }
  return (minor & 0xff | major << 8 | (minor & ~0xff) << 12) >>> 0
}

const sizeOf = (count: number): number => {
  if (!(count >= 0)) throw invalid("a size is negative")
  return Math.min(count, maxTransfer)
}

/** The handlers of the calls about files and directories. */
export const files = ({ call, memory, numbers, retry }: Machine) => {
  const readlink = (dirfd: number, path: string, size: number): string => {
    const block = memory.block(size)
    const length = call(numbers.readlinkat, dirfd, memory.text(path), block.address, size)
    // a full buffer may hold a target that was cut off
    return length === size ? readlink(dirfd, path, size * 2) : block.text(0, length)
  }

  const lookUp = (dirfd: number, path: number, how: number, again: boolean): number => {
    for (let left = again ? lookupAttempts : 1;; left--) {
      try {
        return retry(numbers.openat2, dirfd, path, how, open_how.size)
      } catch (cause) {
        if (left > 1 && cause instanceof Refused && cause.code === "EAGAIN") continue
        throw cause
      }
    }
  }

  return {
    openat: ({ dirfd, path, flags, mode }) => retry(numbers.openat, dirfd, memory.text(path), flags, mode),
    openat2: ({ dirfd, path, flags, mode, resolve }) => {
      const how = memory.block(open_how.size)
      how.set(open_how.fields.flags, flags)
      how.set(open_how.fields.mode, mode)
      how.set(open_how.fields.resolve, resolve)
      // a rename anywhere on the host during a walk through ".." makes a scoped lookup give up with EAGAIN
      const scoped = (resolve & (c.RESOLVE.BENEATH | c.RESOLVE.IN_ROOT)) !== 0 && (resolve & c.RESOLVE.CACHED) === 0
      return lookUp(dirfd, memory.text(path), how.address, scoped)
    },
    close: ({ fd }) => void call(numbers.close, fd),
    close_range: ({ first, last, flags }) => void call(numbers.close_range, first, last, flags),
    dup: ({ fd }) => call(numbers.dup, fd),
    dup3: ({ oldfd, newfd, flags }) => call(numbers.dup3, oldfd, newfd, flags),
    fcntl: ({ fd, command, argument }) => call(numbers.fcntl, fd, command, argument),
    read: ({ fd, count }) => {
      const size = memory.fit(sizeOf(count))
      const block = memory.block(size)
      return block.copy(0, retry(numbers.read, fd, block.address, size))
    },
    write: ({ fd, data }) => {
      const size = memory.fit(data.length)
      return retry(numbers.write, fd, memory.bytes(data.subarray(0, size)), size)
    },
    statx: ({ dirfd, path, flags, mask }) => {
      const stat = memory.block(statx.size)
      call(numbers.statx, dirfd, memory.text(path), flags, mask, stat.address)
      const fields = statx.fields
      return {
        mode: stat.get(fields.stx_mode),
        nlink: stat.get(fields.stx_nlink),
        uid: stat.get(fields.stx_uid),
        gid: stat.get(fields.stx_gid),
        ino: stat.get(fields.stx_ino),
        size: stat.get(fields.stx_size),
        dev: { major: stat.get(fields.stx_dev_major), minor: stat.get(fields.stx_dev_minor) },
        rdev: { major: stat.get(fields.stx_rdev_major), minor: stat.get(fields.stx_rdev_minor) },
        mountId: stat.get(fields.stx_mnt_id),
        mountRoot: (stat.get(fields.stx_attributes) & c.STATX_ATTR.MOUNT_ROOT) !== 0
      }
    },
    fstatfs: ({ fd }) => {
      const stat = memory.block(statfs.size)
      call(numbers.fstatfs, fd, stat.address)
      return { type: stat.get(statfs.fields.f_type), flags: stat.get(statfs.fields.f_flags) }
    },
    readlinkat: ({ dirfd, path }) => readlink(dirfd, path, pathSize),
    getdents64: ({ fd }) => {
      const block = memory.block(directorySize)
      for (;;) {
        const size = call(numbers.getdents64, fd, block.address, directorySize)
        const entries = entriesOf(block, size)
        // a batch of nothing but "." and ".." is not the end
        if (size === 0 || entries.length > 0) return entries
      }
    },
    faccessat2: ({ dirfd, path, mode, flags }) => void call(numbers.faccessat2, dirfd, memory.text(path), mode, flags),
    mkdirat: ({ dirfd, path, mode }) => void call(numbers.mkdirat, dirfd, memory.text(path), mode),
    mknodat: ({ dirfd, path, mode, major, minor }) =>
      void call(numbers.mknodat, dirfd, memory.text(path), mode, deviceNumber(major, minor)),
    symlinkat: ({ target, dirfd, path }) => void call(numbers.symlinkat, memory.text(target), dirfd, memory.text(path)),
    unlinkat: ({ dirfd, path, flags }) => void call(numbers.unlinkat, dirfd, memory.text(path), flags),
    renameat2: ({ olddirfd, oldpath, newdirfd, newpath, flags }) =>
      void call(numbers.renameat2, olddirfd, memory.text(oldpath), newdirfd, memory.text(newpath), flags),
    fchmod: ({ fd, mode }) => void call(numbers.fchmod, fd, mode),
    fchmodat: ({ dirfd, path, mode }) => void call(numbers.fchmodat, dirfd, memory.text(path), mode),
    fchownat: ({ dirfd, path, uid, gid, flags }) =>
      void call(numbers.fchownat, dirfd, memory.text(path), uid, gid, flags),
    fsync: ({ fd }) => void call(numbers.fsync, fd),
    ftruncate: ({ fd, length }) => void call(numbers.ftruncate, fd, length),
    flock: ({ fd, operation }) => void retry(numbers.flock, fd, operation),
    setxattr: ({ path, name, value }) =>
      void call(numbers.setxattr, memory.text(path), memory.text(name), memory.bytes(value), value.length, 0),
    memfd_create: ({ name, flags }) => call(numbers.memfd_create, memory.text(name), flags),
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
