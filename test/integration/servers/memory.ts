/** What a server has: memory, descriptors, one call at a time. */
import { assert, describe, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { CLD, CLONE, O, P, RLIMIT, SIG, W } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { eventually } from "../../support/until.ts"
import { waiting } from "./setup.ts"

/** How often a process has waited. */
const pausesOf = (pid: number): number =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))![1])

const linkOf = (pid: number | string, fd: string): string | undefined => {
  try {
    return fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return undefined
  }
}

/** A server's end of its link: a socket that is not this process's. */
const linkEndOf = (pid: number): number =>
  Number(
    fs.readdirSync(`/proc/${pid}/fd`).find((fd) => {
      const link = linkOf(pid, fd)
      return link?.startsWith("socket:") && linkOf("self", fd) !== link
    })
  )

describe("a server", () => {
  layer(Linux.layer, { excludeTestServices: true })((it) => {
    it.effect("has nothing of this process in its memory, nor as its program", () =>
      Effect.gen(function*() {
        const { end, pid, release } = yield* waiting()
        const files = fs.readFileSync(`/proc/${pid}/maps`, "utf8").trim().split("\n").map((line) =>
          line.split(/\s+/)[5]
        )
        assert.deepStrictEqual(
          [...new Set(files)].filter((file) => !/^\[(v\w+|stack)\]$/.test(file!)).toSorted(),
          ["/memfd:runfx-init", "/memfd:runfx-shared"]
        )
        assert.match(fs.readlinkSync(`/proc/${pid}/exe`), /^\/memfd:runfx-init/)
        yield* release
        assert.deepInclude(yield* end, { code: CLD.EXITED, status: 7 })
      }))

    it.effect("gives its memory back when it has become a program", () =>
      Effect.gen(function*() {
        /** KiB of this process's memory that are in use by families. */
        const used = () =>
          [...fs.readFileSync("/proc/self/smaps", "utf8").matchAll(/\/memfd:runfx-shared[^]*?^Rss:\s+(\d+) kB/gm)]
            .reduce((sum, [, size]) => sum + Number(size), 0)
        const long = "x".repeat(1 << 20)
        const before = used()
        let most = 0
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.gen(function*() {
            // it is refused, but its text is written
            yield* Effect.exit(sys.chdir({ path: long }))
            most = used()
            return yield* sys.execve({ path: "/bin/sleep", argv: ["sleep", "60"], envp: [] })
          })
        )
        yield* eventually(() => fs.readlinkSync(`/proc/${pid}/exe`) === fs.realpathSync("/bin/sleep"))
        assert.isAbove(most, before + 1000)
        yield* eventually(() => used() < before + 100)
        // and what has its place serves the next one as well
        const next = yield* waiting()
        yield* next.release
        assert.deepInclude(yield* next.end, { code: CLD.EXITED, status: 7 })
        yield* sys.kill({ pid, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      }))

    it.effect("takes as much of an environment as the kernel does", () =>
      Effect.gen(function*() {
        const stack = BigInt(64 << 20)
        const run = (limit: bigint, count = 40, size = 100_000) =>
          Effect.gen(function*() {
            const pid = yield* (yield* Fork).spawn(
              0,
              Effect.andThen(
                sys.prlimit64({ pid: 0, resource: RLIMIT.STACK, limit: { soft: limit, hard: stack } }),
                Effect.catch(
                  sys.execve({
                    path: "/bin/true",
                    argv: ["true"],
                    envp: Array.from({ length: count }, (_, index) => `V${index}=${"x".repeat(size)}`)
                  }),
                  ({ code }) => sys.exit_group({ status: code === "E2BIG" ? 42 : 43 })
                )
              )
            )
            return yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
          })
        assert.deepInclude(yield* run(stack), { code: CLD.EXITED, status: 0 })
        // a quarter of the stack, and not 4 MB
        assert.deepInclude(yield* run(stack / 8n), { code: CLD.EXITED, status: 42 })
        assert.deepInclude(yield* run(stack, 100_000, 20), { code: CLD.EXITED, status: 0 })
      }))

    it.effect("shares memory with this process and with those that it has cloned, and with no other", () =>
      Effect.gen(function*() {
        const memoryOf = (pid: number) => {
          const lines = fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")
          const [range, , , , inode] = lines.find((line) => line.includes("/memfd:runfx-shared"))!.split(/\s+/)
          return { start: Number.parseInt(range!.split("-")[0]!, 16), inode }
        }
        const first = yield* waiting()
        const second = yield* waiting()
        const [one, other] = [memoryOf(first.pid), memoryOf(second.pid)]
        assert.notStrictEqual(one.inode, other.inode)
        assert.notStrictEqual(one.start, other.start)
        const memory = fs.openSync(`/proc/${first.pid}/mem`, "r")
        const look = (at: number) => fs.readSync(memory, Buffer.alloc(8), 0, 8, at)
        assert.strictEqual(look(one.start), 8)
        assert.throws(() => look(other.start), "EIO")
        fs.closeSync(memory)
        // the second has a copy of the pipe for which the first waits
        for (const { end, release } of [second, first]) {
          yield* release
          yield* end
        }
        const third = yield* waiting()
        assert.strictEqual(memoryOf(third.pid).start, one.start)
        assert.notStrictEqual(memoryOf(third.pid).inode, one.inode)
        yield* third.release
        yield* third.end
      }))

    it.effect("clones others that it shares its memory with, but not too many", () =>
      Effect.gen(function*() {
        const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
        const one = Effect.gen(function*() {
          yield* sys.close({ fd: write })
          yield* sys.read({ fd: read, count: 1 })
          return yield* sys.exit_group({ status: 0 })
        })
        let made = 0
        let refusal: unknown
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.gen(function*() {
            const fork = yield* Fork
            for (;;) {
              const result = yield* Effect.result(fork.spawn(0, one))
              if (result._tag === "Failure") {
                refusal = result.failure
                break
              }
              made++
            }
            yield* sys.close({ fd: write })
            for (let left = made; left > 0; left--) yield* sys.waitid({ idtype: P.ALL, id: 0, options: W.EXITED })
            return yield* sys.exit_group({ status: made })
          })
        )
        yield* sys.close({ fd: read })
        yield* eventually(() => refusal !== undefined)
        yield* sys.close({ fd: write })
        assert.deepInclude(yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }), { status: 62 })
        assert.include(String(refusal), "EAGAIN")
        assert.include(String(refusal), "can't be more than 63")
      }))

    it.effect("has the descriptors of this process, with close-on-exec where they have it", () =>
      Effect.gen(function*() {
        const [kept] = yield* sys.pipe2({ flags: 0 })
        const { end, pid, release } = yield* waiting()
        const flags = (who: number | "self", fd: string) =>
          /^flags:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${who}/fdinfo/${fd}`, "utf8"))![1]
        // it closes its end of a pipe first
        const isWaiting = () => fs.readFileSync(`/proc/${pid}/wchan`, "utf8").includes("pipe")
        yield* eventually(isWaiting)
        const fds = fs.readdirSync(`/proc/${pid}/fd`)
        assert.include(fds, String(kept))
        for (const fd of fds.filter((fd) => fs.existsSync(`/proc/self/fd/${fd}`))) {
          assert.strictEqual(flags(pid, fd), flags("self", fd), fd)
        }
        yield* release
        yield* end
      }))

    it.effect("has no descriptor but those that it is given, from its birth on, and one by which it sees this process's end", () =>
      Effect.gen(function*() {
        const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
        const [other] = yield* sys.pipe2({ flags: 0 })
        const wait = Effect.andThen(sys.read({ fd: read, count: 1 }), sys.exit_group({ status: 7 }))
        const spawn = (flags: number) => Effect.flatMap(Fork, (fork) => fork.spawn(flags, wait, [[read, read]]))
        const pids = [yield* spawn(0), yield* spawn(CLONE.NEWPID), yield* spawn(CLONE.NEWUSER)]
        assert.isDefined(linkOf("self", String(other)))
        for (const pid of pids) {
          const link = linkEndOf(pid)
          assert.sameMembers(fs.readdirSync(`/proc/${pid}/fd`).map(Number), [0, 1, 2, read, link])
          const info = fs.readFileSync(`/proc/${pid}/fdinfo/${link}`, "utf8")
          // read and write, close-on-exec, and never waited for
          assert.match(info, /^flags:\s+02004002$/m)
        }
        const pipes = pids.map((pid) => linkOf(pid, String(linkEndOf(pid))))
        // no two of them have one in common
        assert.strictEqual(new Set(pipes).size, pids.length)
        yield* sys.close({ fd: write })
        for (const pid of pids) {
          assert.deepInclude(yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }), { status: 7 })
        }
        yield* sys.close({ fd: read })
      }))

    it.effect("goes on where another descriptor has the number of the one by which it looks after this process", () =>
      Effect.gen(function*() {
        const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
        const seen = yield* Deferred.make<void>()
        let link = -1
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.gen(function*() {
            yield* sys.close({ fd: write })
            yield* sys.read({ fd: read, count: 1 })
            yield* sys.dup3({ oldfd: read, newfd: link, flags: 0 })
            yield* Deferred.await(seen)
            return yield* sys.exit_group({ status: 7 })
          })
        )
        link = linkEndOf(pid)
        const pipe = linkOf(pid, String(link))
        yield* sys.close({ fd: write })
        yield* eventually(() => linkOf(pid, String(link)) === linkOf("self", String(read)))
        // it still looks after this process, by another number
        assert.isTrue(fs.readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(pid, fd) === pipe))
        // it waits for its next request, and looks at the link now and then: it would end if that was the wrong descriptor
        const before = pausesOf(pid)
        yield* eventually(() => pausesOf(pid) > before + 4)
        yield* Deferred.succeed(seen, undefined)
        assert.deepInclude(yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }), { status: 7 })
        yield* sys.close({ fd: read })
      }))

    it.effect("makes one call at a time, and says so", () =>
      Effect.gen(function*() {
        const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
        let said = ""
        const second = Effect.catchDefect(sys.getpid({}), (defect) => Effect.sync(() => said = String(defect)))
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.all([sys.read({ fd: read, count: 1 }), second], { concurrency: 2 })
        )
        yield* eventually(() => said !== "")
        yield* sys.kill({ pid, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        assert.include(said, "a child has one thread")
        yield* sys.close({ fd: read })
        yield* sys.close({ fd: write })
      }))
  })
})
