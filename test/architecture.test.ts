/** The rules of the house: who may import whom. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import { allowed, circlesOf, compare, measure, shrink } from "./support/ratchets.ts"

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

/** From the top floor to the ground; `model` and `testing` have floors of their own, see below. */
const rooms = ["cli", "promise", "sandbox", "runtime", "pipelines", "steps", "config", "engine", "native"]

const roomOf = (file: string): string => file.includes("/") ? file.slice(0, file.indexOf("/")) : ""

const told = (all: ReadonlyArray<Import>): ReadonlyArray<string> => all.map(({ from, to }) => `${from} imports ${to}`)

const isLocal = ({ to }: Import): boolean => to.endsWith(".ts")

/** What is loaded along with some modules: values only, for types are gone then. */
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

  it("go downwards: cli, promise, sandbox, runtime, pipelines, steps, config, engine, native", () => {
    const upwards = imports.filter((one) => {
      const [from, to] = [rooms.indexOf(roomOf(one.from)), rooms.indexOf(roomOf(one.to))]
      return isLocal(one) && from !== -1 && to !== -1 && to < from
    })
    assert.deepStrictEqual(told(upwards), [])
  })

  /** Where the imports of a room may lead; to itself, always. */
  const below: Readonly<Record<string, ReadonlyArray<string>>> = {
    model: ["config", "native"],
    testing: ["model", "engine", "config", "native"]
  }

  it.each(Object.keys(below))("of %s lead to what is below it", (room) => {
    const allowed = new Set([room, ...below[room]!])
    const others = imports.filter((one) => roomOf(one.from) === room && isLocal(one) && !allowed.has(roomOf(one.to)))
    assert.deepStrictEqual(told(others), [])
  })

  it.each(["model", "testing"])("lead to %s from plans only", (room) => {
    const allowed = new Set([
      "runtime/onModel.ts",
      "runtime/plan.ts",
      "runtime/stays.ts",
      ...files.filter((file) => roomOf(file) === "testing")
    ])
    const others = imports.filter(({ from, to }) => roomOf(to) === room && roomOf(from) !== room && !allowed.has(from))
    assert.deepStrictEqual(told(others), [])
  })

  const isLinux = (file: string): boolean => file.startsWith("native/linux/")

  it("lead to the kernel calls as Linux makes them from the command and the library's index only", () => {
    const others = imports.filter(({ from, to }) =>
      isLinux(to) && !isLinux(from) && !["index.ts", "sandbox.ts", "promise.ts"].includes(from) &&
      roomOf(from) !== "cli"
    )
    assert.deepStrictEqual(told(others), [])
  })

  it("of koffi are in native/linux", () => {
    const elsewhere = imports.filter(({ from, to }) => /^(@koromix\/)?koffi/.test(to) && !isLinux(from))
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
      ["steps", "pipelines", "native", "model"].includes(roomOf(file)) || file === "engine/Step.ts" ||
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

describe("comments inside of code, which a bundler keeps", () => {
  it("are in Latin-1: with any other character V8 keeps the source of the whole bundle in two bytes each", () => {
    const found = files.filter((file) =>
      readFileSync(join(root, file), "utf8").split("\n").some((line) => /^\s*\/\/.*[^\0-\xff]/.test(line))
    )
    assert.deepStrictEqual(found, [])
  })
})

describe("the command's own streams", () => {
  /** The lines of a file that are no comment. */
  const code = (file: string): ReadonlyArray<string> =>
    readFileSync(join(root, file), "utf8").split("\n").filter((line) => !/^\s*(\*|\/\*|\/\/)/.test(line))

  it("are written by runtime/streams.ts alone, which knows what to do where that fails", () => {
    const writing = files.filter((file) =>
      code(file).some((line) => /process\.std(out|err)\.write|console\.\w+\(/.test(line))
    )
    assert.deepStrictEqual(writing, [])
  })

  it("are left by process.exit in one place, when all is undone", () => {
    const leaving = files.filter((file) => code(file).some((line) => line.includes("process.exit(")))
    assert.deepStrictEqual(leaving, ["cli/edge.ts"])
  })
})

describe("the steps", () => {
  const text = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]))
  const stepsIn = (file: string): ReadonlyArray<string> =>
    [...text.get(file)!.matchAll(/^export const (\w+) = Step\.make\(/gm)].map(([, name]) => name!)
  const inRoom = files.filter((file) => roomOf(file) === "steps")
  const isStep = (file: string): boolean => text.has(file) && stepsIn(file).length > 0

  it("have a file each, of the same name", () => {
    const others = inRoom.filter(isStep).filter((file) => stepsIn(file).join() !== basename(file, ".ts"))
    assert.deepStrictEqual(others, [])
  })

  it("of the init are what the root of the room holds, and nothing else is there", () => {
    assert.deepStrictEqual(inRoom.filter((file) => dirname(file) === "steps" && !isStep(file)), [])
  })

  it("know nothing of each other: what two need is in a file that is no step", () => {
    const others = imports.filter(({ from, to }) => roomOf(from) === "steps" && isStep(to))
    assert.deepStrictEqual(told(others), [])
  })

  /** The facts and errors that a file has, and in how many steps' files alone each is named. */
  const placed = (file: string) =>
    [...text.get(file)!.matchAll(/^export class (\w+) extends (?:Context\.Service|Data\.TaggedError)/gm)].map((
      [, name]
    ) => ({
      name: name!,
      users: files.filter((other) =>
        other !== file &&
        imports.some(({ from, to }) => from === other && to === file) &&
        new RegExp(`\\b${name}\\b`).test(text.get(other)!)
      )
    }))

  it("have their own facts and errors in their files, and share those of facts.ts and errors.ts", () => {
    const lonely = inRoom.filter((file) => /^(facts|errors)\.ts$/.test(basename(file))).flatMap((file) =>
      placed(file).filter(({ users }) => users.length < 2 && users.every(isStep)).map(({ name, users }) =>
        `${name} of ${file} is for ${users.join() || "nobody"}`
      )
    )
    assert.deepStrictEqual(lonely, [])
  })
})

describe("the ratchets", () => {
  const values = new Map(files.map((file): [string, ReadonlyArray<string>] => [
    `src/${file}`,
    imports.filter(({ from, to, typeOnly }) => from === file && !typeOnly && files.includes(to)).map(({ to }) =>
      `src/${to}`
    )
  ]))

  it("find circles", () => {
    const two = [["a", "b"], ["c", "d", "e"]]
    const edges = { a: ["b"], b: ["a", "c"], c: ["d"], d: ["e"], e: ["c", "f"], f: ["f"], g: ["a", "f"] }
    assert.sameDeepMembers([...circlesOf(new Map(Object.entries(edges)))], two)
  })

  it("hold: circles of files, long files, long functions and public exports without use get fewer only (test/ratchets.json)", () => {
    const now = measure([...values.keys()], values)
    if (process.env["RATCHETS"] === "shrink") shrink(now, allowed())
    assert.deepStrictEqual(compare(now, allowed()), [])
  })
})
