/**
 * What the page of a plan does in a browser: search, and steps that open. Without it, the page can be read all the same.
 *
 * `node scripts/page.mjs` puts it into `src/engine/planPage.ts`.
 */

interface Row {
  readonly element: HTMLElement
  readonly details: HTMLDetailsElement
  readonly summary: HTMLElement
  readonly words: string
  readonly calls: ReadonlyArray<{ readonly element: HTMLElement; readonly words: string }>
  /** Whether it was open before the search began. */
  wasOpen: boolean
}

const one = <E extends Element>(selector: string, within: ParentNode = document): E => {
  const found = within.querySelector<E>(selector)
  if (found === null) throw new Error(`the page has no ${selector}`)
  return found
}

const wordsOf = ({ textContent }: Element): string => textContent.toLowerCase()

const rowOf = (element: HTMLElement): Row => {
  const details = one<HTMLDetailsElement>("details", element)
  const summary = one<HTMLElement>("summary", element)
  return {
    element,
    details,
    summary,
    words: `${element.dataset["side"] ?? ""} ${wordsOf(summary)}`.toLowerCase(),
    calls: [...element.querySelectorAll<HTMLElement>(".call")].map((call) => ({ element: call, words: wordsOf(call) })),
    wasOpen: details.open
  }
}

const rows = [...document.querySelectorAll<HTMLElement>(".row")].map(rowOf)
const search = one<HTMLInputElement>("#search")
const found = one<HTMLOutputElement>("#found")
const looks = one<HTMLInputElement>("#looks")

let isSearching = false

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

/** Every place of a word in the texts of an element. */
const placesOf = (element: Element, terms: ReadonlyArray<string>): ReadonlyArray<Range> => {
  const places: Array<Range> = []
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const text = (node.textContent ?? "").toLowerCase()
    for (const term of terms) {
      for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) {
        const range = new Range()
        range.setStart(node, at)
        range.setEnd(node, at + term.length)
        places.push(range)
      }
    }
  }
  return places
}

/** Marks the words that are searched for, without a change of the page; browsers that can't do that show it unmarked. */
const mark = (terms: ReadonlyArray<string>): void => {
  if (!("highlights" in CSS)) return
  const shown = rows.filter(({ element }) => !element.hidden).flatMap(({ calls, summary }) => [
    summary,
    ...calls.flatMap(({ element }) => element.hidden ? [] : [element])
  ])
  CSS.highlights.set("hit", new Highlight(...shown.flatMap((element) => placesOf(element, terms))))
}

/** Shows what holds all words: a step whose own line does, whole; otherwise those of its calls that do. */
const filter = (): void => {
  const terms = search.value.toLowerCase().split(/\s+/).filter((term) => term !== "")
  const holds = (words: string): boolean => terms.every((term) => words.includes(term))
  const starts = terms.length > 0 && !isSearching
  const ends = terms.length === 0 && isSearching
  isSearching = terms.length > 0
  let steps = 0
  let calls = 0
  for (const row of rows) {
    if (starts) row.wasOpen = row.details.open
    const isWhole = holds(row.words)
    let matches = 0
    for (const call of row.calls) {
      const isMatch = holds(call.words)
      call.element.hidden = !isMatch && !isWhole
      if (isMatch) matches++
    }
    row.element.hidden = !isWhole && matches === 0
    if (!row.element.hidden) steps++
    calls += matches
    if (isSearching) row.details.open = matches > 0
    else if (ends) row.details.open = row.wasOpen
  }
  mark(terms)
  found.textContent = isSearching ? `${count(steps, "step")}, ${count(calls, "call")}` : ""
}

const setAll = (open: boolean) => (): void => {
  for (const row of rows) if (!row.element.hidden) row.details.open = open
}

/** Goes so many steps on, over those that are shown. */
const go = (by: number): void => {
  const shown = rows.filter(({ element }) => !element.hidden)
  const at = shown.findIndex(({ details }) => details.contains(document.activeElement))
  const next = shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]
  next?.summary.focus()
  next?.summary.scrollIntoView({ block: "nearest" })
}

/** Shows a step, whatever is searched for, with its calls. */
const show = ({ details, element, summary }: Row): void => {
  if (element.hidden) {
    search.value = ""
    filter()
  }
  details.open = true
  summary.focus({ preventScroll: true })
  element.scrollIntoView({ block: "center" })
}

const failing = rows.find(({ details }) => details.classList.contains("failed"))

/** Shows the step that the page's address names. */
const showNamed = (): boolean => {
  const named = rows.find(({ element }) => `#${element.id}` === location.hash)
  if (named !== undefined) show(named)
  return named !== undefined
}

const moves: Readonly<Record<string, number>> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const inSearch = event.target === search
  if (event.key === "/" && !inSearch) search.focus()
  else if (event.key === "Escape" && search.value !== "") {
    search.value = ""
    filter()
  } else if (event.key === "f" && !inSearch && failing !== undefined) show(failing)
  else if (inSearch && (event.key === "ArrowDown" || event.key === "Enter")) go(0)
  else {
    const by = moves[event.key]
    if (inSearch || by === undefined || !(event.target instanceof Element && event.target.matches("summary"))) return
    go(by)
  }
  event.preventDefault()
})
search.addEventListener("input", filter)
window.addEventListener("hashchange", showNamed)
// an address that it has already is no change
document.querySelector("#failing")?.addEventListener("click", () => failing !== undefined && show(failing))
looks.addEventListener("change", () => document.body.classList.toggle("brief", !looks.checked))
one("#open").addEventListener("click", setAll(true))
one("#close").addEventListener("click", setAll(false))
// the buttons, which need this script
one<HTMLElement>("#bar").hidden = false
if (!showNamed() && failing !== undefined) show(failing)
