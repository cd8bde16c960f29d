/**
 * Which descriptors a process has, as far as its calls show. The next one is the lowest free number.
 *
 * This is only a guess. If it is wrong, the kernel's answer shows that, and the guess is corrected.
 */
import { F, O, TIOC } from "../../constants.ts"
import { opened } from "../../descriptorNames.ts"
import { type Call, descriptorsOf } from "../../Kernel.ts"

const haveSame = (
  one: { readonly size: number; readonly keys: () => Iterable<number> },
  other: { readonly size: number; readonly has: (fd: number) => boolean }
): boolean => {
  if (one.size !== other.size) return false
  for (const fd of one.keys()) if (!other.has(fd)) return false
  return true
}

/** The call that has returned a descriptor, and the same of the descriptor in that call. */
interface Origin {
  readonly call: Call
  readonly from: Origin | undefined
}

/** An origin in any process: it begins with a descriptor that was there before, or with none. */
interface Lineage {
  readonly call: Call
  readonly from: Lineage | number | undefined
}

/** What calls have changed in the descriptors of a process. */
export interface FileChanges {
  readonly closed: ReadonlyArray<number>
  readonly opened: ReadonlyArray<{ readonly fd: number; readonly lineage: Lineage }>
  readonly mask: number
  /** The descriptors that stay open across exec, if that has changed. */
  readonly inherited: ReadonlySet<number> | undefined
}

const nameOf = (origin: Origin | undefined): string | undefined =>
  origin === undefined ? undefined : opened(origin.call, () => nameOf(origin.from))

/** The descriptor in a call that returns another one. */
const sourceOf = (call: Call): number =>
  "dirfd" in call ? call.dirfd : "fd" in call ? call.fd : "oldfd" in call ? call.oldfd : -1

/** The mask that most processes start with. */
const usualMask = 0o22

/** How many unknown descriptors a process may have opened between two calls. */
const farAway = 1024

/**
 * The descriptors of one process. Each step gets a copy, and few steps change any, so copies share their sets until one
 * changes them.
 */
export class OpenFiles {
  /** With what is known of each; nothing of those that it had from the start. */
  #open: Map<number, Origin | undefined>
  /** Its file mode creation mask. */
  mask: number
  /** Descriptors that are known to stay open across exec. */
  #inherited: ReadonlySet<number> = new Set()
  /** Whether a copy shares the set of open descriptors. */
  #isShared = false

  constructor(open: Iterable<number> = [0, 1, 2], mask = usualMask) {
    this.#open = new Map([...open].map((fd) => [fd, undefined]))
    this.mask = mask
  }

  copy(): OpenFiles {
    const copy = new OpenFiles([], this.mask)
    copy.#open = this.#open
    copy.#inherited = this.#inherited
    copy.#isShared = this.#isShared = true
    return copy
  }

  /** The open descriptors, for a change. */
  #changing(): Map<number, Origin | undefined> {
    if (this.#isShared) {
      this.#open = new Map(this.#open)
      this.#isShared = false
    }
    return this.#open
  }

  /** The flags of a descriptor that fcntl(2) will return, if they are known. */
  flagsOf(call: Call): number | undefined {
    return call._tag === "fcntl" && call.command === F.GETFD && this.#inherited.has(call.fd) ? 0 : undefined
  }

  /** The lowest free descriptor, from a number on. */
  next(from = 0): number {
    let fd = from
    while (this.#open.has(fd)) fd++
    return fd
  }

  /** Whether the same descriptors are open. */
  isSame(other: OpenFiles): boolean {
    return haveSame(this.#open, other.#open)
  }

  /** Whether a process with these descriptors gets the same descriptors from the same calls. */
  isLike(other: OpenFiles): boolean {
    return this.mask === other.mask && haveSame(this.#open, other.#open) && haveSame(this.#inherited, other.#inherited)
  }

  /** What has changed since a copy was made; `undefined` if it can't be repeated in another process. */
  changesSince(before: OpenFiles): FileChanges | undefined {
    const inherited = this.#inherited === before.#inherited ? undefined : this.#inherited
    const closed = [...before.#open.keys()].filter((fd) => !this.#open.has(fd))
    const opened: Array<FileChanges["opened"][number]> = []
    for (const [fd, origin] of this.#open) {
      if (before.#open.has(fd) && before.#open.get(fd) === origin) continue
      const lineage = before.#lineageOf(origin)
      if (lineage === undefined) return undefined
      opened.push({ fd, lineage })
    }
    return { closed, opened, mask: this.mask, inherited }
  }

  #lineageOf(origin: Origin | undefined): Lineage | undefined {
    if (origin === undefined) return undefined
    const { call, from } = origin
    const before = from && [...this.#open].find(([, one]) => one === from)?.[0]
    return { call, from: before ?? this.#lineageOf(from) }
  }

  #originOf({ call, from }: Lineage): Origin {
    return { call, from: typeof from === "number" ? this.#open.get(from) : from && this.#originOf(from) }
  }

  /** Repeats changes. */
  change({ closed, inherited, mask, opened }: FileChanges): void {
    this.mask = mask
    if (inherited !== undefined) this.#inherited = inherited
    if (closed.length + opened.length === 0) return
    const origins = opened.map(({ lineage }) => this.#originOf(lineage))
    for (const fd of closed) this.#changing().delete(fd)
    opened.forEach(({ fd }, index) => this.#changing().set(fd, origins[index]))
  }

  /**
   * The files behind the descriptors of a call, by the argument's name. They come from the calls that were made for this
   * process, and not from what it shows: it may be a hostile one.
   */
  placesOf(call: Call): Readonly<Record<string, string>> | undefined {
    const places = descriptorsOf(call).flatMap(([argument, fd]) => {
      const name = nameOf(this.#open.get(fd))
      return name === undefined ? [] : [[argument, name] as const]
    })
    return places.length === 0 ? undefined : Object.fromEntries(places)
  }

  #add(fd: number, call: Call): void {
    // the kernel returns the lowest free number, so all below are taken. A number far above is a lie or an error
    if (fd < this.#open.size + farAway) {
      for (let below = this.next(); below < fd; below = this.next(below)) this.#changing().set(below, undefined)
    }
    this.#set(fd, call)
  }

  #set(fd: number, call: Call): void {
    this.#changing().set(fd, { call, from: this.#open.get(sourceOf(call)) })
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
        return this.#add(result as number, call)
      case "pipe2":
      case "socketpair":
        for (const fd of result as ReadonlyArray<number>) this.#add(fd, call)
        return
      case "recvmsg":
        for (const fd of (result as { readonly fds: ReadonlyArray<number> }).fds) this.#add(fd, call)
        return
      case "umask":
        this.mask = call.mask
        return
      case "dup3":
        if ((call.flags & O.CLOEXEC) === 0) this.#inherited = new Set(this.#inherited).add(call.newfd)
        return this.#set(call.newfd, call)
      case "fcntl":
        if (call.command === F.DUPFD_CLOEXEC) this.#set(result as number, call)
        return
      case "ioctl":
        if (call.request === TIOC.GPTPEER) this.#add(result as number, call)
        return
      case "seccomp":
        if (Number(result) > 0) this.#add(Number(result), call)
        return
      case "close":
        if (this.#inherited.has(call.fd)) {
          this.#inherited = new Set([...this.#inherited].filter((fd) => fd !== call.fd))
        }
        return void this.#changing().delete(call.fd)
      case "close_range":
        for (const fd of this.#changing().keys()) if (fd >= call.first && fd <= call.last) this.#open.delete(fd)
        return
      default:
    }
  }
}
