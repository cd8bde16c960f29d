/** How a server is started, and what is in the way. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { P, RLIMIT, W } from "../../../src/native/constants.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { repository } from "./setup.ts"

const effectModule = fileURLToPath(import.meta.resolve("effect/Effect"))

describe("a server", () => {
  layer(Linux.layer, { excludeTestServices: true })((it) => {
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
  })
})
