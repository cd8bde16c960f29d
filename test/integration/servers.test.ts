/** The processes that make the calls of children: what they have in common with this one, and what not. */
import { assert, describe, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { CLD, CLONE, O, P, RLIMIT, SIG, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { openSuccessor } from "../../src/steps/parent/child.ts"
import { ChannelGarbled } from "../../src/steps/parent/errors.ts"
import { hasEnded } from "../support/host.ts"
import { eventually } from "../support/until.ts"

const effectModule = fileURLToPath(import.meta.resolve("effect/Effect"))
const repository = fileURLToPath(new URL("../../", import.meta.url))

/** A child that waits for a byte; `release` lets it go on. */
const waiting = (then: Effect.Effect<unknown, unknown, never> = Effect.void) =>
  Effect.gen(function*() {
    const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const pid = yield* (yield* Fork).spawn(
      0,
      Effect.gen(function*() {
        yield* sys.close({ fd: write })
        yield* sys.read({ fd: read, count: 1 })
        yield* then
        return yield* sys.exit_group({ status: 7 })
      })
    )
    yield* sys.close({ fd: read })
    return { pid, release: sys.close({ fd: write }), end: sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }) }
  })

const stateOf = (pid: number): string => /^State:\s+(\w)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))![1]!

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

    it.effect("that is stopped holds nobody up, and goes on", () =>
      Effect.gen(function*() {
        const { end, pid, release } = yield* waiting(Effect.sleep(1))
        yield* sys.kill({ pid, signal: SIG.STOP })
        yield* eventually(() => stateOf(pid) === "T")
        yield* release
        const other = yield* waiting()
        yield* other.release
        assert.deepInclude(yield* other.end, { code: CLD.EXITED, status: 7 })
        assert.strictEqual(stateOf(pid), "T")
        yield* sys.kill({ pid, signal: SIG.CONT })
        assert.deepInclude(yield* end, { code: CLD.EXITED, status: 7 })
      }))

    it.effect("that is killed in the middle of a call does nothing more", () =>
      Effect.gen(function*() {
        let went = false
        const { end, pid } = yield* waiting(Effect.sync(() => went = true))
        yield* sys.kill({ pid, signal: SIG.KILL })
        assert.deepInclude(yield* end, { code: CLD.KILLED, status: SIG.KILL })
        const next = yield* waiting()
        yield* next.release
        assert.deepInclude(yield* next.end, { code: CLD.EXITED, status: 7 })
        assert.isFalse(went)
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

    it.effect("is started by threads of Node's, too, and where files may not be large", () =>
      Effect.gen(function*() {
        const script = `
          import * as Effect from "effect/Effect"
          import { isMainThread, Worker } from "node:worker_threads"
          import { fileURLToPath } from "node:url"
          import { Fork } from "${repository}dist/native/Fork.js"
          import { sys } from "${repository}dist/native/Kernel.js"
          import * as Linux from "${repository}dist/native/linux/Linux.js"
          const one = Effect.gen(function*() {
            const pid = yield* (yield* Fork).spawn(0, sys.exit_group({ status: 3 }))
            return (yield* sys.waitid({ idtype: ${P.PID}, id: pid, options: ${W.EXITED} })).status
          })
          // the whole of a memory file is one server's then: to clone another one is refused, and nothing is written beyond it
          const two = Effect.gen(function*() {
            const small = { soft: 16777216n, hard: 20000000n }
            yield* sys.prlimit64({ pid: 0, resource: ${RLIMIT.FSIZE}, limit: small })
            // the first process ends with 0 as the second goes on
            const child = Effect.flatMap(Effect.result(sys.reclone({ flags: 0 })), () => sys.exit_group({ status: 4 }))
            const pid = yield* (yield* Fork).spawn(0, child)
            return (yield* sys.waitid({ idtype: ${P.PID}, id: pid, options: ${W.EXITED} })).status
          })
          const small = sys.prlimit64({ pid: 0, resource: ${RLIMIT.FSIZE}, limit: { soft: 20000000n, hard: 20000000n } })
          const run = (effect) => Effect.runPromise(Effect.provide(effect, Linux.layer))
          console.log(await run(isMainThread ? one : Effect.andThen(small, one)))
          if (!isMainThread) console.log(await run(two))
          if (isMainThread) new Worker(fileURLToPath(import.meta.url))`
        const file = `${fs.mkdtempSync(path.join(os.tmpdir(), "runfx-servers-"))}/threads.mjs`
        yield* Effect.acquireUseRelease(
          Effect.sync(() => fs.writeFileSync(file, script.replaceAll("effect/Effect", effectModule))),
          () =>
            Effect.sync(() =>
              assert.strictEqual(execFileSync(process.execPath, [file], { encoding: "utf8" }), "3\n3\n0\n")
            ),
          () => Effect.sync(() => fs.rmSync(path.dirname(file), { recursive: true }))
        )
      }))

    it.effect("that can't be had is an error by the name of what was refused", () =>
      Effect.sync(() => {
        const script = `
          import * as Effect from "effect/Effect"
          import { Fork } from "${repository}dist/native/Fork.js"
          import * as Linux from "${repository}dist/native/linux/Linux.js"
          const spawn = Effect.flatMap(Fork, (fork) => fork.spawn(0, Effect.never))
          const { message, advice } = await Effect.runPromise(Effect.provide(Effect.flip(spawn), Linux.layer))
          console.log(message + "; " + advice)
          process.exit()`
        const command = [process.execPath, "--input-type=module", "-e", script]
        const nobody = { uid: 65534, gid: 65534, cwd: repository, encoding: "utf8" } as const
        const limited = spawnSync("/bin/bash", ["-c", "ulimit -f 64; exec \"$@\"", "bash", ...command], nobody)
        assert.match(
          limited.stdout,
          /ftruncate\(.*EFBIG.*RLIMIT_FSIZE is 65536; to start a process takes \d+; .*ulimit -f/
        )
      }))

    for (const name of ["memfd_create", "close_range", "execveat", "set_robust_list"] as const) {
      it.effect(`without ${name}(2) is an error that names it, at once`, () =>
        Effect.sync(() => {
          // what a seccomp filter around the runtime refuses, or a kernel does not have
          const script = `
            import * as Effect from "effect/Effect"
            import { Fork } from "${repository}dist/native/Fork.js"
            import { sys } from "${repository}dist/native/Kernel.js"
            import { numbersFor } from "${repository}dist/native/linux/syscallNumbers.js"
            import * as Linux from "${repository}dist/native/linux/Linux.js"
            // the machine code alone makes it
            const robust = { arm64: 99, x64: 273 }[process.arch]
            const numberOf = (name) => name === "set_robust_list" ? robust : numbersFor(process.arch)[name]
            const code = ({ name, errno }) => [
              [0x20, 0, 0, 0], [0x15, 0, 1, numberOf(name)], [0x06, 0, 0, 0x50000 | errno], [0x06, 0, 0, 0x7fff0000]
            ].map(([op, yes, no, value]) => {
              const bytes = Buffer.alloc(8)
              bytes.writeUInt16LE(op, 0)
              bytes[2] = yes
              bytes[3] = no
              bytes.writeUInt32LE(value >>> 0, 4)
              return bytes
            })
            const filtered = Effect.gen(function*() {
              yield* sys.prctl({ option: 38, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
              const program = Buffer.concat(code({ name: "${name}", errno: Number(process.argv[1]) }))
              yield* sys.seccomp({ operation: 1, flags: 0, program })
              return yield* Effect.flip((yield* Fork).spawn(0, Effect.never))
            })
            const { message, advice } = await Effect.runPromise(Effect.provide(filtered, Linux.layer))
            console.log(message + "; " + advice)
            process.exit()`
          for (const [errno, text] of [[38, "ENOSYS"], [1, "EPERM"]] as const) {
            const { stderr, stdout } = spawnSync(
              process.execPath,
              ["--input-type=module", "-e", script, String(errno)],
              { cwd: repository, encoding: "utf8", timeout: 600_000 }
            )
            assert.strictEqual(stderr, "")
            assert.match(stdout, new RegExp(`\\b${name}\\b.*; .*\\b(?:seccomp|Linux)\\b`))
            assert.include(stdout, text)
          }
        }))
    }

    it.effect("starts where memory files may not be executed", () =>
      Effect.sync(() => {
        if (!fs.existsSync("/proc/sys/vm/memfd_noexec")) return console.log("skipped: no vm.memfd_noexec")
        const script = `
          import * as Effect from "effect/Effect"
          import { Fork } from "${repository}dist/native/Fork.js"
          import { sys } from "${repository}dist/native/Kernel.js"
          import * as Linux from "${repository}dist/native/linux/Linux.js"
          const spawn = Effect.flatMap(Fork, (fork) => fork.spawn(0, sys.exit_group({ status: 7 })))
          const status = Effect.flatMap(spawn, (pid) => sys.waitid({ idtype: 1, id: pid, options: 4 }))
          console.log((await Effect.runPromise(Effect.provide(status, Linux.layer))).status)
          process.exit()`
        // the sysctl is the pid namespace's own
        const command = `echo 2 > /proc/sys/vm/memfd_noexec && exec "$@"`
        const own = [
          "-p",
          "-f",
          "--mount-proc",
          "sh",
          "-c",
          command,
          "sh",
          process.execPath,
          "--input-type=module",
          "-e",
          script
        ]
        const { stderr, stdout } = spawnSync("unshare", own, { cwd: repository, encoding: "utf8" })
        assert.deepStrictEqual([stderr, stdout], ["", "7\n"])
      }))

    it.effect("that has ended takes its effect along: nothing of it runs on, and its finalizers have run once", () =>
      Effect.gen(function*() {
        let ticks = 0
        const finalized: Array<string> = []
        const tick = Effect.andThen(Effect.sleep(1), Effect.sync(() => ticks++))
        const child = Effect.ensuring(
          Effect.forever(tick),
          // a call of a process that is not there any more has no answer: it must not be waited for
          Effect.onExit(
            Effect.sync(() => finalized.push("begun")).pipe(Effect.andThen(Effect.orDie(sys.getpid({})))),
            (exit) => Effect.sync(() => finalized.push(exit._tag))
          )
        )
        const { fiber, forget, pid } = yield* (yield* Fork).start(0, child, [])
        yield* eventually(() => ticks > 3)
        yield* sys.kill({ pid, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        yield* forget
        assert.isDefined(fiber.pollUnsafe())
        assert.deepStrictEqual(finalized, ["begun", "Failure"])
        const before = ticks
        // timers of one length come in the order in which they were set: one of its own would come before these
        for (let turn = 0; turn < 3; turn++) yield* Effect.sleep(1)
        assert.strictEqual(ticks, before)
        yield* forget
        assert.deepStrictEqual(finalized, ["begun", "Failure"])
      }))

    it.effect("can be lost in its second process any number of times", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        // a group has 63 places, and is used again
        for (let times = 0; times < 70; times++) {
          let second: number | undefined
          const child = Effect.gen(function*() {
            yield* sys.reclone({ flags: 0 })
            second = yield* sys.getpid({})
            return yield* Effect.forever(Effect.sleep(1000))
          })
          const { fiber, forget, pid } = yield* fork.start(0, child, [])
          yield* eventually(() => second !== undefined || fiber.pollUnsafe() !== undefined)
          assert.isDefined(second, `the ${times + 1}. time`)
          yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
          yield* sys.kill({ pid: second!, signal: SIG.KILL })
          yield* sys.waitid({ idtype: P.PID, id: second!, options: W.EXITED })
          yield* forget
        }
      }))

    it.effect("never has a fiber of this process go on in the middle of another one", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const depths: Array<number> = []
        /** How many fibers are at work, one below the other. */
        const depth = () => {
          const { stackTraceLimit } = Error
          Error.stackTraceLimit = Infinity
          const { stack } = new Error()
          Error.stackTraceLimit = stackTraceLimit
          return stack!.match(/runLoop/g)?.length ?? 0
        }
        const waitsFor = (item: number) =>
          Effect.gen(function*() {
            // by itself from here on, and not within who has started it
            yield* Effect.yieldNow
            for (let round = 0; round < 4; round++) {
              const pid = yield* fork.spawn(0, sys.nanosleep({ nanoseconds: BigInt(item % 3 + 1) * 1_000_000n }))
              yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
              depths.push(depth())
            }
            return item
          })
        const items = Array.from({ length: 12 }, (_, index) => index)
        assert.deepStrictEqual(yield* Effect.forEach(items, waitsFor, { concurrency: "unbounded" }), items)
        assert.deepStrictEqual(depths, Array.from({ length: 48 }, () => 1))
      }))

    it.effect("is not taken at its word about the process in which it goes on", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        /** A child that goes on in another one: both pids. */
        const successive = Effect.gen(function*() {
          let next: number | undefined
          const first = yield* fork.spawn(
            0,
            Effect.gen(function*() {
              yield* sys.setsid({})
              yield* sys.reclone({ flags: CLONE.PARENT })
              next = yield* sys.getpid({})
              yield* sys.nanosleep({ nanoseconds: 60_000_000_000n })
            })
          )
          yield* eventually(() => next !== undefined)
          return { first, next: next! }
        })
        const one = yield* successive
        const other = yield* successive
        yield* sys.close({ fd: yield* openSuccessor(one.next, one.first) })
        const { end, pid, release } = yield* waiting()
        // no child; a child that goes on for another one; a child that is in no session of the first one's
        for (const wrong of [1, -1, 4_000_000, other.next, other.first, pid]) {
          const stranger = yield* Effect.flip(openSuccessor(wrong, one.first))
          assert.instanceOf(stranger, ChannelGarbled)
          assert.include(stranger.message, `the pid of a stranger (${wrong})`)
        }
        yield* release
        yield* end
        for (const { first, next } of [one, other]) {
          yield* sys.kill({ pid: next, signal: SIG.KILL })
          for (const pid of [first, next]) yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        }
      }))

    it.effect("ends with this process, however that ends", () =>
      Effect.gen(function*() {
        const script = `
          import * as Effect from "effect/Effect"
          import { Fork } from "${repository}dist/native/Fork.js"
          import * as Linux from "${repository}dist/native/linux/Linux.js"
          const spawn = Effect.flatMap(Fork, (fork) => fork.spawn(0, Effect.never))
          console.log(await Effect.runPromise(Effect.provide(spawn, Linux.layer)))
          setInterval(() => {}, 1000)`
        const parent = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: repository })
        const line = yield* Effect.promise(() =>
          createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next()
        )
        const pid = Number(line.value)
        assert.match(fs.readlinkSync(`/proc/${pid}/exe`), /runfx-init/)
        parent.kill("SIGKILL")
        yield* eventually(() => hasEnded(pid))
      }))
  })
})
