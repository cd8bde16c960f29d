/**
 * Which descriptors a process has, as far as its calls show. The next one is the lowest free number.
 *
 * This is only a guess. If it is wrong, the kernel's answer shows that, and the guess is corrected.
 */
import { F, O, TIOC } from "../../constants.ts"
import type { Call } from "../../Kernel.ts"
import type { Stat } from "../../results.ts"

/** The mask that most processes start with. */
const usualMask = 0o22

/** How many unknown descriptors a process may have opened between two calls. */
const farAway = 1024

/**
 * The descriptors of one process. Each step gets a copy, and few steps change any, so copies share their sets until one
 * changes them.
 */
export class OpenFiles {
  #open: Set<number>
  /** Its file mode creation mask. */
  mask: number
  /** What statx(2) reported of standard input, output and error. */
  #streams: ReadonlyMap<number, Stat> = new Map()
  /** Descriptors that are known to stay open across exec. */
  #inherited: ReadonlySet<number> = new Set()
  /** Whether a copy shares the set of open descriptors. */
  #isShared = false

  constructor(open: Iterable<number> = [0, 1, 2], mask = usualMask) {
    this.#open = new Set(open)
    this.mask = mask
  }

  copy(): OpenFiles {
    const copy = new OpenFiles([], this.mask)
    copy.#open = this.#open
    copy.#streams = this.#streams
    copy.#inherited = this.#inherited
    copy.#isShared = this.#isShared = true
    return copy
  }

  /** The set of open descriptors, for a change. */
  #changing(): Set<number> {
    if (this.#isShared) {
      this.#open = new Set(this.#open)
      this.#isShared = false
    }
    return this.#open
  }

  /** The flags of a descriptor that fcntl(2) will return, if they are known. */
  flagsOf(call: Call): number | undefined {
    return call._tag === "fcntl" && call.command === F.GETFD && this.#inherited.has(call.fd) ? 0 : undefined
  }

  /** The result of an earlier call, if it still holds. */
  before(call: Call): Stat | undefined {
    return call._tag === "statx" && call.path === "" ? this.#streams.get(call.dirfd) : undefined
  }

  /** The lowest free descriptor, from a number on. */
  next(from = 0): number {
    let fd = from
    while (this.#open.has(fd)) fd++
    return fd
  }

  isSame({ size, ...other }: { readonly size: number; readonly has: (fd: number) => boolean }): boolean {
    return size === this.#open.size && [...this.#open].every((fd) => other.has(fd))
  }

  get size(): number {
    return this.#open.size
  }
  readonly has = (fd: number): boolean => this.#open.has(fd)

  #add(fd: number): void {
    // the kernel returns the lowest free number, so all below are taken. A number far above is a lie or an error
    if (fd < this.#open.size + farAway) {
      for (let below = this.next(); below < fd; below = this.next(below)) this.#changing().add(below)
    }
    this.#changing().add(fd)
  }

  /** Records a call that has succeeded, or is assumed to have. */
  made(call: Call, result: unknown): void {
    switch (call._tag) {
      case "openat":
      case "openat2":
      case "open_tree":
      case "fsopen":
      case "fsmount":
      case "pidfd_open":
      case "pidfd_getfd":
      case "dup":
      case "memfd_create":
      case "socket":
      case "bpf_prog_load":
        return this.#add(result as number)
      case "pipe2":
      case "socketpair":
        for (const fd of result as ReadonlyArray<number>) this.#add(fd)
        return
      case "recvmsg":
        for (const fd of (result as { readonly fds: ReadonlyArray<number> }).fds) this.#add(fd)
        return
      case "umask":
        this.mask = call.mask
        return
      case "statx":
        if (call.path === "" && call.dirfd >= 0 && call.dirfd <= 2) {
          this.#streams = new Map(this.#streams).set(call.dirfd, result as Stat)
        }
        return
      case "dup3":
        if ((call.flags & O.CLOEXEC) === 0) this.#inherited = new Set(this.#inherited).add(call.newfd)
        return void this.#changing().add(call.newfd)
      case "fcntl":
        if (call.command === F.DUPFD_CLOEXEC) this.#changing().add(result as number)
        return
      case "ioctl":
        if (call.request === TIOC.GPTPEER) this.#add(result as number)
        return
      case "seccomp":
        if (Number(result) > 0) this.#add(Number(result))
        return
      case "close":
        if (this.#inherited.has(call.fd)) {
          this.#inherited = new Set([...this.#inherited].filter((fd) => fd !== call.fd))
        }
        return void this.#changing().delete(call.fd)
      case "close_range":
        for (const fd of this.#changing()) if (fd >= call.first && fd <= call.last) this.#open.delete(fd)
        return
      default:
    }
  }
}
