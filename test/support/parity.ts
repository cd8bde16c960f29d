/**
 * Scenarios as data: the same calls on the real kernel and on the model, to compare what they come to.
 *
 * A scenario runs in a child with namespaces of its own and an empty tmpfs at `/mnt`, its working directory. `$name` in
 * an argument stands for what an earlier call gave, `$name.0` for a part of it.
 *
 * Each line is told as soon as it has run, so that a process that is killed or executes a program is heard until then.
 */
import * as Effect from "effect/Effect"
import { CLONE, F, MS, O, P, SIG, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Call, type CallName, callNames, Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import { mountsBelow, type PeerGroups } from "./mountinfo.ts"
import * as Observed from "./observed.ts"
import type { Bytes, Line, Scenario, Trace } from "./parityLines.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const reference = /\$([a-z]+)((?:\.\w+)*)/gi

/** What `$name` or `$name.part.part` stands for. */
const meaning = (text: string, known: ReadonlyMap<string, unknown>): unknown => {
  const [name, ...parts] = text.slice(1).split(".")
  return parts.reduce((value, part) => (value as Record<string, unknown> | undefined)?.[part], known.get(name!))
}

const lookUp = (value: unknown, known: ReadonlyMap<string, unknown>): unknown => {
  if (Array.isArray(value)) return value.map((item) => lookUp(item, known))
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, lookUp(part, known)]))
  }
  if (typeof value !== "string" || !value.includes("$")) return value
  const whole = value.replace(reference, "") === ""
  return whole ? meaning(value, known) ?? -1 : value.replaceAll(reference, (text) => String(meaning(text, known)))
}

/** Text as it is, other bytes by their number. */
const showBytes = (value: Uint8Array): string => {
  const text = new TextDecoder().decode(value)
  // eslint-disable-next-line no-control-regex
  return /[\x00-\x08\x0e-\x1f]/.test(text) && value.length > 32 ? `<${value.length} bytes>` : text
}

