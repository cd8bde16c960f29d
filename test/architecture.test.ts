/** The rules of the house: who may import whom. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../src")

interface Import {
  readonly from: string
  readonly to: string
  /** Whether it is gone when the program runs. */
  readonly typeOnly: boolean
}

const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

/** `import` and `export … from`; the type-only ones are those whose every name is a type. */
const statement = /^(?:import|export)\s+(type\s+)?(?:([^"';]*?)\s+from\s+)?"([^"]+)"/gm

const importsOf = (file: string): ReadonlyArray<Import> => {
  const text = readFileSync(join(root, file), "utf8")
  const all = [...text.matchAll(statement)].map(([, type, names = "", to]): Import => {
    const listed = /^\{(.*)\}$/s.exec(names.trim())?.[1]?.split(",").map((name) => name.trim()).filter((name) => name)
    return {
      from: file,
      to: to!.startsWith(".") ? relative(root, resolve(root, dirname(file), to!)) : to!,
      typeOnly: type !== undefined || (listed?.every((name) => name.startsWith("type ")) ?? false)
    }
  })
  const dynamic = [...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, to]): Import => ({
    from: file,
    to: to!.startsWith(".") ? relative(root, resolve(root, dirname(file), to!)) : to!,
    typeOnly: false
  }))
  return [...all, ...dynamic]
}

const imports = files.flatMap(importsOf)

/** From the top floor to the ground; `testing` has a floor of its own, see below. */
const rooms = ["cli", "runtime", "pipelines", "steps", "config", "engine", "native"]

const roomOf = (file: string): string => file.includes("/") ? file.slice(0, file.indexOf("/")) : ""

const told = (all: ReadonlyArray<Import>): ReadonlyArray<string> => all.map(({ from, to }) => `${from} imports ${to}`)

const isLocal = ({ to }: Import): boolean => to.endsWith(".ts")

/** What the init has loaded when it forks: values only, for types are gone then. */
const reachable = (starts: ReadonlyArray<string>): ReadonlyMap<string, string | undefined> => {
  const came = new Map<string, string | undefined>(starts.map((start) => [start, undefined]))
  for (const file of came.keys()) {
    for (const { from, to, typeOnly } of imports) {
      if (from === file && !typeOnly && !came.has(to)) came.set(to, from)
    }
  }
  return came
}

describe("imports", () => {
  it("are seen", () => {
    assert.isAbove(files.length, 100)
    assert.isAbove(imports.filter(isLocal).length, 500)
    assert.deepInclude(imports, { from: "pipelines/standard.ts", to: "engine/Pipeline.ts", typeOnly: false })
    assert.includeDeepMembers(imports, [{ from: "engine/Step.ts", to: "native/Errno.ts", typeOnly: true }])
  })

  it("lead to files that are there", () => {
    const known = new Set(files)
    assert.deepStrictEqual(told(imports.filter((one) => isLocal(one) && !known.has(one.to))), [])
  })

  it("go downwards: cli, runtime, pipelines, steps, config, engine, native", () => {
    const upwards = imports.filter((one) => {
      const [from, to] = [rooms.indexOf(roomOf(one.from)), rooms.indexOf(roomOf(one.to))]
      return isLocal(one) && from !== -1 && to !== -1 && to < from
    })
    assert.deepStrictEqual(told(upwards), [])
  })

  it("of testing lead to native, engine and config", () => {
    const below = new Set(["testing", "native", "engine", "config"])
    const others = imports.filter((one) => roomOf(one.from) === "testing" && isLocal(one) && !below.has(roomOf(one.to)))
    assert.deepStrictEqual(told(others), [])
  })

  it("lead to testing from plans only", () => {
    const allowed = new Set(["runtime/plan.ts"])
    const others = imports.filter(({ from, to }) =>
      roomOf(to) === "testing" && roomOf(from) !== "testing" && !allowed.has(from)
    )
    assert.deepStrictEqual(told(others), [])
  })

  it("of koffi are in native", () => {
    const elsewhere = imports.filter(({ from, to }) => /^(@koromix\/)?koffi/.test(to) && roomOf(from) !== "native")
    assert.deepStrictEqual(told(elsewhere), [])
  })

  it("of effect are deep: its barrel takes 200 ms to load", () => {
    assert.deepStrictEqual(told(imports.filter(({ to }) => to === "effect")), [])
  })

  it("start no other program", () => {
    const spawning = imports.filter(({ to }) => /^(node:)?(child_process|cluster|worker_threads)$/.test(to))
    assert.deepStrictEqual(told(spawning), [])
  })

  it("of the kernel's jobs are not Node's: no step, pipeline or engine reads files by itself", () => {
    const rooms = new Set(["steps", "pipelines", "engine"])
    const reading = imports.filter(({ from, to }) => rooms.has(roomOf(from)) && /^(node:)?(fs|net|os)\b/.test(to))
    assert.deepStrictEqual(told(reading), [])
  })

  it("bring no Schema into what an init loads: it costs start-up time", () => {
    const starts = files.filter((file) =>
      ["steps", "pipelines", "native"].includes(roomOf(file)) || file === "engine/Step.ts" ||
      file === "engine/Pipeline.ts"
    )
    const came = reachable(starts)
    const path = (file: string): string => {
      const before = came.get(file)
      return before === undefined ? file : `${path(before)} > ${file}`
    }
    assert.deepStrictEqual([...came.keys()].filter((file) => file.startsWith("effect/Schema")).map(path), [])
  })
})
