/**
 * A program of a container that may trace (CAP_SYS_PTRACE) takes all that it can from those who come in: descriptors by
 * pidfd_getfd(2), what `/proc` shows of them, their memory. What it gets is on a list; and what it does with that harms
 * nobody but those that it was taken from.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { numbers as capability } from "../../src/config/capabilities.ts"
import { O } from "../../src/native/constants.ts"
import * as Fork from "../../src/native/Fork.ts"
import { Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { noCompiler } from "../support/cHeaders.ts"
import { containerOf, failureOf, makePlace, on, options, type Place, sh } from "../support/containers.ts"
import { isolate } from "../support/host.ts"
import { hasPassRights } from "../support/kernelVersion.ts"
import { missing } from "../support/rootfs.ts"
import { eventually } from "../support/until.ts"

const reason = missing ?? noCompiler()
if (reason !== undefined && missing === undefined) process.stdout.write(`skipped: ${reason}\n`)

let place: Place
beforeAll(async () => {
  if (reason !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
  const source = fileURLToPath(new URL("../support/taker.c", import.meta.url))
  execFileSync("cc", ["-static", "-O2", "-o", path.join(place.root, "taker"), source])
})
afterAll(() => place?.remove())

/** Stands in the memory of this process and of the other container's, and must not be found in a process on its way in. */
const secret = randomBytes(30).toString("hex")

const some = [capability.SYS_PTRACE, capability.KILL, capability.DAC_OVERRIDE]
const mayTrace = { bounding: some, effective: some, permitted: some, inheritable: [], ambient: [] }

const identityOf = ({ dev, ino }: fs.BigIntStats) => `${dev} ${ino}`

/** The sockets and pipes of this process, but for its standard streams. */
const ownChannels = (): ReadonlyArray<string> =>
  fs.readdirSync("/proc/self/fd").filter((fd) => Number(fd) > 2).flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  }).filter((link) => /^(?:socket|pipe):/.test(link))

/** Of what was taken, what is not on the list. */
const findings = (taken: ReadonlyArray<string>, own: ReadonlySet<string>): ReadonlySet<string> => {
  const streams = new Set([0, 1, 2].map((fd) => identityOf(fs.fstatSync(fd, { bigint: true }))))
  // what a step reads: the container's own users and groups, and its procfs
  const files = new Set(
    ["etc/passwd", "etc/group"].map((file) => identityOf(fs.statSync(path.join(place.root, file), { bigint: true })))
  )
  const procfs = taken.find((line) => line.startsWith("proc "))?.slice("proc ".length)
  const ofEach = new Map<string, Set<string>>()
  /** Whether a process has more than so many such. */
  const isFurther = (pid: string, way: string, link: string, most = 1) => {
    const kind = `${pid} ${way} ${link.split(":")[0]}`
    const links = ofEach.get(kind) ?? new Set()
    ofEach.set(kind, links.add(link))
    return links.size > most
  }
  const found = taken.filter((line) => {
    const [kind, pid = "", ...rest] = line.split(" ")
    switch (kind) {
      case "fd": {
        const [number, device, inode, flags, domain, link = ""] = rest
        if (streams.has(`${device} ${inode}`)) return Number(number) > 2
        if (files.has(`${device} ${inode}`) || device === procfs) return false
        if (link.startsWith("pipe:")) {
          // the end to read of one, by which it learns that the runtime has gone
          return (Number.parseInt(flags!, 8) & 3) !== 0 || isFurther(pid, kind, link)
        }
        // the channel, and by what it rings, which does not block: ends that only it has
        const way = `${kind} ${Number.parseInt(flags!, 8) & O.NONBLOCK}`
        return !link.startsWith("socket:") || domain !== "1" || own.has(link) || isFurther(pid, way, link)
      }
      case "link": {
        const [number, link = ""] = rest
        return Number(number) > 2 && (!/^(?:socket:|pipe:|\/proc\/|\/etc\/(?:passwd|group)$)/.test(link) ||
          link.startsWith("socket:") && (own.has(link) || isFurther(pid, kind, link, 2)))
      }
      case "map":
        return !/^\S+ (?:\/memfd:runfx-(?:shared|init) \(deleted\)|\[(?:stack|vdso|vvar\w*|vsyscall|heap|uprobes)\])$/
          .test(rest.join(" "))
      case "environ":
        return rest[0] !== "0"
      case "sent":
        return hasPassRights
      case "process":
      case "seen":
      case "proc":
      case "refused":
        return false
      default:
        return true
    }
  })
  return new Set(found.map((line) => line.replace(/^(\w+) \d+/, "$1")))
}

/** Of those who are held, and of those who are spoiled besides: nobody hears of their end, since it is kept from them. */
const patience = { held: 600_000, spoilt: 4000 } as const

