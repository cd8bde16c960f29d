/** A program starts as from a shell: signals, descriptors, environment. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as nodeProcess from "node:process"
import * as c from "../../../src/native/constants.ts"
import { type Call, Kernel, type Result, sys, SyscallError } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { closeExecFrom } from "../../../src/steps/closeExecFrom.ts"
import { descriptors, exec, finalize, limit, look, none, own, sleeping, status, stay, user } from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("the program starts as from a shell", () => {
    it.effect("signals, limit of descriptors, descriptors", () =>
      Effect.gen(function*() {
        assert.notStrictEqual(
          status(nodeProcess.pid)["SigIgn"],
          none,
          "Node ignores signals; else this test shows nothing"
        )
        const [left] = yield* sys.pipe2({ flags: 0 })
        const block = own("block", sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [c.SIG.TERM] }))
        yield* look({
          steps: [block, ...finalize, exec],
          given: { process: sleeping, nofile: { soft: 123n, hard: 456n } }
        }, (pid) => {
          const { SigBlk, SigIgn } = status(pid)
          assert.deepStrictEqual({ SigBlk, SigIgn }, { SigBlk: none, SigIgn: none })
          assert.strictEqual(limit(pid, "Max open files"), "123 456")
          assert.deepStrictEqual(descriptors(pid), ["0", "1", "2"], `descriptor ${left} was open`)
        })
      }))

    it.effect("with preserved descriptors", () =>
      Effect.gen(function*() {
        const preserve = own(
          "preserve",
          Effect.gen(function*() {
            const [one, two] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
            // high first: they must not land on each other
            yield* sys.dup3({ oldfd: one, newfd: 203, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: two, newfd: 204, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: 203, newfd: 3, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: 204, newfd: 4, flags: c.O.CLOEXEC })
          })
        )
        yield* look({ steps: [preserve, ...finalize, exec], given: { process: sleeping, preservedFds: 2 } }, (pid) => {
          assert.deepStrictEqual(descriptors(pid), ["0", "1", "2", "3", "4"])
          assert.match(fs.readlinkSync(`/proc/${pid}/fd/3`), /^pipe:/)
        })
      }))

    it.effect("descriptors are closed on kernels without close_range too", () =>
      Effect.gen(function*() {
        const live = yield* Kernel
        const old: Kernel["Service"] = {
          invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
            call._tag === "close_range" ? Effect.fail(new SyscallError({ call, code: "ENOSYS" })) : live.invoke(call)
        }
        const open = own("open", sys.pipe2({ flags: 0 }))
        yield* Effect.provideService(
          look({ steps: [open, ...finalize, exec], given: { process: sleeping } }, (pid) => {
            assert.deepStrictEqual(descriptors(pid), ["0", "1", "2"])
          }),
          Kernel,
          old
        )
      }))

    it.effect("and until then nothing is open but that by which the process looks after the runtime", () =>
      Effect.gen(function*() {
        const open = own("open", sys.openat({ dirfd: c.AT.FDCWD, path: "/", flags: c.O.PATH, mode: 0 }))
        yield* look({ steps: [open, closeExecFrom, stay], given: { process: sleeping } }, (pid) => {
          const left = descriptors(pid).filter((fd) => Number(fd) > 2).map((fd) =>
            fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
          )
          assert.match(left.join(), /^socket:\[\d+\]$/)
        })
      }))

    it.effect("the garbage collector of the runtime may run on the way", () =>
      Effect.gen(function*() {
        const litter = own(
          "litter",
          Effect.sync(() => {
            let kept: ReadonlyArray<unknown> = []
            for (let round = 0; round < 300; round++) {
              kept = Array.from({ length: 20_000 }, (_, index) => ({ index, kept: index }))
            }
            return kept.length
          })
        )
        for (let round = 0; round < 10; round++) {
          yield* look({ steps: [closeExecFrom, litter, stay], given: { process: sleeping } }, (pid) => {
            assert.match(status(pid)["State"]!, /^S/)
          })
        }
      }))

    it.effect("in its environment, with a home", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, env: ["A=1", "PATH=/usr/bin:/bin", "A=2"], user: user(0, 0) } }
      }, (pid) => {
        const home = fs.readFileSync("/etc/passwd", "utf8").split("\n").find((line) =>
          line.split(":")[2] === "0"
        )!.split(":")[5]
        assert.deepStrictEqual(
          fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0"),
          ["PATH=/usr/bin:/bin", "A=2", `HOME=${home}`, ""]
        )
        assert.deepStrictEqual(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"), ["sleep", "60", ""])
      }))
  })
})
