/**
 * Lists of numbers and ranges as the kernel reads them: `0-3,7`. Of a range only some can be meant: `0-15:2/4` is the first
 * two of every four. Spaces around an entry, and entries without anything, mean nothing.
 *
 * @see cpuset(7), "List format"; Linux Documentation/admin-guide/kernel-parameters.rst, "cpu lists"
 */

/** No machine has more CPUs or nodes than that; a range beyond it is a mistake, and would fill the memory. */
const highest = 65_535

const entry = /^(\d{1,5})(?:\s*-\s*(\d{1,5})(?::(\d{1,5})\/(\d{1,5}))?)?$/

/** The numbers of a list in order, each once; `undefined` for what is no list. The empty text is the empty list. */
export const parseNumberList = (text: string): ReadonlyArray<number> | undefined => {
  const numbers = new Set<number>()
  // each entry once: a document may repeat a range without end
  for (const range of new Set(text.split(",").map((part) => part.trim()))) {
    if (range === "") continue
    const [, low, high = low, used = "1", group = "1"] = entry.exec(range) ?? []
    if (low === undefined || high === undefined) return undefined
    if (Number(low) > Number(high) || Number(high) > highest) return undefined
    if (Number(used) < 1 || Number(used) > Number(group)) return undefined
    for (let number = Number(low); number <= Number(high); number++) {
      if ((number - Number(low)) % Number(group) < Number(used)) numbers.add(number)
    }
  }
  return [...numbers].toSorted((a, b) => a - b)
}
