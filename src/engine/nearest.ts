/** Suggestions for mistyped words. */

/** How many letters must be added, removed, changed or swapped to turn one word into the other. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  let before = row
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same, swapped ? before[j - 2]! + 1 : Infinity))
    }
    before = row
    row = next
  }
  return row[b.length]!
}

/** The known word that an unknown one was probably meant to be. */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined =>
  // a word of a hundred letters is no typing error, and comparing them takes long
  word.length > 40
    ? undefined
    : known.find((one) => distance(word.toLowerCase(), one.toLowerCase()) <= Math.min(2, word.length / 3))
