/** The set of all processors. Code that runs for the first time takes a millisecond to go through its members. */

/** As many processors as Linux can be built for. */
export const mostProcessors = 8192

let all: ReadonlyArray<number> | undefined

/** Their numbers: always the same array, made when it is first needed. */
export const allProcessors = (): ReadonlyArray<number> => {
  if (all !== undefined) return all
  const numbers: Array<number> = []
  for (let number = 0; number < mostProcessors; number++) numbers[number] = number
  return all = numbers
}