/** What the program has told so far, in a file. */
class Looks {
  readonly lines: Array<string> = []
  readonly #counts = new Map<string, number>()
  readonly #file: string
  #at = 0
  #rest = ""
  constructor(file: string) {
    this.#file = file
  }
  #read(): void {
    const fd = fs.openSync(this.#file, "r")
    const piece = Buffer.alloc(1 << 20)
    for (let size; (size = fs.readSync(fd, piece, 0, piece.length, this.#at)) > 0; this.#at += size) {
      const lines = (this.#rest + piece.toString("latin1", 0, size)).split("\n")
      this.#rest = lines.pop()!
      for (const line of lines) {
        this.lines.push(line)
        this.#counts.set(line, this.countOf(line, false) + 1)
      }
    }
    fs.closeSync(fd)
  }
  countOf(line: string, isFresh = true): number {
    if (isFresh) this.#read()
    return this.#counts.get(line) ?? 0
  }
  all(): ReadonlyArray<string> {
    this.#read()
    return this.lines
  }
}

/** At which of the calls that it makes in the container a child stands still, and what is done to it there. */
interface Hold {
  readonly at: (call: number) => boolean
  readonly before: (pid: number) => void
}

/**
 * Children that go on, at some calls, only when somebody in the container has looked at them. So whom the program meets, and
 * when, is no matter of the scheduler's.
 */
const held = ({ at, before }: Hold, looks: Looks): Fork.Fork["Service"] => {
  const kernel = Linux.make()
  const live = Linux.fork(kernel)
  const lookedAt = (pid: number) =>
    Effect.gen(function*() {
      // a look that has begun may be one at what was there before
      const wanted = looks.countOf(`process ${pid}`) + 1
      before(pid)
      yield* eventually(() => looks.countOf(`seen ${pid}`) >= wanted)
    })
  const holding = (): Kernel["Service"] => {
    let inside: number | undefined
    let made = 0
    return {
      invoke: (call) =>
        Effect.gen(function*() {
          if (inside !== undefined && at(made++)) yield* lookedAt(inside)
          const result = yield* kernel.invoke(call)
          if (call._tag === "reclone") inside = yield* kernel.invoke({ _tag: "getpid" })
          return result
        })
    }
  }
  const start: Fork.Start = (flags, child, descriptors) =>
    live.start(flags, Effect.provideService(child, Kernel, holding()), descriptors)
  return Fork.make(start, live.guard)
}

/** Every third call of a process; so of three of them each call that there is. */
const looking: ReadonlyArray<Hold> = [0, 1, 2].map((offset) => ({
  at: (call) => call % 3 === offset,
  before: () => {}
}))

/** One call of each process, from the first to beyond the last. */
const spoiling = (file: string): ReadonlyArray<Hold> =>
  Array.from({ length: 12 }, (_, index) => ({
    at: (call) => call === index * 5,
    before: (pid) => fs.appendFileSync(file, `${index % 3 === 0 ? "s" : "m"}${pid}\n`)
  }))

describe.skipIf(reason !== undefined)("a program that may trace", () => {
  for (const spoils of [false, true]) {
    const what = spoils ? "and writes noise into all of it, harms nobody else" : "gets nothing of the runtime"
    it.live(`takes all that it can from those who come in, ${what}`, () =>
      on(Effect.gen(function*() {
        const out = path.join(place.root, "tmp/taken")
        fs.rmSync(out, { force: true })
        const spoil = path.join(place.root, "tmp/spoil")
        fs.rmSync(spoil, { force: true })
        fs.writeFileSync(path.join(place.root, "tmp/secret"), secret)
        const attacked = options(
          place,
          containerOf(place, sh("exec /taker >/tmp/taken"), {
            readonlyRootfs: false,
            process: { capabilities: mayTrace }
          })
        )
        const env = [`SECRET=${secret}`]
        const other = options(place, containerOf(place, ["/bin/sleep", "1000"], { process: { env } }))
        const handles = [(yield* Runtime.create(attacked)).pidfd, (yield* Runtime.create(other)).pidfd]
        yield* eventually(() => fs.existsSync(out))
        const taken = new Looks(out)
        yield* eventually(() => taken.all().length > 0)
        const { process: enter } = containerOf(place, sh("exit 7"))
        const { process: beside } = containerOf(place, ["/bin/true"], { process: { env } })
        const own = new Set<string>()
        const note = () => {
          for (const link of ownChannels()) own.add(link)
        }
        const stateRoot = place.stateRoot
        const join = (hold: Hold) =>
          Effect.exit(
            Runtime.exec(
              { id: attacked.id, stateRoot, process: enter, patience: patience[spoils ? "spoilt" : "held"] },
              () => Effect.sync(note)
            )
          ).pipe(Effect.provideService(Fork.Fork, held(hold, taken)))
        const innocent = Runtime.exec({ id: other.id, stateRoot, process: beside })
        note()
        const joins = Effect.forEach(
          spoils ? spoiling(spoil) : looking,
          (hold) => Effect.zipWith(join(hold), innocent, (exit, { code }) => ({ exit, code }), { concurrent: true }),
          { concurrency: 3 }
        )
        const ends = yield* joins.pipe(Effect.ensuring(
          Effect.forEach(
            [attacked.id, other.id],
            (id) => Effect.ignore(Runtime.remove(id, { stateRoot, force: true }))
          )
        ))
        const lines = taken.all()
        for (const fd of handles) yield* sys.close({ fd })
        const met = lines.filter((line) => line.startsWith("process "))
        process.stdout.write(
          `taken: ${lines.length} lines at ${met.length} looks at ${new Set(met).size} of ${ends.length} processes, ` +
            `${ends.filter(({ exit }) => Exit.isFailure(exit)).length} of which ended with an error\n`
        )
        // that it met each is what they have waited for
        assert.isAtLeast(new Set(met).size, spoils ? 1 : ends.length)
        for (const kind of ["fd", "link", "map", "environ", ...(spoils && hasPassRights ? ["refused"] : [])]) {
          assert.isTrue(lines.some((line) => line.startsWith(`${kind} `)), kind)
        }
        assert.deepStrictEqual([...findings(lines, own)], [])
        for (const { code, exit } of ends) {
          assert.strictEqual(code, 0)
          if (spoils && Exit.isFailure(exit)) assert.match(failureOf(exit).message, /^exec: /)
          else assert.strictEqual((yield* exit).code, 7)
        }
      })))
  }
})
