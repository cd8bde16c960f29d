/** What was computed from an object, for as long as one is likely to be asked about again. */

/** From how many objects it is kept. */
const most = 16

/**
 * A pure function that remembers its last results, by the identity of what it got: of objects that live no longer than a start.
 *
 * One `WeakMap` for all of them would keep each result long after its object: V8 frees what is young in a map that is old only
 * when it collects the whole heap, or at its second collection of young objects. So the map is replaced before it is old.
 *
 * **Example**
 *
 * ```ts
 * const textOf = ofRecent((state: object) => JSON.stringify(state))
 * ```
 */
export const ofRecent = <A extends object, B extends {}>(compute: (of: A) => B): (of: A) => B => {
  let known = new WeakMap<A, B>()
  let count = 0
  return (of) => {
    const before = known.get(of)
    if (before !== undefined) return before
    if (++count > most) {
      known = new WeakMap()
      count = 1
    }
    const result = compute(of)
    known.set(of, result)
    return result
  }
}
