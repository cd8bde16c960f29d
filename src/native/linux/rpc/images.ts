/**
 * Files that processes execute: sealed memory files.
 *
 * @see memfd_create(2), getrlimit(2)
 */
import { AT, F, F_SEAL, MFD, O, RLIMIT } from "../../constants.ts"
import { MFD_EXEC } from "../../elf.ts"
import { Refused } from "../../Refused.ts"
import { attempted } from "../Syscalls.ts"
import type { Own } from "./ownCalls.ts"
import { leastSize, mostSize } from "./SharedMemory.ts"

/** Raises RLIMIT_FSIZE as far as this process may, while `use` makes memory files: the limit applies to these too. */
export const withRoom = <A>(own: Own, use: (room: number) => A): A => {
  const call = { _tag: "prlimit64", pid: 0, resource: RLIMIT.FSIZE } as const
  const before = own({ limit: null, ...call })
  const wanted = BigInt(mostSize)
  if (before.soft >= wanted) return use(mostSize)
  const raise = (soft: bigint, hard: bigint) =>
    attempted(() => own({ limit: { soft, hard }, ...call })) === undefined ? undefined : soft
  const soft = raise(wanted, before.hard > wanted ? before.hard : wanted) ?? raise(before.hard, before.hard) ??
    before.soft
  try {
    if (Number(soft) >= leastSize) return use(Number(soft))
    throw new Refused("EFBIG", `RLIMIT_FSIZE is ${before.soft}; to start a process takes ${leastSize}`, {
      call: { _tag: "ftruncate", fd: -1, length: BigInt(leastSize) },
      advice: "raise the limit of a file's size (ulimit -f)"
    })
  } finally {
    own({ limit: before, ...call })
  }
}

/** Makes the program of one process, as a file that nobody can change. */
export const makeImage = (own: Own, name: string, data: Uint8Array): number => {
  let fd: number
  try {
    fd = memoryFile(own, name)
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.code !== "EACCES" || cause.known.call?._tag !== "memfd_create") {
      throw cause
    }
    return unnamedFile(own, name, data, cause)
  }
  try {
    write(own, fd, data)
    const seals = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE
    own({ _tag: "fcntl", fd, command: F.ADD_SEALS, argument: seals })
    return fd
  } catch (cause) {
    attempted(() => own({ _tag: "close", fd }))
    throw cause
  }
}

const write = (own: Own, fd: number, data: Uint8Array): void => {
  own({ _tag: "write", fd, data })
  own({ _tag: "fchmod", fd, mode: 0o555 })
}

const memoryFile = (own: Own, name: string): number => {
  const make = (flags: number) => own({ _tag: "memfd_create", name, flags })
  const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING
  try {
    return make(flags | MFD_EXEC)
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.code !== "EINVAL") throw cause
    return make(flags)
  }
}

/**
 * If the sysctl vm.memfd_noexec forbids executing memory files: a file without a name. It is open for reading only, and a
 * file that is being executed can't be opened for writing, so it can't be changed.
 */
const unnamedFile = (own: Own, name: string, data: Uint8Array, refusal: Refused): number => {
  const close = (fd: number) => void attempted(() => own({ _tag: "close", fd }))
  for (const path of ["/run", "/dev/shm", "/tmp", "/var/tmp"]) {
    const made = attempted(() =>
      own({
        _tag: "openat",
        dirfd: AT.FDCWD,
        path,
        flags: O.TMPFILE | O.RDWR | O.EXCL | O.CLOEXEC,
        mode: 0o700
      })
    )
    if (made === undefined) continue
    const image = attempted(() => {
      write(own, made, data)
      const link = `/proc/self/fd/${made}`
      return own({ _tag: "openat", dirfd: AT.FDCWD, path: link, flags: O.RDONLY | O.CLOEXEC, mode: 0 })
    })
    close(made)
    if (image === undefined) continue
    const can = attempted(() => {
      own({ _tag: "faccessat2", dirfd: image, path: "", mode: 1, flags: AT.EMPTY_PATH })
      return true
    })
    // a noexec mount refuses it
    if (can === true) return image
    close(image)
  }
  const { call = { _tag: "memfd_create", name, flags: 0 } as const } = refusal.known
  throw new Refused("EACCES", "processes are executed from a memory file, which the sysctl vm.memfd_noexec forbids", {
    call,
    advice: "set vm.memfd_noexec to 0 or 1 (sysctl(8)), or mount one of /run, /dev/shm, /tmp without noexec"
  })
}
