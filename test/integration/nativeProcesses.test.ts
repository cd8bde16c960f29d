/** The live layer against the kernel it runs on: processes. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as os from "node:os"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import type { Pid } from "../../src/native/Handle.ts"
import { Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { ChildFailed, inChild } from "../support/child.ts"
import { firstWait } from "../support/host.ts"
import {
  bytes,
  containerFlags,
  errorOf,
  live,
  noMoreThan,
  openFds,
  piecesOfMemory,
  temporaryDirectory,
  text,
  waitFor
} from "../support/live.ts"

const { open } = temporaryDirectory()

describe("processes", () => {
  live("fork", (it) => {
    it.effect("gives the child its own namespaces, and its result back", () =>
      Effect.gen(function*() {
        const child = yield* inChild(
          containerFlags,
          Effect.gen(function*() {
            yield* sys.sethostname({ name: "runfx-tëst" })
            yield* sys.setdomainname({ name: "example" })
            return { pid: yield* sys.getpid({}), names: yield* sys.uname({}) }
          })
        )
        assert.strictEqual(child.pid, 1)
        assert.strictEqual(child.names.nodename, "runfx-tëst")
        assert.strictEqual(child.names.domainname, "example")
        assert.strictEqual(child.names.release, os.release())
        assert.strictEqual((yield* sys.uname({})).nodename, os.hostname())
      }))

    it.effect("ends a child whose effect succeeds, fails, dies or throws", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const thrown = Effect.sync(() => {
          throw new Error("thrown")
        })
        for (const child of [Effect.succeed(1), Effect.fail("failed"), Effect.die("died"), thrown]) {
          const status = yield* waitFor(yield* fork.spawn(0, child))
          assert.deepInclude(status, { code: c.CLD.EXITED, status: 255 })
        }
      }))

    it.effect("shows the clone to a wrapper of the kernel, which may refuse it", () =>
      Effect.gen(function*() {
        const kernel = yield* Kernel
        const seen: Array<string> = []
        const wrapped: Kernel["Service"] = {
          invoke: (call) => {
            seen.push(call._tag)
            return call._tag === "clone" ? Effect.fail(new SyscallError({ call, code: "EAGAIN" })) : kernel.invoke(call)
          }
        }
        const error = yield* Effect.flip(Linux.fork(wrapped).spawn(0, Effect.void))
        assert.strictEqual(error._tag === "SyscallError" ? error.code : error._tag, "EAGAIN")
        assert.deepStrictEqual(seen, ["clone"])
      }))

    it.effect("ends the child even where exit_group is refused", () =>
      Effect.gen(function*() {
        const kernel = yield* Kernel
        const wrapped: Kernel["Service"] = {
          invoke: (call) =>
            call._tag === "exit_group" ? Effect.fail(new SyscallError({ call, code: "EPERM" })) : kernel.invoke(call)
        }
        const status = yield* waitFor(yield* Linux.fork(wrapped).spawn(0, Effect.void))
        assert.deepInclude(status, { code: c.CLD.EXITED, status: 255 })
      }))

    it.effect("refuses flags that clone(2) would take for something else, or that would destroy the parent", () =>
      Effect.gen(function*() {
        for (const flags of [c.CLONE.VM, c.CLONE.VFORK, c.CLONE.THREAD, c.CLONE.SIGHAND]) {
          assert.strictEqual((yield* errorOf(sys.clone({ flags }))).code, "EINVAL")
        }
        const time = yield* errorOf(sys.clone({ flags: c.CLONE.NEWTIME }))
        assert.include(time.detail, "unshare(2)")
      }))

    it.effect("a signal to the child ends the child, and is no signal to the parent", () =>
      Effect.gen(function*() {
        const heard: Array<string> = []
        let hear: (() => void) | undefined
        const listener = (signal: string): void => {
          heard.push(signal)
          hear?.()
        }
        process.on("SIGTERM", listener)
        process.on("SIGUSR2", listener)
        /** Sends this process a signal, and waits until it has heard it: what came before has been heard by then. */
        const hearing = (signal: number) =>
          Effect.andThen(
            Effect.forkChild(
              Effect.callback<void>((resume) => {
                hear = () => resume(Effect.void)
              }),
              { startImmediately: true }
            ),
            (fiber) => Effect.andThen(sys.kill({ pid: process.pid, signal }), Fiber.join(fiber))
          )
        yield* sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [c.SIG.HUP] })
        const fork = yield* Fork
        const pid = yield* fork.spawn(0, sys.nanosleep({ nanoseconds: 60_000_000_000n }))
        yield* sys.kill({ pid, signal: c.SIG.TERM })
        assert.deepInclude(yield* waitFor(pid), { code: c.CLD.KILLED, status: c.SIG.TERM })
        yield* hearing(c.SIG.USR2)
        assert.deepStrictEqual(heard, ["SIGUSR2"])
        // the mask and the parent's own handlers are as they were
        const masks = yield* inChild(0, sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [] }))
        assert.deepStrictEqual(masks, [c.SIG.HUP])
        assert.deepStrictEqual(yield* sys.rt_sigprocmask({ how: c.SIG_HOW.SETMASK, signals: [] }), [c.SIG.HUP])
        yield* hearing(c.SIG.TERM)
        assert.deepStrictEqual(heard, ["SIGUSR2", "SIGTERM"])
        process.off("SIGTERM", listener)
        process.off("SIGUSR2", listener)
      }))

    it.effect("surfaces a child's failure", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(inChild(0, sys.chdir({ path: "/nowhere" })))
        assert.instanceOf(error, ChildFailed)
        assert.deepInclude(error, { code: "ENOENT", reason: "SyscallError" })
      }))

    it.effect("200 children with namespaces: all reaped, no descriptor and no memory left", () =>
      Effect.gen(function*() {
        const one = inChild(containerFlags, Effect.map(sys.getpid({}), (pid) => ({ pid, filler: "x".repeat(10_000) })))
        yield* one
        yield* firstWait
        const before = { fds: openFds(), pieces: piecesOfMemory() }
        for (let n = 0; n < 200; n++) assert.strictEqual((yield* one).pid, 1)
        yield* noMoreThan(before.fds)
        // that of the last one goes when the next one's takes its place
        assert.isBelow(piecesOfMemory(), before.pieces + 10)
        const none = yield* errorOf(sys.waitid({ idtype: c.P.ALL, id: 0, options: c.W.EXITED | c.W.NOHANG }))
        assert.strictEqual(none.code, "ECHILD")
      }))

    it.effect("wait4 reaps a child, and tells what it has used", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        const fork = yield* Fork
        const child = yield* fork.spawn(
          0,
          Effect.andThen(sys.read({ fd: readEnd, count: 1 }), sys.exit_group({ status: 5 }))
        )
        assert.isNull(yield* sys.wait4({ pid: child }))
        yield* sys.write({ fd: writeEnd, data: bytes("x") })
        yield* sys.waitid({ idtype: c.P.PID, id: child, options: c.W.EXITED | c.W.NOWAIT })
        const reaped = yield* sys.wait4({ pid: child })
        assert.deepInclude(reaped, { pid: child, code: c.CLD.EXITED, status: 5 })
        assert.isTrue(reaped!.usage.maxMemory > 0n)
        assert.strictEqual((yield* errorOf(sys.wait4({ pid: child }))).code, "ECHILD")
        yield* Effect.forEach([readEnd, writeEnd], (fd) => sys.close({ fd }))
      }))

    it.effect("reclone goes on in a new process, as a child of the same parent", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        const fork = yield* Fork
        const first = yield* fork.spawn(
          0,
          Effect.gen(function*() {
            yield* sys.unshare({ flags: c.CLONE.NEWPID })
            yield* sys.reclone({ flags: 0 })
            yield* sys.write({ fd: writeEnd, data: bytes(`${yield* sys.getpid({})}`) })
            yield* sys.exit_group({ status: 7 })
          })
        )
        yield* sys.close({ fd: writeEnd })
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 100 })), "1")
        yield* sys.close({ fd: readEnd })
        assert.deepInclude(yield* waitFor(first), { code: c.CLD.EXITED, status: 0 })
        const second = yield* sys.waitid({ idtype: c.P.ALL, id: 0, options: c.W.EXITED })
        assert.deepInclude(second, { code: c.CLD.EXITED, status: 7 })
        assert.notStrictEqual(second?.pid, first)
      }))
  })

  live("calls", (it) => {
    /** Output of a program that a child becomes. */
    const output = (exec: (stdout: number) => Effect.Effect<unknown, SyscallError, Kernel>) =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        const pid = yield* (yield* Fork).spawn(
          0,
          Effect.andThen(sys.dup3({ oldfd: writeEnd, newfd: 1, flags: 0 }), exec(writeEnd))
        )
        yield* sys.close({ fd: writeEnd })
        const chunks: Array<Uint8Array> = []
        for (;;) {
          const chunk = yield* sys.read({ fd: readEnd, count: 1 << 20 })
          if (chunk.length === 0) break
          chunks.push(chunk)
        }
        yield* sys.close({ fd: readEnd })
        return { text: Buffer.concat(chunks).toString("utf8"), status: yield* waitFor(pid) }
      })

    it.effect("execve hands over arguments and environment", () =>
      Effect.gen(function*() {
        const argv = ["sh", "-c", `printf '%s|' "$@" "$NAME"`, "sh", "", "a b", "ü", "x".repeat(100_000)]
        const { text } = yield* output(() => sys.execve({ path: "/bin/sh", argv, envp: ["NAME=värde", "EMPTY="] }))
        assert.strictEqual(text, `|a b|ü|${"x".repeat(100_000)}|värde|`)
      }))

    it.effect("execve with 20,000 variables", () =>
      Effect.gen(function*() {
        const envp = Array.from({ length: 20_000 }, (_, n) => `V${n}=${n}`)
        const { text } = yield* output(() => sys.execve({ path: "/usr/bin/env", argv: ["env"], envp }))
        assert.deepStrictEqual(text.trim().split("\n"), envp)
      }))

    it.effect("execveat by descriptor", () =>
      Effect.gen(function*() {
        const fd = yield* open("/bin/echo", c.O.PATH)
        const { text } = yield* output(() =>
          sys.execveat({ dirfd: fd, path: "", argv: ["echo", "hello"], envp: [], flags: c.AT.EMPTY_PATH })
        )
        yield* sys.close({ fd })
        assert.strictEqual(text, "hello\n")
      }))

    it.effect("execve fails with an errno, and text with a NUL is never cut", () =>
      Effect.gen(function*() {
        const absent = yield* errorOf(sys.execve({ path: "/absent", argv: ["x"], envp: [] }))
        assert.strictEqual(absent.code, "ENOENT")
        const nul = yield* errorOf(sys.execve({ path: "/bin/true", argv: ["x", "a\0b"], envp: [] }))
        assert.deepInclude(nul, { code: "EINVAL", detail: "a text argument holds a NUL byte" })
      }))

    it.effect("waitid, signals, pidfds", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const pid = yield* fork.spawn(0, sys.nanosleep({ nanoseconds: 60_000_000_000n }))
        assert.isNull(yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED | c.W.NOHANG }))
        const pidfd = yield* sys.pidfd_open({ pid, flags: 0 })
        assert.deepStrictEqual(yield* sys.poll({ fds: [pidfd], events: c.POLL.IN, timeout: 0 }), [0])
        yield* sys.kill({ pid, signal: c.SIG.STOP })
        const stopped = yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.STOPPED })
        assert.deepInclude(stopped, { pid, code: c.CLD.STOPPED, status: c.SIG.STOP })
        yield* sys.pidfd_send_signal({ pidfd, signal: c.SIG.KILL })
        assert.deepStrictEqual(yield* sys.poll({ fds: [pidfd], events: c.POLL.IN, timeout: 10_000 }), [c.POLL.IN])
        const killed = yield* sys.waitid({ idtype: c.P.PIDFD, id: pidfd, options: c.W.EXITED })
        assert.deepStrictEqual(killed, { pid, uid: 0, code: c.CLD.KILLED, status: c.SIG.KILL })
        assert.strictEqual((yield* errorOf(sys.pidfd_send_signal({ pidfd, signal: 0 }))).code, "ESRCH")
        yield* sys.close({ fd: pidfd })
      }))

    it.effect("pidfd_getfd takes a descriptor of another process", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        const pidfd = yield* sys.pidfd_open({ pid: process.pid, flags: 0 })
        const copy = yield* sys.pidfd_getfd({ pidfd, targetfd: writeEnd, flags: 0 })
        yield* sys.write({ fd: copy, data: bytes("through the copy") })
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 100 })), "through the copy")
        for (const fd of [readEnd, writeEnd, pidfd, copy]) yield* sys.close({ fd })
      }))

    it.effect("getppid, setsid, getsid, prctl", () =>
      Effect.gen(function*() {
        const child = yield* inChild(
          0,
          Effect.gen(function*() {
            const prctl = (option: number, arg2 = 0) => sys.prctl({ option, arg2, arg3: 0, arg4: 0, arg5: 0 })
            const parent = yield* sys.getppid({})
            const session = yield* sys.setsid({})
            yield* prctl(c.PR.SET_PDEATHSIG, c.SIG.KILL)
            yield* prctl(c.PR.SET_CHILD_SUBREAPER, 1)
            yield* prctl(c.PR.SET_DUMPABLE, 0)
            yield* prctl(c.PR.SET_NO_NEW_PRIVS, 1)
            return {
              parent,
              leads: session === (yield* sys.getpid({})),
              isInOwn: session === (yield* sys.getsid({ pid: 0 })),
              signal: yield* prctl(c.PR.GET_PDEATHSIG),
              reaper: yield* prctl(c.PR.GET_CHILD_SUBREAPER),
              dumpable: yield* prctl(c.PR.GET_DUMPABLE),
              noNewPrivs: yield* prctl(c.PR.GET_NO_NEW_PRIVS),
              text: (yield* errorOf(prctl(c.PR.SET_NAME, 1))).code
            }
          })
        )
        assert.deepStrictEqual(child, {
          parent: process.pid as Pid,
          leads: true,
          isInOwn: true,
          signal: c.SIG.KILL,
          reaper: 1,
          dumpable: 0,
          noNewPrivs: 1,
          text: "EINVAL"
        })
      }))

    it.effect("rt_sigaction and rt_sigprocmask", () =>
      Effect.gen(function*() {
        const status = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.rt_sigaction({ signal: c.SIG.USR1, disposition: "SIG_IGN" })
            yield* sys.rt_sigaction({ signal: c.SIG.PIPE, disposition: "SIG_DFL" })
            const none = yield* sys.rt_sigprocmask({ how: c.SIG_HOW.SETMASK, signals: [] })
            yield* sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [c.SIG.HUP, c.SIG.TERM, 64] })
            const before = yield* sys.rt_sigprocmask({ how: c.SIG_HOW.UNBLOCK, signals: [c.SIG.TERM] })
            const fd = yield* open("/proc/self/status", 0)
            return { none, before, status: text(yield* sys.read({ fd, count: 65536 })) }
          })
        )
        const set = (name: string) => BigInt(`0x${new RegExp(`${name}:\\s*(\\w+)`).exec(status.status)![1]}`)
        const bit = (signal: number) => 1n << BigInt(signal - 1)
        assert.deepStrictEqual(status.before, [c.SIG.HUP, c.SIG.TERM, 64])
        assert.strictEqual(set("SigBlk"), bit(c.SIG.HUP) | bit(64))
        assert.strictEqual(set("SigIgn") & bit(c.SIG.USR1), bit(c.SIG.USR1))
        assert.strictEqual(set("SigIgn") & bit(c.SIG.PIPE), 0n)
        const bad = yield* errorOf(sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [65] }))
        assert.deepInclude(bad, { code: "EINVAL", detail: "there is no signal 65" })
      }))

    it.effect("getrandom and nanosleep", () =>
      Effect.gen(function*() {
        const random = yield* sys.getrandom({ count: 100_000 })
        assert.strictEqual(random.length, 100_000)
        assert.isAbove(new Set(random).size, 200)
        yield* sys.nanosleep({ nanoseconds: 1000n })
        assert.strictEqual((yield* errorOf(sys.nanosleep({ nanoseconds: -1n }))).code, "EINVAL")
      }))
  })
})