/** A result as text, with its fields in alphabetical order. */
const show = (result: unknown): string =>
  JSON.stringify(result, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`
    if (value instanceof Uint8Array) return showBytes(value)
    // what a link of /proc calls a pipe: the machine chose the number
    if (typeof value === "string") return value.replace(/^(pipe|socket):\[\d+\]$/, "$1:[n]")
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1))
  }) ?? "undefined"

const partOf = (value: unknown, [name, ...rest]: ReadonlyArray<string>): unknown => {
  if (name === undefined) return value
  if (name.startsWith("&")) return Number(value) & Number(name.slice(1))
  if (name === "*") return Array.isArray(value) ? value.map((item: unknown) => partOf(item, rest)) : null
  return partOf((value as Record<string, unknown> | null | undefined)?.[name], rest)
}

const seen = ({ only, see, sorted }: Line, result: unknown): string => {
  if (see === undefined) return "ok"
  if (only !== undefined && !Array.isArray(result)) {
    const text = result instanceof Uint8Array ? new TextDecoder().decode(result) : String(result)
    return show(text.split("\n").filter((one) => only.test(one)))
  }
  const matching = (value: ReadonlyArray<unknown>) =>
    only === undefined ? value : value.filter((one) => only.test(String(one)))
  const ordered = (value: unknown): unknown =>
    sorted === true && Array.isArray(value)
      ? matching(value).map(show).toSorted().map((text) => JSON.parse(text) as unknown)
      : value
  const part = (name: string): unknown => ordered(partOf(result, name.split(".")))
  return see === true ? show(ordered(result)) : typeof see === "string" ? show(part(see)) : show(see.map(part))
}

const peerGroups = (known: ReadonlyMap<string, unknown>): PeerGroups => {
  const groups = known.get("peer groups")
  return groups instanceof Map ? groups as PeerGroups : new Map()
}

const seenMounts = (below: string, result: unknown, known: Map<string, unknown>): string => {
  // the kernel gives numbers of groups that ended to others: names hold for one look
  const seen = mountsBelow(result instanceof Uint8Array ? new TextDecoder().decode(result) : "", below, new Map())
  known.set("peer groups", seen.groups)
  return show(seen.lines)
}

const dataOf = (data: unknown): unknown => {
  if (typeof data === "string") return bytes(data)
  const { byte, times } = data as Partial<Bytes>
  return byte !== undefined && times !== undefined ? bytes(byte.repeat(times)) : data
}

const runLine = (line: Line, known: Map<string, unknown>): Effect.Effect<string, never, Kernel> =>
  Effect.suspend(() => {
    const args = Object.fromEntries(
      Object.entries(line.args ?? {}).map(([key, value]) => {
        const found = lookUp(value, known)
        return [key, key === "data" && line.call !== "mount" ? dataOf(found) : found]
      })
    )
    if (!callNames.includes(line.call as CallName)) throw new Error(`no such call: ${String(line.call)}`)
    const call = { _tag: line.call, ...args } as Call
    return Effect.flatMap(Kernel, (kernel) => kernel.invoke(call)).pipe(
      Effect.match({
        onFailure: (error) => {
          // a number of an earlier line would by now be somebody else's
          if (line.as !== undefined) known.delete(line.as)
          return error.code as string
        },
        onSuccess: (result: unknown) => {
          if (line.as !== undefined) known.set(line.as, result)
          return line.mounts === undefined ? seen(line, result) : seenMounts(line.mounts, result, known)
        }
      }),
      // as written, since numbers of descriptors and processes differ
      Effect.map((outcome) => `${line.call} ${show(line.args ?? {})} = ${outcome}`)
    )
  })

const readAll = (fd: number): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const decoder = new TextDecoder()
    let text = ""
    for (;;) {
      const data = yield* sys.read({ fd, count: 65536 })
      if (data.length === 0) return text
      text += decoder.decode(data, { stream: true })
    }
  })

/** The end of the pipe through which a process tells its trace; none for the first one. */
type End = number | undefined

const tell = (end: End, text: string): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.gen(function*() {
    let rest = end === undefined ? bytes("") : bytes(`${JSON.stringify(text)}\n`)
    while (rest.length > 0) rest = rest.slice(yield* sys.write({ fd: end ?? -1, data: rest }))
  })

/** A process of a scenario: its pid, and the pipe through which its trace comes. */
interface Beside {
  readonly pid: number
  readonly read: number
}

/** How much is looked at once the lines have run: a process beside shares its namespaces with others that go on. */
type Look = "process" | "namespaces"

/** The state after the last line, as lines of the trace. */
const look = (
  what: Look,
  known: Map<string, unknown>,
  end: End
): Effect.Effect<void, SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const before = known.get("before") as Observed.Before | undefined
    if (before === undefined) return
    for (const text of yield* Observed.ofProcess(before)) yield* tell(end, `after: ${text}`)
    if (what === "process") return
    const { groups, lines } = yield* Observed.ofNamespaces(before, peerGroups(known), known.get("links") === true)
    known.set("peer groups", groups)
    for (const text of lines) yield* tell(end, `after: ${text}`)
  })

const runLines = (
  lines: Scenario,
  known: Map<string, unknown>,
  end: End,
  what: Look
): Effect.Effect<void, SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const running = new Map<string, Beside>()
    for (const line of lines) {
      if ("fork" in line) {
        const look = (line.fork & (CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWNET | CLONE.NEWUSER)) !== 0
        const trace = yield* inChild(line.fork, line.lines, known, end, look ? "namespaces" : "process").pipe(
          // the flags were refused: a result as any other
          Effect.catchTag("SyscallError", (error) =>
            error.call._tag === "clone" ? Effect.succeed([`could not be forked: ${error.code}`]) : Effect.fail(error))
        )
        for (const text of trace) {
          yield* tell(end, `  ${text}`)
        }
      } else if ("start" in line) {
        const child = yield* startChild(line.flags, line.lines, known, end, "process")
        known.set(line.start, child.pid)
        running.set(line.start, child)
      } else if ("join" in line) {
        const child = running.get(line.join)
        if (child === undefined) {
          throw new Error(`no process ${line.join} was started`)
        }
        for (const text of (yield* heard(child)).trace) {
          yield* tell(end, `  ${line.join}: ${text}`)
        }
      } else {
        const text = yield* runLine(line, known)
        if (line.quiet !== true) {
          yield* tell(end, text)
        }
      }
    }
    // the last first: an init's end waits for the members of its namespace, which may be children of ours
    for (const { pid } of [...running.values()].toReversed()) {
      // one that may not be killed any more ends with its pid namespace
      yield* Effect.ignore(Effect.andThen(
        sys.kill({ pid, signal: SIG.KILL }),
        sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      ))
    }
    yield* look(what, known, end)
  })

/** What goes before the lines, and what they know from it. */
type Prepare = Effect.Effect<ReadonlyArray<readonly [string, unknown]>, SyscallError, Kernel>

/** Said after the last line. */
const finished = "."

/** Starts a child; its trace comes back through a pipe that the lines do not see, and that exec closes. */
const startChild = (
  flags: number,
  lines: Scenario,
  known: ReadonlyMap<string, unknown>,
  end: End,
  what: Look,
  prepare: Prepare = Effect.succeed([])
): Effect.Effect<Beside, SyscallError, Kernel | Fork> =>
  startIn(flags, (write) =>
    Effect.gen(function*() {
      // else the parent would be heard until this child ends
      if (end !== undefined) yield* sys.close({ fd: end })
      const more = yield* prepare
      yield* runLines(lines, new Map([...known, ...more]), write, what)
    }))

/** Starts a child that tells something through a pipe. */
const startIn = (
  flags: number,
  run: (end: number) => Effect.Effect<void, SyscallError, Kernel | Fork>
): Effect.Effect<Beside, SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [low, lowWrite] = yield* sys.pipe2({ flags: O.CLOEXEC })
    // far from the numbers that a scenario gets
    const read = yield* sys.fcntl({ fd: low, command: F.DUPFD_CLOEXEC, argument: Observed.firstOwn })
    const write = yield* sys.fcntl({ fd: lowWrite, command: F.DUPFD_CLOEXEC, argument: Observed.firstOwn })
    yield* sys.close({ fd: low })
    yield* sys.close({ fd: lowWrite })
    const pid = yield* fork.spawn(
      flags,
      Effect.gen(function*() {
        yield* sys.close({ fd: read })
        yield* run(write).pipe(Effect.catch((error) => tell(write, `broken: ${error.call._tag} ${error.code}`)))
        yield* tell(write, finished)
        return yield* sys.exit_group({ status: 0 })
      })
    )
    yield* sys.close({ fd: write })
    return { pid, read }
  })

/** What a child told, to its end, and whether that was its last line. */
const heard = (
  { read }: Beside
): Effect.Effect<{ readonly trace: Trace; readonly whole: boolean }, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const text = yield* readAll(read)
    yield* sys.close({ fd: read })
    const trace = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as string)
    const whole = trace.at(-1) === finished
    return { trace: whole ? trace.slice(0, -1) : trace, whole }
  })

/** Runs in a child, and waits for it. */
const inChild = (
  flags: number,
  lines: Scenario,
  known: ReadonlyMap<string, unknown>,
  end: End,
  what: Look,
  prepare?: Prepare
): Effect.Effect<Trace, SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const child = yield* startChild(flags, lines, known, end, what, prepare)
    const { trace, whole } = yield* heard(child)
    const status = yield* sys.waitid({ idtype: P.PID, id: child.pid, options: W.EXITED })
    return whole ? trace : [...trace, `and is gone: code ${status?.code}, status ${status?.status}`]
  })

/** Whether a scenario puts links into other networks. */
const moves = (scenario: Scenario): boolean =>
  scenario.some((line) =>
    "lines" in line
      ? moves(line.lines)
      : "call" in line && line.call === "rtnetlink" && /netns/i.test(Object.keys(line.args?.request ?? {}).join(" "))
  )

/** An empty tmpfs at /mnt as working directory. */
const scratch: Effect.Effect<void, SyscallError, Kernel> = Effect.gen(function*() {
  yield* sys.mount({ source: "tmpfs", target: "/mnt", type: "tmpfs", flags: 0, data: "mode=755" })
  yield* sys.chdir({ path: "/mnt" })
  yield* sys.umask({ mask: 0o22 })
})

const withdraw = sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })

/** The machine's own root can't be written to: nobody has read what a generated scenario does. */
const protect = sys.mount({
  source: null,
  target: "/",
  type: null,
  flags: MS.REMOUNT | MS.BIND | MS.RDONLY,
  data: null
})

/**
 * Runs a scenario in a child with namespaces of its own and an empty tmpfs at /mnt. Descriptors from 100 to 499 are free;
 * lower ones are not closed, since libuv aborts a process whose own descriptors are gone.
 */
export const play = (
  scenario: Scenario,
  { flags = 0, generated = false, start = {} }: {
    readonly flags?: number
    readonly generated?: boolean
    /** Keeps what was there before the first line for the next play on the same machine; a model's, since it is told here. */
    readonly start?: { before?: Observed.Before }
  } = {}
): Effect.Effect<Trace, SyscallError, Kernel | Fork> =>
  inChild(
    CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET | flags,
    scenario,
    new Map(),
    undefined,
    "namespaces",
    Effect.gen(function*() {
      const before = start.before ?? (yield* Observed.before)
      start.before = before
      yield* withdraw
      if (generated) yield* protect
      yield* scratch
      // a network that nobody is in goes away, and takes the peers of its links with it, whenever the kernel gets to it
      return [["before", before], ["links", !moves(scenario)]]
    })
  )

/** Whether a scenario has to do with links. */
const links = (scenario: Scenario): boolean =>
  scenario.some((line) => "lines" in line ? links(line.lines) : "call" in line && line.call === "rtnetlink")

/**
 * Runs scenarios one after the other, each as {@link play} does: in a child, but of one process, which looks once.
 *
 * @param begins is told of each, before it begins
 */
export const playAll = (
  scenarios: ReadonlyArray<Scenario>,
  begins: (index: number) => void = () => {}
): Effect.Effect<ReadonlyArray<Trace>, SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const child = yield* startIn(CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET, (end) =>
      Effect.gen(function*() {
        const before = yield* Observed.before
        yield* withdraw
        yield* protect
        for (const [index, scenario] of scenarios.entries()) {
          begins(index)
          const net = links(scenario)
          const known = new Map<string, unknown>([["before", before], ["links", net && !moves(scenario)]])
          const flags = CLONE.NEWNS | CLONE.NEWUTS | (net ? CLONE.NEWNET : 0)
          const prepare = Effect.as(scratch, [])
          yield* tell(end, JSON.stringify(yield* inChild(flags, scenario, known, end, "namespaces", prepare)))
        }
      }))
    const { trace } = yield* heard(child)
    yield* sys.waitid({ idtype: P.PID, id: child.pid, options: W.EXITED })
    return trace.map((text) =>
      JSON.parse(text) as Trace
    )
  })
