/**
 * What the numbers in calls stand for: a descriptor is the file that it was opened for, a pid is a process, the index of an
 * interface is its name. All of this is read from the calls, in the order in which they were made. So two runs can be
 * compared although their numbers differ.
 */
import type { Argument } from "../native/Argument.ts"
import * as Arg from "../native/Argument.ts"
import { rowOf } from "../native/calls.ts"
import { IOPRIO_WHO, KEY_SPEC, KEYCTL, P, TIOC } from "../native/constants.ts"
import { opened } from "../native/descriptorNames.ts"
import type { Passed } from "../native/Fork.ts"
import type { Call } from "../native/Kernel.ts"
import { hiddenIn } from "./Unknowable.ts"

/** The fields of a recorded call that this module needs. */
export interface Made {
  /** Which process. */
  readonly side: string
  readonly step: string
  readonly call: Call
  /** Whether it succeeded, and its result. */
  readonly returned: boolean
  readonly result?: unknown
  /** For a clone: the process that it made. */
  readonly child?: string
}

/** By name of the argument: what to show instead of its value. Arguments that mean just their value are absent. */
export type Names = Readonly<Record<string, string>>

interface Process {
  /** By number. */
  readonly fds: Map<number, string>
  readonly pids: Map<number, string>
}

type Value = unknown

const isPid = (call: Call, argument: string, kind: Argument<unknown>): boolean =>
  kind === Arg.pid ||
  (call._tag === "waitid" && argument === "id" && (call.idtype === P.PID || call.idtype === P.PGID)) ||
  (call._tag === "ioprio_set" && argument === "who" && call.which === IOPRIO_WHO.PROCESS)

const isFd = (call: Call, argument: string, kind: Argument<unknown>): boolean =>
  kind === Arg.fd || kind === Arg.pidfd || (call._tag === "waitid" && argument === "id" && call.idtype === P.PIDFD)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)

const text = (data: Uint8Array): string | undefined => {
  const plain = Buffer.from(data).toString("utf8")
  // eslint-disable-next-line no-control-regex
  return /^[\t\n\x20-\x7e\u00a0-\uffff]*$/.test(plain) ? plain : undefined
}

/** How many digits of a random number are enough to recognize it. */
const fewest = 6

/** Replaces a random number in a text, or a prefix of it, by a word. */
const withoutRandom = (text: string, random: string): string => {
  for (let length = random.length; length >= fewest; length--) {
    const part = random.slice(0, length)
    if (text.includes(part)) return text.replaceAll(part, "<random>")
  }
  return text
}

/** Reads calls in the order in which they were made, and names the numbers of each. */
export class Meanings {
  readonly #processes = new Map<string, Process>()
  /** Names of descriptors that were sent to another process and not received yet. */
  readonly #flying: Array<string> = []
  readonly #links = new Map<number, string>()
  readonly #keyrings = new Map<number, string>([[KEY_SPEC.SESSION_KEYRING, "<session keyring>"]])
  /** Bytes from getrandom(2), in hexadecimal. */
  readonly #random: Array<string> = []
  readonly #pairs = new Map<string, number>()
  readonly #known: Map<number, string>
  #others = 0

  /** @param pids names of processes that are known before the first call */
  constructor(pids: ReadonlyMap<number, string> = new Map()) {
    this.#known = new Map(pids)
  }

  /** What the arguments of the next call stand for. */
  next(made: Made): Names {
    const names = this.#namesOf(made)
    this.#learn(made)
    return names
  }

