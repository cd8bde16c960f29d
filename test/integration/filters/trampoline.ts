/** The exec trampoline. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as c from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"
import { execThroughTrampoline, failureOf } from "../../../src/native/trampoline.ts"
import { eventually } from "../../support/until.ts"
import { below, execute, filterOf, live, noNewPrivileges, outcome, refusing, script } from "./setup.ts"

describe("exec trampoline", () => {
  live("on the live kernel", (it) => {
    it.effect("executes a program as execve would", () =>
      Effect.gen(function*() {
        const shown = yield* execute("/bin/cat", {
          argv: ["first", "/proc/self/cmdline", "/proc/self/environ", "/proc/self/comm"],
          envp: ["A=1", "EMPTY=", "Ü=ü"]
        })
        assert.deepStrictEqual(shown.output.split("\0"), [
          "first",
          "/proc/self/cmdline",
          "/proc/self/environ",
          "/proc/self/comm",
          "A=1",
          "EMPTY=",
          "Ü=ü",
          "cat\n"
        ])
        assert.deepStrictEqual([shown.failure, shown.ended], [undefined, 0])
        assert.strictEqual((yield* execute(script("status", "#!/bin/sh\nexit 42\n"))).ended, 42)
      }))

    it.effect("leaves the program no descriptor of its own", () =>
      Effect.gen(function*() {
        const { output } = yield* execute("/bin/ls", {
          argv: ["ls", "-l", "/proc/self/fd"],
          before: sys.close_range({ first: 3, last: 0xffff_ffff, flags: c.CLOSE_RANGE.CLOEXEC })
        })
        assert.notInclude(output, "memfd:")
        assert.notInclude(output, "socket:")
      }))

    it.effect("says through the channel why a program could not be executed", () =>
      Effect.gen(function*() {
        const missing = yield* execute("/nonexistent")
        assert.deepStrictEqual([missing.failure, missing.ended], ["ENOENT", 127])
        fs.writeFileSync(below("plain"), "#!/bin/sh\n", { mode: 0o644 })
        const plain = yield* execute(below("plain"))
        assert.deepStrictEqual([plain.failure, plain.ended], ["EACCES", 126])
        const data = yield* execute(script("data", "\0\0\0\0"))
        assert.deepStrictEqual([data.failure, data.ended], ["ENOEXEC", 126])
      }))

    it.effect("gives a filter that allows little but execve a program to run", () =>
      Effect.gen(function*() {
        const filter = filterOf(refusing(["execveat", "fcntl", "memfd_create"]))
        const result = yield* execute("/bin/echo", { argv: ["echo", "hello"], before: noNewPrivileges, filter })
        assert.deepStrictEqual([result.failure, result.ended, result.output], [undefined, 0, "hello\n"])
        const status = yield* execute("/bin/cat", {
          argv: ["cat", "/proc/self/status"],
          before: noNewPrivileges,
          filter
        })
        assert.match(status.output, /^Seccomp:\t2$/m)
      }))
  })

  describe("when the container makes us execute /proc/self/exe (CVE-2019-5736)", () => {
    live("on the live kernel", (it) => {
      it.effect("that is the trampoline, which ends at once, since the channel is gone", () =>
        Effect.gen(function*() {
          const direct = yield* execute("/proc/self/exe")
          assert.deepStrictEqual([direct.failure, direct.ended], [undefined, 126])
          const interpreted = yield* execute(script("attack", "#!/proc/self/exe\n"))
          assert.deepStrictEqual([interpreted.failure, interpreted.ended], [undefined, 126])
          // a dynamic executable whose loader is /proc/self/exe
          const loader = Buffer.from(
            /\/lib[\w/.-]*\/ld-[\w.-]+\0/.exec(fs.readFileSync("/bin/true", "latin1"))![0],
            "latin1"
          )
          const binary = fs.readFileSync("/bin/true")
          binary.set(Buffer.from("/proc/self/exe\0".padEnd(loader.length, "\0")), binary.indexOf(loader))
          fs.writeFileSync(below("loaded"), binary, { mode: 0o755 })
          const loaded = yield* execute(below("loaded"))
          assert.deepStrictEqual([loaded.failure, loaded.ended], [undefined, 126])
        }))

      /** Runs `look` while a trampoline is what its process runs: its record of a failure finds the channel full. */
      const whileHeld = <A>(uid: number, look: (pid: number) => A) =>
        Effect.gen(function*() {
          const fork = yield* Fork
          const [mine, theirs] = yield* sys.socketpair({ type: c.SOCK.SEQPACKET | c.SOCK.CLOEXEC })
          const fill = sys.sendmsg({ fd: theirs, data: new Uint8Array(1024), fds: [], flags: c.MSG.DONTWAIT })
          let packets = 0
          while ((yield* outcome(fill)) === "ok") packets++
          const pid = yield* fork.spawn(
            0,
            Effect.gen(function*() {
              if (uid !== 0) {
                yield* sys.setgroups({ groups: [] })
                yield* sys.setresgid({ rgid: uid, egid: uid, sgid: uid })
                yield* sys.setresuid({ ruid: uid, euid: uid, suid: uid })
              }
              return yield* execThroughTrampoline({ path: "/nonexistent", argv: ["x"], envp: [], channel: theirs })
            })
          )
          yield* sys.close({ fd: theirs })
          const exe = () => fs.readlinkSync(`/proc/${pid}/exe`)
          // before that it runs another memory file, the init's
          yield* eventually(() => exe().includes("memfd:runfx-exec"))
          const seen = look(pid)
          for (let left = packets; left > 0; left--) yield* sys.recvmsg({ fd: mine, size: 1024, flags: 0 })
          const { data } = yield* sys.recvmsg({ fd: mine, size: 64, flags: 0 })
          assert.strictEqual(failureOf(data), "ENOENT")
          yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
          yield* sys.close({ fd: mine })
          return seen
        })

      const errnoOf = (action: () => unknown): string | undefined => {
        try {
          action()
          return undefined
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      }

      it.effect("it can't be written to, neither while it runs nor later", () =>
        Effect.gen(function*() {
          const held = yield* whileHeld(0, (pid) => {
            assert.strictEqual(fs.readlinkSync(`/proc/${pid}/exe`), "/memfd:runfx-exec (deleted)")
            assert.strictEqual(errnoOf(() => fs.openSync(`/proc/${pid}/exe`, "r+")), "ETXTBSY")
            return fs.openSync(`/proc/${pid}/exe`, "r")
          })
          const later = fs.openSync(`/proc/self/fd/${held}`, "r+")
          assert.strictEqual(errnoOf(() => fs.writeSync(later, "#!/bin/sh\n", 0)), "EPERM")
          assert.strictEqual(errnoOf(() => fs.ftruncateSync(later, 0)), "EPERM")
          fs.closeSync(later)
          fs.closeSync(held)
        }))

      it.effect("its process is not dumpable, where its user can't read every file", () =>
        Effect.gen(function*() {
          // /proc/<pid> of a process that is not dumpable belongs to root
          const uid = 65534
          assert.strictEqual(yield* whileHeld(uid, (pid) => fs.statSync(`/proc/${pid}/exe`).mode & 0o777), 0o111)
          assert.strictEqual(yield* whileHeld(uid, (pid) => fs.statSync(`/proc/${pid}/environ`).uid), 0)
        }))
    })
  })
})
