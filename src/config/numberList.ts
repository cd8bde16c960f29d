/**
 * Lists of numbers and ranges as cpuset(7) writes them: `0-3,7`.
 */

/** No machine has more CPUs or nodes than that; a range beyond it is a mistake, and would fill the memory. */
const highest = 65_535

/** The numbers of a list in order, each once; `undefined` for what is no list. The empty text is the empty list. */
export const parseNumberList = (text: string): ReadonlyArray<number> | undefined => {
  if (text.trim() === "") return []
  const numbers = new Set<number>()
  for (const range of text.split(",")) {
    const [, low, high = low] = /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(range) ?? []
    if (low === undefined || high === undefined) return undefined
    if (Number(low) > Number(high) || Number(high) > highest) return undefined
    for (let number = Number(low); number <= Number(high); number++) numbers.add(number)
  }
  return [...numbers].toSorted((a, b) => a - b)
}
