/**
 * Memory that this process shares with its servers, at the same address in each: mailboxes, and arguments of calls.
 *
 * A server and the servers cloned from it are a group. Each group has its own memory file. This process maps it, and the
 * first server maps it before anything else. A server has no other memory of this process or of another group. So a
 * container that takes over a joining server gets nothing that it does not have already. When a group has ended, the
 * content of its memory is freed. The next group in its place gets new memory, so a process that has kept the old memory
 * can do nothing with it.
 *
 * The addresses are random, so that they can't be guessed.
 */
import { F, F_SEAL, MADV, MAP, MFD, PROT } from "../../constants.ts"
import { Refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import type { Region } from "../Scratch.ts"
import { attempted, type Syscalls } from "../Syscalls.ts"
import { sizes } from "./layout.ts"
import type { Own } from "./ownCalls.ts"

const page = 4096

/**
 * How many bytes of a list, and of the arguments, are seen at first: enough for nearly every container, and not more arguments
 * than any segment has.
 */
const front = 0x2_0000

/** The memory of a group: a head (see {@link Spawner}), and then a number of segments, one for each server. */
interface Layout {
  readonly segment: number
  readonly segments: number
  /** How many bytes of a segment are for a list of calls. */
  readonly list: number
}

/**
 * Layouts, of which the first that fits is used, since a limit may be in the way. A segment must have room for the largest
 * message of a channel. The larger ones have room for the list of a container with 900 mounts; what is not used takes no memory.
 */
const layouts: ReadonlyArray<Layout> = [
  { segment: 0xa0_0000, segments: 63, list: 0x20_0000 },
  { segment: 0xa0_0000, segments: 3, list: 0x20_0000 },
  { segment: 0x10_0000, segments: 3, list: 0xc000 },
  { segment: 0x4_0000, segments: 2, list: 0xc000 }
]
const sizeOf = ({ segment, segments }: Layout): number => sizes.head + segment * segments

/** The least memory of a group, in bytes. */
export const leastSize = sizeOf(layouts.at(-1)!)
/** The most memory of a group, in bytes. */
export const mostSize = sizeOf(layouts[0]!)

/**
 * Ranges of addresses for it. No kernel places anything there by itself: they are far from programs, stacks and mapped
 * files. The second range is for arm64 kernels with 39-bit addresses.
 */
const ranges = [[0x1000_0000_0000, 0x5000_0000_0000], [0x10_0000_0000, 0x70_0000_0000]] as const

/** How often a random place is tried in a range; few places are taken. */
const attempts = 4

/** A piece of memory for a server. */
export interface Segment {
  readonly mailbox: { readonly memory: Buffer; readonly address: number }
  readonly list: Region
  /** The rest, for arguments. */
  readonly scratch: Region
}

/** The place of a group's memory. */
export interface GroupMemory {
  readonly address: number
  /** How many bytes of addresses are reserved for it. */
  readonly size: number
  readonly head: DataView
  /** Its current layout. */
  layout: Layout
}

/** The memory of all groups. */
export class SharedMemory {
  readonly #library: Library
  readonly #own: Own
  readonly #machine: Syscalls

  constructor(library: Library, machine: Syscalls, own: Own) {
    this.#library = library
    this.#own = own
    this.#machine = machine
  }

  /** Reserves addresses for a group; {@link renew} makes its memory. Throws {@link Refused} if there are none. */
  memory(): GroupMemory {
    const { call, numbers } = this.#machine
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE
    let last: unknown
    for (const layout of layouts) {
      const size = sizeOf(layout)
      for (const range of ranges) {
        for (let left = attempts; left > 0; left--) {
          try {
            const address = call(numbers.mmap, this.#somewhere(range, size), size, 0, flags, -1, 0)
            return { address, size, layout, head: new DataView(this.#library.memoryAt(address, sizes.head)) }
          } catch (cause) {
            // EEXIST: the place is taken; ENOMEM: there are no such addresses, or a limit was hit
            last = cause
          }
        }
      }
    }
    if (!(last instanceof Refused)) throw last
    throw new Refused(last.code, `mmap(2) of ${leastSize} bytes to share with a process: ${last.detail ?? last.code}`, {
      advice: "raise the limit of the address space (RLIMIT_AS, ulimit -v)"
    })
  }

  #somewhere([from, to]: readonly [number, number], size: number): number {
    const random = Buffer.from(this.#own({ _tag: "getrandom", count: 8 })).readBigUInt64LE()
    const pages = BigInt(Math.floor((to - from - size) / page))
    return from + Number(random % pages) * page
  }

  /** The segment of a group's memory for one of its servers, counted from 0. Throws {@link Refused} if there is none left. */
  segment({ address, layout: { list, segment, segments } }: GroupMemory, index: number): Segment {
    if (index >= segments) {
      const limit = segments < layouts[0]!.segments ? " by RLIMIT_FSIZE or RLIMIT_AS" : ""
      throw new Refused("EAGAIN", `a process and what it has cloned can't be more than ${segments}${limit}`)
    }
    const start = address + sizes.head + index * segment
    const [listAt, scratchAt] = [start + page, start + page + list]
    return {
      mailbox: { memory: Buffer.from(this.#library.memoryAt(start, page)), address: start },
      list: this.#region(listAt, list),
      scratch: this.#region(scratchAt, start + segment - scratchAt)
    }
  }

  #region(address: number, size: number): Region {
    const seen = (size: number) => Buffer.from(this.#library.memoryAt(address, size))
    return { address, size, front: seen(Math.min(front, size)), whole: () => seen(size) }
  }

  /**
   * Frees the content of the memory of a group that has ended. The memory reads as zero then.
   *
   * @param servers how many segments have been used
   */
  release({ address, layout: { segment } }: GroupMemory, servers: number): void {
    const { call, numbers } = this.#machine
    call(numbers.madvise, address, sizes.head + servers * segment, MADV.REMOVE)
  }

  /**
   * Replaces a group's memory by new memory; returns its descriptor.
   *
   * @param room the largest file that may be made
   */
  renew(memory: GroupMemory, room: number): number {
    const { call, numbers } = this.#machine
    const most = Math.min(room, memory.size)
    const layout = layouts.find((layout) => sizeOf(layout) <= most) ?? layouts.at(-1)!
    const size = sizeOf(layout)
    const fd = this.#own({ _tag: "memfd_create", name: "runfx-shared", flags: MFD.CLOEXEC | MFD.ALLOW_SEALING })
    try {
      this.#own({ _tag: "ftruncate", fd, length: BigInt(size) })
      // a container that gets hold of it must not be able to shrink it while this process has it mapped
      this.#own({ _tag: "fcntl", fd, command: F.ADD_SEALS, argument: F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW })
      call(numbers.mmap, memory.address, size, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.FIXED, fd, 0)
      memory.layout = layout
      return fd
    } catch (cause) {
      attempted(() => this.#own({ _tag: "close", fd }))
      throw cause
    }
  }

  /** How many bytes of a memory are in use. */
  static sizeOf({ layout }: GroupMemory): number {
    return sizeOf(layout)
  }
}
