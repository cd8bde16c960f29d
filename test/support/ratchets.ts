/**
 * What the sources have too much of, and how much of it there may be: test/ratchets.json lists what is there still, and
 * may only get shorter.
 *
 *     RATCHETS=shrink npx vitest run --project unit test/architecture.test.ts
 *
 * takes out of the list what is not needed any more. A file that is moved keeps its entry under its new name.
 */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"

const listFile = "test/ratchets.json"

/** The longest file, and the longest function (see longFunctions.json), in lines with comments. */
const longest = { file: 400, function: 80 }

/** The ceilings by file; a circle has no number. */
export interface Ratchets {
  /** Files whose imports lead back to them, those of types aside. */
  readonly circles: ReadonlyArray<string>
  /** Files over 400 lines, those of the tests too, and the most lines that each may have. */
  readonly longFiles: Readonly<Record<string, number>>
  /** Files with functions over 80 lines, and the most lines that each of these may have, the longest first. */
  readonly longFunctions: Readonly<Record<string, ReadonlyArray<number>>>
  /** Exports that only users of the library may want, marked `@public` for the search of what nothing uses. */
  readonly publicWithoutUse: ReadonlyArray<string>
}

/** Tables, which grow by a row for each constant of the kernel, or each call. */
const tables = new Set(["src/native/constants.ts", "src/native/calls.ts"])

/** The files in circles: each strongly connected component of more than one file. */
export const circlesOf = (
  imports: ReadonlyMap<string, ReadonlyArray<string>>
): ReadonlyArray<ReadonlyArray<string>> => {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const path: Array<string> = []
  const circles: Array<ReadonlyArray<string>> = []
  // Tarjan's
  const visit = (file: string): number => {
    const known = order.get(file)
    if (known !== undefined) return path.includes(file) ? known : Infinity
    order.set(file, order.size)
    lowest.set(file, order.get(file)!)
    path.push(file)
    for (const to of imports.get(file) ?? []) lowest.set(file, Math.min(lowest.get(file)!, visit(to)))
    if (lowest.get(file) === order.get(file)) {
      const circle = path.splice(path.indexOf(file))
      if (circle.length > 1) circles.push(circle.toSorted())
    }
    return lowest.get(file)!
  }
  for (const file of imports.keys()) visit(file)
  return circles
}

/** The lengths of the functions that are too long, by file. */
const longFunctions = (): Record<string, ReadonlyArray<number>> => {
  let output: string
  try {
    output = execFileSync("node_modules/.bin/oxlint", [
      "--config",
      "test/support/longFunctions.json",
      "--format",
      "json",
      "src"
    ], {
      encoding: "utf8",
      maxBuffer: 1 << 26
    })
  } catch (error) {
    output = (error as { readonly stdout: string }).stdout
  }
  const { diagnostics } = JSON.parse(output) as {
    readonly diagnostics: ReadonlyArray<{ readonly filename: string; readonly message: string }>
  }
  const lengths: Record<string, ReadonlyArray<number>> = {}
  for (const { filename, message } of diagnostics) {
    const lines = Number(/\((\d+)\)/.exec(message)![1])
    lengths[filename] = [...(lengths[filename] ?? []), lines].toSorted((a, b) => b - a)
  }
  return lengths
}

const marked = /@public\n \*\/\nexport (?:const|class|function|interface|type) (\w+)/g

const longIn = (files: ReadonlyArray<string>): Record<string, number> =>
  Object.fromEntries(
    files.map((file) => [file, readFileSync(file, "utf8").split("\n").length - 1] as const)
      .filter(([file, lines]) => lines > longest.file && !tables.has(file))
  )

const tests = (): ReadonlyArray<string> =>
  readdirSync("test", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).toSorted()
    .map((file) => `test/${file}`)

/** What is there now. */
export const measure = (
  files: ReadonlyArray<string>,
  imports: ReadonlyMap<string, ReadonlyArray<string>>
): Ratchets => ({
  circles: circlesOf(imports).flat().toSorted(),
  longFiles: longIn([...files, ...tests()]),
  longFunctions: longFunctions(),
  publicWithoutUse: files.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(marked)].map(([, name]) => `${file}: ${name}`)
  ).toSorted()
})

/** What may be there. */
export const allowed = (): Ratchets => JSON.parse(readFileSync(listFile, "utf8")) as Ratchets

const words = {
  circles: "is in a circle of imports",
  longFiles: `has more than ${longest.file} lines`,
  longFunctions: `has a function of more than ${longest.function} lines`,
  publicWithoutUse: "is public, and nothing uses it"
}

const numbers = (value: number | ReadonlyArray<number>): ReadonlyArray<number> =>
  typeof value === "number" ? [value] : value

/** What is there and may not be, and what may be there and is not. */
export const compare = (now: Ratchets, may: Ratchets): ReadonlyArray<string> => [
  ...(["circles", "publicWithoutUse"] as const).flatMap((kind) => [
    ...now[kind].filter((one) => !may[kind].includes(one)).map((one) => `${one} ${words[kind]}`),
    ...may[kind].filter((one) => !now[kind].includes(one)).map((one) => `${one} ${words[kind]} no more`)
  ]),
  ...(["longFiles", "longFunctions"] as const).flatMap((kind) => {
    const over = Object.entries(now[kind]).flatMap(([file, lines]) => {
      const most = numbers(may[kind][file] ?? [])
      return numbers(lines).flatMap((length, index) =>
        length <= (most[index] ?? 0) ? [] : [`${file} ${words[kind]}: ${length}; ${most[index] ?? "none"} is listed`]
      )
    })
    const needless = Object.entries(may[kind]).filter(([file, most]) =>
      numbers(now[kind][file] ?? []).length < numbers(most).length
    )
    return [...over, ...needless.map(([file]) => `${file} ${words[kind]} no more, or fewer such`)]
  })
]

/** Takes what is not needed out of the list, and lowers what is less now; nothing is added, and nothing is raised. */
export const shrink = (now: Ratchets, may: Ratchets): void => {
  const less = (kind: "longFiles" | "longFunctions") =>
    Object.fromEntries(
      Object.entries(may[kind]).flatMap(([file, most]) => {
        const lines = now[kind][file]
        if (lines === undefined) return []
        const lower = numbers(lines).map((length, index) => Math.min(length, numbers(most)[index] ?? 0)).filter((n) =>
          n
        )
        return [[file, typeof most === "number" ? lower[0]! : lower]]
      })
    )
  const list: Ratchets = {
    circles: may.circles.filter((file) => now.circles.includes(file)),
    longFiles: less("longFiles") as Record<string, number>,
    longFunctions: less("longFunctions") as Record<string, ReadonlyArray<number>>,
    publicWithoutUse: may.publicWithoutUse.filter((one) => now.publicWithoutUse.includes(one))
  }
  writeFileSync(listFile, `${JSON.stringify(list, null, 2)}\n`)
}
