/** Descriptors, and the files behind them. */
import * as c from "../constants.ts"
import { invalid, Refused } from "../Refused.ts"
import { open_how, statfs, statx } from "./structs.ts"
import { type Handlers, type Syscalls } from "./Syscalls.ts"

/** The most that one read(2) or write(2) transfers. */
const maxTransfer = 0x7fff_f000

/** How often a path look-up is repeated that lost a race with a rename. */
const lookupAttempts = 64

const sizeOf = (count: number): number => {
  if (!(count >= 0)) throw invalid("a size is negative")
  return Math.min(count, maxTransfer)
}

/** The handlers of the calls that open a file or take its descriptor. */
export const files = ({ call, memory, numbers, retry }: Syscalls) => {
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
      // a scoped look-up through ".." fails with EAGAIN if anything on the host is renamed meanwhile
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
    fchmod: ({ fd, mode }) => void call(numbers.fchmod, fd, mode),
    fsync: ({ fd }) => void call(numbers.fsync, fd),
    ftruncate: ({ fd, length }) => void call(numbers.ftruncate, fd, length),
    flock: ({ fd, operation }) => void retry(numbers.flock, fd, operation),
    memfd_create: ({ name, flags }) => call(numbers.memfd_create, memory.text(name), flags)
  } satisfies Partial<Handlers>
}
