/**
 * Which descriptors a process has, as far as its calls show it: the next one is the lowest that is free.
 *
 * This is only a guess. If it is wrong, the answer of the kernel shows that, and the guess is corrected.
 */
import { F, O, TIOC } from "../../constants.ts"
import type { Call } from "../../Kernel.ts"
import type { Stat } from "../../results.ts"

/** What most processes start with. */
const usualMask = 0o22

/** How many descriptors that it was not known to have a process may have taken between two calls. */
const farAway = 1024

/** The descriptors of one process. Each step gets a copy, and few change anything: so copies share what neither has changed. */
export class OpenFiles {
  #open: Set<number>
  /** Its file mode creation mask. */
  mask: number
  /** What statx(2) said of standard input, output and error. */
  #streams: ReadonlyMap<number, Stat> = new Map()
  /** Those of which it is known that exec leaves them open. */
  #inherited: ReadonlySet<number> = new Set()
  /** Whether a copy has the set of the open ones, too. */
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

  /** The set of the open ones, to be changed. */
  #changing(): Set<number> {
    if (this.#isShared) {
      this.#open = new Set(this.#open)
      this.#isShared = false
    }
    return this.#open
  }

  /** What fcntl(2) will say of the flags of a descriptor, if that is known. */
  flagsOf(call: Call): number | undefined {
    return call._tag === "fcntl" && call.command === F.GETFD && this.#inherited.has(call.fd) ? 0 : undefined
  }

  /** What a call gave when it was made before, where that is still so. */
  before(call: Call): Stat | undefined {
    return call._tag === "statx" && call.path === "" ? this.#streams.get(call.dirfd) : undefined
  }

  /** The lowest free one, from a number on. */
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
    // the kernel returns the lowest, so those below are taken. A number that is far away comes from a stranger, or is wrong
    if (fd < this.#open.size + farAway) {
      for (let below = this.next(); below < fd; below = this.next(below)) this.#changing().add(below)
    }
    this.#changing().add(fd)
  }

  /** A call has been made, or is taken to have been, with success. */
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