  #process(side: string): Process {
    const known = this.#processes.get(side)
    if (known !== undefined) return known
    const process = { fds: new Map<number, string>(), pids: new Map<number, string>() }
    this.#processes.set(side, process)
    return process
  }

  #fd(side: string, fd: number): string | undefined {
    return fd < 3 ? undefined : this.#process(side).fds.get(fd)
  }

  /** A process that no call has named gets the next free number. */
  #pid(side: string, pid: number): string | undefined {
    if (pid <= 0) return pid < -1 ? `-${this.#pid(side, -pid)}` : undefined
    const known = this.#process(side).pids.get(pid) ?? this.#known.get(pid)
    if (known !== undefined) return known
    const name = this.#others++ === 0 ? "another process" : `another process ${this.#others}`
    this.#known.set(pid, name)
    return name
  }

  #knownPid(side: string, pid: number): string | undefined {
    return this.#process(side).pids.get(pid) ?? this.#known.get(pid)
  }

  /** Replaces what a plan can't know in a text. */
  #text(side: string, value: string): string {
    const named = hiddenIn(value, (pid) => this.#knownPid(side, pid))
    return this.#random.reduce(withoutRandom, named)
  }

  #namesOf({ call, side }: Made): Names {
    const names: Record<string, string> = {}
    const args = rowOf(call._tag).arguments
    const values = call as unknown as Readonly<Record<string, Value>>
    for (const [argument, kind] of Object.entries(args)) {
      const value = values[argument]
      const name = this.#nameOf(call, side, argument, kind, value)
      if (name !== undefined) names[argument] = name
    }
    return names
  }

  #nameOf(call: Call, side: string, argument: string, kind: Argument<unknown>, value: Value): string | undefined {
    if (typeof value === "number") {
      if (isFd(call, argument, kind)) {
        const name = this.#fd(side, value)
        return name === undefined ? undefined : `<${name}>`
      }
      if (isPid(call, argument, kind)) {
        const name = this.#pid(side, value)
        return name === undefined ? undefined : `<${name}>`
      }
      if (call._tag === "keyctl") return this.#keyrings.get(value)
      if (call._tag === "close_range" && argument !== "flags") {
        const [next, word] = argument === "first" ? [value - 1, "after"] : [value + 1, "before"]
        const name = this.#fd(side, next)
        return name === undefined ? undefined : `<${word} ${name}>`
      }
      return undefined
    }
    if (Array.isArray(value) && kind === Arg.fds) {
      return `[${
        (value as ReadonlyArray<number>).map((fd) => {
          const name = this.#fd(side, fd)
          return name === undefined ? String(fd) : `<${name}>`
        }).join(", ")
      }]`
    }
    if (value instanceof Uint8Array) {
      const plain = text(value)
      if (plain !== undefined) return this.#changed(side, plain, true)
      // an exec trampoline: the plan has its calls, so its bytes are not shown
      const file = call._tag === "write" ? this.#fd(side, call.fd) : undefined
      return file?.startsWith("memfd:") === true ? `<a program of ${value.length} bytes>` : undefined
    }
    if (typeof value === "string") return this.#changed(side, value, false)
    if (call._tag === "rtnetlink" && isRecord(value)) return this.#request(side, value)
    return undefined
  }

  /**
   * The changed text, if it holds something that a plan can't know. A pid with nothing around it is replaced in written
   * data only.
   */
  #changed(side: string, value: string, data: boolean): string | undefined {
    const pid = data && /^\d+$/.test(value) ? this.#knownPid(side, Number(value)) : undefined
    if (pid !== undefined) return JSON.stringify(`<${pid}>`)
    const hidden = this.#text(side, value)
    return hidden === value ? undefined : JSON.stringify(hidden)
  }

  #request(side: string, { _tag, ...fields }: Readonly<Record<string, unknown>>): string | undefined {
    const named = Object.fromEntries(
      Object.entries(fields).map(([key, value]) => {
        if (typeof value === "string") return [key, this.#text(side, value)]
        if (typeof value !== "number") return [key, value]
        const name = key.endsWith("Fd")
          ? this.#fd(side, value)
          : key.endsWith("Pid")
          ? this.#pid(side, value)
          : key === "link" || key === "master"
          ? this.#links.get(value)
          : undefined
        return [key, name === undefined ? value : `<${name}>`]
      })
    )
    const text = `${String(_tag)}${JSON.stringify(named)}`
    return text === `${String(_tag)}${JSON.stringify(fields)}` ? undefined : text
  }

  // -- what a call means ----------------------------------------------------------------------------------------------

  #learn(made: Made): void {
    const { call, result, returned, side } = made
    const process = this.#process(side)
    if (!returned) return
    const open = (fd: unknown, name: string): void => void (typeof fd === "number" && process.fds.set(fd, name))
    const name = opened(call, (fd) => process.fds.get(fd))
    switch (call._tag) {
      case "dup3":
        return open(call.newfd, name!)
      case "close":
        return void process.fds.delete(call.fd)
      case "socket":
        return open(result, `socket of ${made.step || side}`)
      case "connect":
        return void process.fds.set(call.fd, `socket to ${call.path}`)
      case "socketpair":
      case "pipe2": {
        const [first, second] = result as readonly [number, number]
        const key = `${side} ${made.step}`
        const number = (this.#pairs.get(key) ?? 0) + 1
        this.#pairs.set(key, number)
        const of = `${made.step || side}${number === 1 ? "" : ` ${number}`}`
        const [one, other] = call._tag === "pipe2" ? ["read end", "write end"] : ["one end", "other end"]
        open(first, `${one} of ${of}`)
        return open(second, `${other} of ${of}`)
      }
      case "pidfd_open":
        return open(result, `pidfd of ${this.#pid(side, call.pid)}`)
      case "sendmsg":
        for (const fd of call.fds) this.#flying.push(process.fds.get(fd) ?? String(fd))
        return
      case "recvmsg": {
        const { credentials, fds } = result as {
          readonly fds: ReadonlyArray<number>
          readonly credentials: { readonly pid: number } | null
        }
        for (const fd of fds) open(fd, this.#flying.shift() ?? "a descriptor that was sent")
        if (credentials !== null && credentials.pid > 0 && this.#knownPid(side, credentials.pid) === undefined) {
          process.pids.set(credentials.pid, `init in its namespaces`)
        }
        return
      }
      case "ioctl":
        if (call.request === TIOC.GPTPEER) open(result, `terminal of ${process.fds.get(call.fd) ?? call.fd}`)
        return
      case "seccomp":
        return open(Number(result) > 0 ? result : undefined, name!)
      default:
        return name === undefined ? this.#learnNumber(made) : open(result, this.#text(side, name))
    }
  }

  /** As `#learn`, for pids and interface indexes. */
  #learnNumber({ call, child, result, side }: Made): void {
    const process = this.#process(side)
    switch (call._tag) {
      case "getrandom":
        return void this.#random.push(Buffer.from(result as Uint8Array).toString("hex"))
      case "keyctl":
        if (call.operation === KEYCTL.JOIN_SESSION_KEYRING) this.#keyrings.set(result as number, "<session keyring>")
        return
      case "getpid":
        return void process.pids.set(result as number, side)
      case "getppid":
        if ((result as number) > 0) process.pids.set(result as number, `parent of ${side}`)
        return
      case "clone": {
        process.pids.set(result as number, child ?? "a child")
        return
      }
      case "rtnetlink":
        for (const answer of result as ReadonlyArray<{ readonly _tag: string; index?: number; name?: string }>) {
          if (answer._tag === "Link") this.#links.set(answer.index!, this.#text(side, answer.name!))
        }
        return
      default:
    }
  }

  /** A new process inherits the names of its parent's descriptors: of those that it is passed, by its own numbers. */
  fork(parent: string, child: string, passed?: ReadonlyArray<Passed>): void {
    const { fds } = this.#process(parent)
    const known = passed?.flatMap(([number, fd]) => fds.has(fd) ? [[number, fds.get(fd)!] as const] : []) ?? fds
    this.#processes.set(child, { fds: new Map(known), pids: new Map() })
  }
}

/** Cuts a word as the text that it replaces would be cut. */
const shortened = (word: string): string =>
  word.startsWith("\"") && word.length > 200 ? Arg.quote(JSON.parse(word) as string) : word

/** Prints a call as strace(1) does, with names instead of numbers. */
export const render = (call: Call, names: Names): string => {
  const args = rowOf(call._tag).arguments
  const values = call as unknown as Readonly<Record<string, never>>
  const texts = Object.keys(args).map((name) => {
    const word = names[name]
    return word === undefined ? args[name]!.render(values[name]!) : shortened(word)
  })
  return `${call._tag}(${texts.join(", ")})`
}
