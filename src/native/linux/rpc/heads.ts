/**
 * The head of the memory from which a process is spawned: what the process must do before it executes its program.
 */
import type { Passed } from "../../Fork.ts"
import { Refused } from "../../Refused.ts"
import { head as at, sizes } from "./layout.ts"
import { inOrder } from "./moves.ts"

/** The highest number that close_range(2) takes. */
export const highest = 0xffff_ffff

/** Memory with a head. */
export interface HeadMemory {
  readonly address: number
  readonly head: DataView
}

/** What a process is told. */
export interface Told {
  /** The address of its mailbox, if it serves one. */
  readonly mailbox: number
  /** What ps(1) calls it. */
  readonly name: string
  /** The number that its program's descriptor has there. */
  readonly image: number
  /** All of its descriptors. */
  readonly passed: ReadonlyArray<Passed>
}

/** Writes a head. Throws {@link Refused} if there is no room for so many descriptors. */
export const writeHead = ({ address, head }: HeadMemory, { image, mailbox, name, passed }: Told): void => {
  const moves = inOrder(passed.map(([number, fd]) => [fd, number]))
  const kept = [...new Set(passed.map(([number]) => number))].toSorted((a, b) => a - b)
  const gaps = [-1, ...kept].map((fd, index) => [fd + 1, (kept[index] ?? highest + 1) - 1] as const)
  const ranges = gaps.filter(([first, last]) => first <= last)
  if (at.list + (moves.length + ranges.length) * 8 + kept.length * 4 > sizes.head - sizes.spawnStack) {
    throw new Refused("EMFILE", `${kept.length} descriptors are too many for a child`)
  }
  head.setBigUint64(at.mailbox, BigInt(mailbox), true)
  head.setInt32(at.image, image, true)
  head.setBigInt64(at.allSignals, -1n, true)
  Buffer.from(head.buffer, at.name, 16).write(name)
  // one empty argument, and an empty environment
  head.setBigUint64(at.argv, BigInt(address + at.envp), true)
  head.setUint32(at.moves, moves.length, true)
  head.setUint32(at.ranges, ranges.length, true)
  head.setUint32(at.kept, kept.length, true)
  const list = [...moves.flat(), ...ranges.flat(), ...kept]
  for (let index = 0; index < list.length; index++) head.setUint32(at.list + index * 4, list[index]!, true)
}
