/**
 * How descriptors get other numbers. A process that is spawned begins with a copy of this process's table; what it keeps is
 * put where it is to be, one dup3(2) after the other.
 */

/** A descriptor by its number before and after. */
export type Move = readonly [from: number, to: number]

/** The numbers below are for what the process opens itself, be it under a limit that leaves it only a few (RLIMIT_NOFILE). */
const first = 16

/** The lowest numbers from 16 on that are not taken, as many as asked for. */
export const lowest = (count: number, taken: Iterable<number>): ReadonlyArray<number> => {
  const all = new Set(taken)
  const found: Array<number> = []
  for (let number = first; found.length < count; number++) if (!all.has(number)) found.push(number)
  return found
}

/**
 * The same moves, without those to the same number, in an order in which none overwrites what a later one takes. If some go
 * round in a circle, one of these descriptors is put aside first, on a number that is nobody's.
 */
export const inOrder = (moves: ReadonlyArray<Move>): ReadonlyArray<Move> => {
  let left = moves.filter(([from, to]) => from !== to)
  const ordered: Array<Move> = []
  while (left.length > 0) {
    const free = left.find(([, to]) => !left.some(([from]) => from === to))
    if (free !== undefined) {
      ordered.push(free)
      left = left.filter((move) => move !== free)
      continue
    }
    const aside = lowest(1, moves.flat())[0]!
    const first = left[0]![0]
    ordered.push([first, aside])
    left = left.map(([from, to]) => [from === first ? aside : from, to])
  }
  return ordered
}
