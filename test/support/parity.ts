/**
 * Scenarios as data: the same calls on the real kernel and on the model, to compare what they come to.
 *
 * A scenario runs in a child with namespaces of its own and an empty tmpfs at `/mnt`, its working directory. `$name` in
 * an argument stands for what an earlier call gave, `$name.0` for a part of it.
 */
import * as Effect from "effect/Effect"
import { AT, CLONE, MS, O, P, W } from "../../src/native/constants.ts"
import { Fork, type NotForkable } from "../../src/native/Fork.ts"
import { type Call, type CallName, isCallName, Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"

/** One call: its name, its arguments, and whether its result is kept (`as`) or compared (`see`). */
export interface Line {
  readonly call: CallName
  readonly args?: Readonly<Record<string, unknown>>
  readonly as?: string
  /** Compare the result, or a part of it, too; without it only success or errno. */
  readonly see?: true | string
}

/** Another process: it runs its lines, and the parent waits for it. */
export interface Child {
  readonly fork: number
  readonly lines: Scenario
}

/** Lines in order. */
export type Scenario = ReadonlyArray<Line | Child>

/** What each line came to: `ok`, an errno, or the result. */
export type Trace = ReadonlyArray<string>

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const reference = /\$([a-z]+)((?:\.\w+)*)/gi

/** What `$name` or `$name.part.part` stands for. */
const meaning = (text: string, known: ReadonlyMap<string, unknown>): unknown => {
  const [name, ...parts] = text.slice(1).split(".")
  return parts.reduce((value, part) => (value as Record<string, unknown> | undefined)?.[part], known.get(name!))
}

const lookUp = (value: unknown, known: ReadonlyMap<string, unknown>): unknown => {
  if (Array.isArray(value)) return value.map((item) => lookUp(item, known))
  if (typeof value !== "string" || !value.includes("$")) return value
  const whole = value.replace(reference, "") === ""
  return whole ? meaning(value, known) ?? -1 : value.replaceAll(reference, (text) => String(meaning(text, known)))
}

/** A result as text, with its fields in alphabetical order. */
const show = (result: unknown): string =>
  JSON.stringify(result, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`
    if (value instanceof Uint8Array) return new TextDecoder().decode(value)
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1))
  }) ?? "undefined"

const runLine = (line: Line, known: Map<string, unknown>): Effect.Effect<string, never, Kernel> =>
  Effect.suspend(() => {
    const args = Object.fromEntries(
      Object.entries(line.args ?? {}).map(([key, value]) => {
        const found = lookUp(value, known)
        return [key, key === "data" && typeof found === "string" && line.call !== "mount" ? bytes(found) : found]
      })
    )
    if (!isCallName(line.call)) throw new Error(`no such call: ${String(line.call)}`)
    const call = { _tag: line.call, ...args } as Call
    return Effect.flatMap(Kernel, (kernel) => kernel.invoke(call)).pipe(
      Effect.match({
        onFailure: (error) => error.code as string,
        onSuccess: (result: unknown) => {
          if (line.as !== undefined) known.set(line.as, result)
          if (line.see === undefined) return "ok"
          return show(line.see === true ? result : (result as Record<string, unknown>)[line.see])
        }
      }),
      // as written, since numbers of descriptors and processes differ
      Effect.map((outcome) => `${line.call} ${show(line.args ?? {})} = ${outcome}`)
    )
  })

const readAll = (fd: number): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.gen(function*() {
    let text = ""
    for (;;) {
      const data = yield* sys.read({ fd, count: 65536 })
      if (data.length === 0) return text
      text += new TextDecoder().decode(data)
    }
  })

const runLines = (
  lines: Scenario,
  known: Map<string, unknown>
): Effect.Effect<Trace, SyscallError | NotForkable, Kernel | Fork> =>
  Effect.gen(function*() {
    const out: Array<string> = []
    for (const line of lines) {
      if ("fork" in line) {
        out.push(...(yield* inChild(line.fork, runLines(line.lines, new Map(known)))).map((text) => `  ${text}`))
      } else out.push(yield* runLine(line, known))
    }
    return out
  })

/** Runs in a child; its trace comes back through a pipe that the lines do not see. */
const inChild = (
  flags: number,
  body: Effect.Effect<Trace, SyscallError | NotForkable, Kernel | Fork>
): Effect.Effect<Trace, SyscallError | NotForkable, Kernel | Fork> =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [low, lowWrite] = yield* sys.pipe2({ flags: O.CLOEXEC })
    // far from the numbers that a scenario gets
    const read = yield* sys.fcntl({ fd: low, command: 1030, argument: 500 })
    const write = yield* sys.fcntl({ fd: lowWrite, command: 1030, argument: 500 })
    yield* sys.close({ fd: low })
    yield* sys.close({ fd: lowWrite })
    const pid = yield* fork.spawn(
      flags,
      Effect.gen(function*() {
        yield* sys.close({ fd: read })
        const trace = yield* body.pipe(Effect.catch((error) => Effect.succeed([`broken: ${error.message}`])))
        let rest = bytes(JSON.stringify(trace))
        while (rest.length > 0) rest = rest.slice(yield* sys.write({ fd: write, data: rest }))
        return yield* sys.exit_group({ status: 0 })
      })
    )
    yield* sys.close({ fd: write })
    const text = yield* readAll(read)
    yield* sys.close({ fd: read })
    const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
    return text === ""
      ? [`the child ended without a word: code ${status?.code}, status ${status?.status}`]
      : JSON.parse(text) as Trace
  })

/**
 * Runs a scenario in a child with namespaces of its own and an empty tmpfs at /mnt. Descriptors from 100 to 499 are free;
 * lower ones are not closed, since libuv aborts a process whose own descriptors are gone.
 */
export const play = (scenario: Scenario, flags = 0): Effect.Effect<Trace, SyscallError | NotForkable, Kernel | Fork> =>
  inChild(
    CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET | flags,
    Effect.gen(function*() {
      yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
      yield* sys.mount({ source: "tmpfs", target: "/mnt", type: "tmpfs", flags: 0, data: "mode=755" })
      yield* sys.chdir({ path: "/mnt" })
      yield* sys.umask({ mask: 0o22 })
      return yield* runLines(scenario, new Map())
    })
  )

/** `AT_FDCWD`, for short. */
export const cwd = AT.FDCWD
