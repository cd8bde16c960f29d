/** The processes that make the calls of children: what they have in common with this one, and what not. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { dirname } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { CLD, O, P, RLIMIT, SIG, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/Linux.ts"
import { code } from "../../src/native/linux/remote/code.ts"

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

const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.andThen(Effect.sleep(5), until(holds)))

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
          ["/memfd:runfx-arena", "/memfd:runfx-init"]
        )
        assert.match(fs.readlinkSync(`/proc/${pid}/exe`), /^\/memfd:runfx-init/)
        yield* release
        assert.deepInclude(yield* end, { code: CLD.EXITED, status: 7 })
      }))

    it.effect("gives its memory back when it has become a program", () =>
      Effect.gen(function*() {
        /** KiB of this process's memory that are in use by families. */
        const used = () =>
          [...fs.readFileSync("/proc/self/smaps", "utf8").matchAll(/\/memfd:runfx-arena[^]*?^Rss:\s+(\d+) kB/gm)]
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
        assert.strictEqual(fs.readlinkSync(`/proc/${pid}/exe`), fs.realpathSync("/bin/sleep"))
        assert.isAbove(most, before + 1000)
        assert.isBelow(used(), before + 100)
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
        const arenaOf = (pid: number) => {
          const lines = fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")
          const [range, , , , inode] = lines.find((line) => line.includes("/memfd:runfx-arena"))!.split(/\s+/)
          return { start: Number.parseInt(range!.split("-")[0]!, 16), inode }
        }
        const first = yield* waiting()
        const second = yield* waiting()
        const [one, other] = [arenaOf(first.pid), arenaOf(second.pid)]
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
        assert.strictEqual(arenaOf(third.pid).start, one.start)
        assert.notStrictEqual(arenaOf(third.pid).inode, one.inode)
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
        yield* until(() => refusal !== undefined)
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

    it.effect("that is stopped holds nobody up, and goes on", () =>
      Effect.gen(function*() {
        const { end, pid, release } = yield* waiting(Effect.sleep(1))
        yield* sys.kill({ pid, signal: SIG.STOP })
        yield* until(() => stateOf(pid) === "T")
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
        let lifeline = -1
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.gen(function*() {
            yield* sys.close({ fd: write })
            yield* sys.read({ fd: read, count: 1 })
            yield* sys.dup3({ oldfd: read, newfd: lifeline, flags: 0 })
            yield* Effect.sleep(400)
            return yield* sys.exit_group({ status: 7 })
          })
        )
        const isPidfd = (fd: string) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`).includes("[pidfd]")
        lifeline = Number(fs.readdirSync(`/proc/${pid}/fd`).find(isPidfd))
        yield* sys.close({ fd: write })
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
        yield* until(() => said !== "")
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
          import * as Linux from "${repository}dist/native/Linux.js"
          const one = Effect.gen(function*() {
            const pid = yield* (yield* Fork).spawn(0, sys.exit_group({ status: 3 }))
            return (yield* sys.waitid({ idtype: ${P.PID}, id: pid, options: ${W.EXITED} })).status
          })
          // the whole of a memory file is one server's then: to clone another one is refused, and nothing is written beyond it
          const two = Effect.gen(function*() {
            const small = { soft: 16777216n, hard: 20000000n }
            yield* sys.prlimit64({ pid: 0, resource: ${RLIMIT.FSIZE}, limit: small })
            const child = Effect.flatMap(Effect.result(sys.reclone({ flags: 0 })), ({ _tag }) =>
              sys.exit_group({ status: _tag === "Failure" ? 4 : 5 }))
            const pid = yield* (yield* Fork).spawn(0, child)
            return (yield* sys.waitid({ idtype: ${P.PID}, id: pid, options: ${W.EXITED} })).status
          })
          const small = sys.prlimit64({ pid: 0, resource: ${RLIMIT.FSIZE}, limit: { soft: 20000000n, hard: 20000000n } })
          const run = (effect) => Effect.runPromise(Effect.provide(effect, Linux.layer))
          console.log(await run(isMainThread ? one : Effect.andThen(small, one)))
          if (!isMainThread) console.log(await run(two))
          if (isMainThread) new Worker(fileURLToPath(import.meta.url))`
        const file = `${fs.mkdtempSync("/tmp/runfx-servers-")}/threads.mjs`
        yield* Effect.acquireUseRelease(
          Effect.sync(() => fs.writeFileSync(file, script.replaceAll("effect/Effect", effectModule))),
          () =>
            Effect.sync(() =>
              assert.strictEqual(execFileSync(process.execPath, [file], { encoding: "utf8" }), "3\n3\n4\n")
            ),
          () => Effect.sync(() => fs.rmSync(dirname(file), { recursive: true }))
        )
      }))

    it.effect("ends with this process, however that ends", () =>
      Effect.gen(function*() {
        const script = `
          import * as Effect from "effect/Effect"
          import { Fork } from "${repository}dist/native/Fork.js"
          import * as Linux from "${repository}dist/native/Linux.js"
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
        yield* until(() => !fs.existsSync(`/proc/${pid}`) || stateOf(pid) === "Z")
      }))
  })
})

const assembler = { x64: "x86_64-linux-gnu-as", arm64: "aarch64-linux-gnu-as" } as const

describe("the machine code", () => {
  layer(Linux.layer, { excludeTestServices: true })((it) => {
    for (const machine of ["x64", "arm64"] as const) {
      const missing = spawnSync(assembler[machine], ["--version"]).error !== undefined
      if (missing) process.stdout.write(`the machine code of ${machine} is not compared: no ${assembler[machine]}\n`)
      it.effect.skipIf(missing)(`of ${machine} is what its assembly says`, () =>
        Effect.sync(() => {
          const command =
            `import("./scripts/assemble.mjs").then((m) => console.log(JSON.stringify(m.assemble("${machine}"))))`
          assert.deepStrictEqual(
            JSON.parse(execFileSync(process.execPath, ["-e", command], { cwd: repository, encoding: "utf8" })),
            code[machine]
          )
        }))
    }
  })
})
