/** The live layer against the kernel it runs on: every call of the table. */
import { afterAll, assert, beforeAll, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import type { Pid } from "../../src/native/Handle.ts"
import { callNames, Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import type { Answer } from "../../src/native/Rtnetlink.ts"
import { ChildFailed, inChild } from "../support/child.ts"
import { firstWait } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { eventually } from "../support/until.ts"

const AT_FDCWD = c.AT.FDCWD
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const openFds = (): number => fs.readdirSync("/proc/self/fd").length
/** How many pieces of memory this process shares with its children. */
const piecesOfMemory = () => fs.readFileSync("/proc/self/maps", "utf8").match(/memfd:runfx-/g)?.length ?? 0
/** The end of a child is heard a moment later, and its link closed then. */
const noMoreThan = (before: number) => eventually(() => openFds() <= before)

/** A failing call's error. */
const errorOf = <A, R>(effect: Effect.Effect<A, SyscallError, R>) => Effect.flip(effect)

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-native-"))
})
afterAll(() => fs.rmSync(directory, { recursive: true }))
const below = (name: string): string => path.join(directory, name)

const open = (name: string, flags: number, mode = 0o600) =>
  sys.openat({ dirfd: AT_FDCWD, path: name, flags: flags | c.O.CLOEXEC, mode })

const live = layer(Linux.layer)

/** New user namespace aside, all that a container has. */
const containerFlags = c.CLONE.NEWNS | c.CLONE.NEWPID | c.CLONE.NEWUTS | c.CLONE.NEWIPC | c.CLONE.NEWNET |
  c.CLONE.NEWCGROUP

/** Makes the mounts of this (new) namespace private, so that nothing of it is seen outside. */
const privately = sys.mount({ source: null, target: "/", type: null, flags: c.MS.REC | c.MS.PRIVATE, data: null })

const waitFor = (pid: number) => sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })

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

describe("namespaces and credentials", () => {
  live("calls", (it) => {
    it.effect("unshare and setns", () =>
      Effect.gen(function*() {
        const names = yield* inChild(
          0,
          Effect.gen(function*() {
            const fd = yield* open("/proc/self/ns/uts", 0)
            yield* sys.unshare({ flags: c.CLONE.NEWUTS })
            yield* sys.sethostname({ name: "inside" })
            const inside = (yield* sys.uname({})).nodename
            yield* sys.setns({ fd, nstype: c.CLONE.NEWUTS })
            return [inside, (yield* sys.uname({})).nodename]
          })
        )
        assert.deepStrictEqual(names, ["inside", os.hostname()])
      }))

    it.effect("a user namespace made by a process that has threads only in its parent", () =>
      Effect.gen(function*() {
        const ids = yield* inChild(c.CLONE.NEWUSER, sys.getresuid({}))
        assert.strictEqual(ids.real, 65534)
      }))

    it.effect("ids and groups", () =>
      Effect.gen(function*() {
        const ids = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.setgroups({ groups: [10, 4_000_000_000, 7] })
            const groups = yield* sys.getgroups({})
            yield* sys.setgroups({ groups: [] })
            yield* sys.setresgid({ rgid: 3, egid: 4, sgid: 5 })
            yield* sys.setresuid({ ruid: -1, euid: 1001, suid: 1002 })
            return {
              groups,
              none: yield* sys.getgroups({}),
              uids: yield* sys.getresuid({}),
              gids: yield* sys.getresgid({}),
              refused: (yield* errorOf(sys.setresuid({ ruid: 5, euid: 5, suid: 5 }))).code
            }
          })
        )
        assert.sameMembers([...ids.groups], [10, 4_000_000_000, 7])
        assert.deepStrictEqual(ids.none, [])
        assert.deepStrictEqual(ids.uids, { real: 0, effective: 1001, saved: 1002 })
        assert.deepStrictEqual(ids.gids, { real: 3, effective: 4, saved: 5 })
        assert.strictEqual(ids.refused, "EPERM")
      }))

    it.effect("capabilities", () =>
      Effect.gen(function*() {
        const some = 1n << 21n | 1n << 39n | 1n
        const sets = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.capset({ effective: 1n, permitted: some, inheritable: 1n << 39n })
            const fd = yield* open("/proc/self/status", 0)
            return { own: yield* sys.capget({ pid: 0 }), status: text(yield* sys.read({ fd, count: 65536 })) }
          })
        )
        assert.deepStrictEqual(sets.own, { effective: 1n, permitted: some, inheritable: 1n << 39n })
        assert.include(sets.status, `CapPrm:\t${some.toString(16).padStart(16, "0")}`)
        assert.strictEqual(
          (yield* sys.capget({ pid: process.pid })).effective,
          (yield* sys.capget({ pid: 0 })).effective
        )
      }))

    it.effect("a new session keyring", () =>
      Effect.gen(function*() {
        const key = yield* inChild(
          0,
          sys.keyctl({ operation: c.KEYCTL.JOIN_SESSION_KEYRING, arg2: "_runfx.test", arg3: 0 })
        )
        assert.isAbove(key, 0)
        const anonymous = yield* inChild(
          0,
          sys.keyctl({ operation: c.KEYCTL.JOIN_SESSION_KEYRING, arg2: null, arg3: 0 })
        )
        assert.notStrictEqual(anonymous, key)
      }))
  })
})

describe("limits and scheduling", () => {
  live("calls", (it) => {
    it.effect("prlimit64 gives what held before", () =>
      Effect.gen(function*() {
        const limits = yield* inChild(
          0,
          Effect.gen(function*() {
            const first = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CORE, limit: { soft: 0n, hard: 0n } })
            const second = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CORE, limit: null })
            const as = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.AS, limit: null })
            return { first, second, as }
          })
        )
        assert.deepStrictEqual(limits.second, { soft: 0n, hard: 0n })
        assert.strictEqual(limits.as.hard, 2n ** 64n - 1n)
      }))

    it.effect("affinity, policy, io priority, personality, memory policy", () =>
      Effect.gen(function*() {
        const cpus = yield* sys.sched_getaffinity({ pid: 0 })
        assert.isAbove(cpus.length, 0)
        const child = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.sched_setaffinity({ pid: 0, cpus: cpus.slice(0, 1) })
            yield* sys.sched_setattr({
              pid: 0,
              attributes: {
                policy: c.SCHED.BATCH,
                flags: 0n,
                nice: 5,
                priority: 0,
                runtime: 0n,
                deadline: 0n,
                period: 0n
              }
            })
            yield* sys.ioprio_set({ which: c.IOPRIO_WHO.PROCESS, who: 0, ioprio: c.IOPRIO_CLASS.BE << 13 | 7 })
            const persona = yield* sys.personality({ persona: c.PER.LINUX32 })
            yield* sys.set_mempolicy({ mode: c.MPOL.BIND, nodes: [0] })
            const [policy, maps] = [
              yield* open("/proc/self/stat", 0),
              yield* open("/proc/self/numa_maps", 0)
            ]
            return {
              cpus: yield* sys.sched_getaffinity({ pid: 0 }),
              stat: text(yield* sys.read({ fd: policy, count: 4096 })),
              maps: text(yield* sys.read({ fd: maps, count: 4096 })),
              persona,
              personaNow: yield* sys.personality({ persona: 0xffffffff }),
              machine: (yield* sys.uname({})).machine,
              preferred: yield* Effect.exit(sys.set_mempolicy({ mode: c.MPOL.DEFAULT, nodes: [] })).pipe(
                Effect.map(Exit.isSuccess)
              )
            }
          })
        )
        const fields = child.stat.slice(child.stat.lastIndexOf(")") + 2).split(" ")
        assert.deepStrictEqual(child.cpus, cpus.slice(0, 1))
        assert.strictEqual(fields[16], "5", "nice")
        assert.strictEqual(fields[38], String(c.SCHED.BATCH), "policy")
        assert.strictEqual(child.persona, 0)
        assert.strictEqual(child.personaNow, c.PER.LINUX32)
        assert.notStrictEqual(child.machine, os.machine())
        assert.include(child.maps, "bind:0")
        assert.isTrue(child.preferred)
        assert.strictEqual((yield* errorOf(sys.sched_setaffinity({ pid: 0, cpus: [8191] }))).code, "EINVAL")
        const none = yield* errorOf(sys.sched_setaffinity({ pid: 0, cpus: [-1] }))
        assert.deepInclude(none, { code: "EINVAL", detail: "there is no processor -1" })
      }))
  })
})

describe("files", () => {
  live("calls", (it) => {
    it.effect("open, write, read, sync, cut, lock, close", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const fd = yield* open(below("file"), c.O.RDWR | c.O.CREAT | c.O.EXCL, 0o640)
        const data = Uint8Array.from({ length: 300_000 }, (_, n) => n % 251)
        assert.strictEqual(yield* sys.write({ fd, data }), data.length)
        yield* sys.fsync({ fd })
        const again = yield* open(below("file"), 0)
        assert.deepStrictEqual(yield* sys.read({ fd: again, count: 1_000_000 }), data)
        assert.strictEqual((yield* sys.read({ fd: again, count: 10 })).length, 0)
        assert.strictEqual((yield* sys.read({ fd: again, count: 0 })).length, 0)
        yield* sys.ftruncate({ fd, length: 2n ** 40n })
        const stat = yield* sys.statx({ dirfd: fd, path: "", flags: c.AT.EMPTY_PATH, mask: c.STATX.BASIC_STATS })
        assert.strictEqual(stat.size, 2n ** 40n)
        assert.strictEqual(stat.mode, c.S.IFREG | 0o640)
        yield* sys.flock({ fd, operation: c.LOCK.EX })
        assert.strictEqual((yield* errorOf(sys.flock({ fd: again, operation: c.LOCK.EX | c.LOCK.NB }))).code, "EAGAIN")
        yield* sys.close({ fd })
        yield* sys.close({ fd: again })
        assert.strictEqual((yield* errorOf(sys.close({ fd }))).code, "EBADF")
        yield* noMoreThan(before)
      }))

    it.effect("a buffer that is handed out is not changed by later calls", () =>
      Effect.gen(function*() {
        const fd = yield* open("/proc/self/cmdline", 0)
        const data = yield* sys.read({ fd, count: 100 })
        const copy = Uint8Array.from(data)
        yield* sys.statx({ dirfd: AT_FDCWD, path: "/", flags: 0, mask: 0 })
        yield* sys.close({ fd })
        assert.deepStrictEqual(data, copy)
      }))

    it.effect("fcntl, dup, dup3, close_range", () =>
      Effect.gen(function*() {
        const flags = yield* inChild(
          0,
          Effect.gen(function*() {
            const fd = yield* sys.memfd_create({ name: "mémoire", flags: c.MFD.CLOEXEC | c.MFD.ALLOW_SEALING })
            yield* sys.fcntl({ fd, command: c.F.ADD_SEALS, argument: c.F_SEAL.SHRINK | c.F_SEAL.SEAL })
            const get = (descriptor: number) => sys.fcntl({ fd: descriptor, command: c.F.GETFD, argument: 0 })
            const copy = yield* sys.dup({ fd })
            yield* sys.dup3({ oldfd: fd, newfd: 500, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: fd, newfd: 501, flags: 0 })
            yield* sys.close_range({ first: 501, last: 501, flags: c.CLOSE_RANGE.CLOEXEC })
            const marked = yield* get(501)
            yield* sys.close_range({ first: 500, last: 0xffffffff, flags: 0 })
            return {
              seals: yield* sys.fcntl({ fd, command: c.F.GET_SEALS, argument: 0 }),
              own: yield* get(fd),
              copy: yield* get(copy),
              marked,
              link: yield* sys.readlinkat({ dirfd: AT_FDCWD, path: `/proc/self/fd/${fd}` }),
              closed: (yield* errorOf(get(500))).code
            }
          })
        )
        assert.deepStrictEqual(flags, {
          seals: c.F_SEAL.SHRINK | c.F_SEAL.SEAL,
          own: c.FD.CLOEXEC,
          copy: 0,
          marked: c.FD.CLOEXEC,
          link: "/memfd:mémoire (deleted)",
          closed: "EBADF"
        })
      }))

    it.effect("directories, links, nodes, owners, modes, attributes", () =>
      Effect.gen(function*() {
        yield* sys.mkdirat({ dirfd: AT_FDCWD, path: below("tree"), mode: 0o755 })
        const dirfd = yield* open(below("tree"), c.O.DIRECTORY)
        yield* sys.mkdirat({ dirfd, path: "d", mode: 0o700 })
        yield* sys.mknodat({ dirfd, path: "null", mode: c.S.IFCHR | 0o600, major: 1, minor: 3 })
        yield* sys.mknodat({ dirfd, path: "block", mode: c.S.IFBLK | 0o600, major: 4095, minor: 0xfffff })
        yield* sys.mknodat({ dirfd, path: "pipe", mode: c.S.IFIFO | 0o600, major: 0, minor: 0 })
        yield* sys.mknodat({ dirfd, path: "sock", mode: c.S.IFSOCK | 0o600, major: 0, minor: 0 })
        yield* sys.mknodat({ dirfd, path: "flat", mode: c.S.IFREG | 0o600, major: 0, minor: 0 })
        yield* sys.symlinkat({ target: "../ziel ü", dirfd, path: "link" })
        const found: Array<string> = []
        for (;;) {
          const entries = yield* sys.getdents64({ fd: dirfd })
          if (entries.length === 0) break
          for (const { name, type } of entries) found.push(`${type} ${name}`)
        }
        assert.sameMembers(found, ["d d", "c null", "b block", "p pipe", "s sock", "f flat", "l link"])
        assert.strictEqual(yield* sys.readlinkat({ dirfd, path: "link" }), "../ziel ü")

        const stat = (name: string) =>
          sys.statx({ dirfd, path: name, flags: c.AT.SYMLINK_NOFOLLOW, mask: c.STATX.BASIC_STATS })
        const node = yield* stat("block")
        assert.deepStrictEqual(node.rdev, { major: 4095, minor: 0xfffff })
        assert.strictEqual(fs.statSync(below("tree/null")).rdev, 0x103)
        assert.strictEqual(node.ino, fs.lstatSync(below("tree/block"), { bigint: true }).ino)

        yield* sys.fchownat({ dirfd, path: "link", uid: 12, gid: 34, flags: c.AT.SYMLINK_NOFOLLOW })
        assert.deepInclude(yield* stat("link"), { uid: 12, gid: 34 })
        yield* sys.fchmodat({ dirfd, path: "flat", mode: 0o4755 })
        assert.strictEqual((yield* stat("flat")).mode, c.S.IFREG | 0o4755)
        yield* sys.fchmod({ fd: dirfd, mode: 0o711 })
        yield* sys.faccessat2({ dirfd, path: "flat", mode: 4, flags: 0 })
        assert.strictEqual(
          (yield* errorOf(sys.faccessat2({ dirfd, path: "absent", mode: 0, flags: c.AT.EACCESS }))).code,
          "ENOENT"
        )
        yield* sys.setxattr({ path: below("tree/flat"), name: "trusted.runfx", value: bytes("value") })
        yield* sys.renameat2({ olddirfd: dirfd, oldpath: "flat", newdirfd: dirfd, newpath: "flatter", flags: 1 })
        assert.strictEqual(
          (yield* errorOf(
            sys.renameat2({ olddirfd: dirfd, oldpath: "pipe", newdirfd: dirfd, newpath: "flatter", flags: 1 })
          )).code,
          "EEXIST"
        )
        yield* sys.unlinkat({ dirfd, path: "d", flags: c.AT.REMOVEDIR })
        yield* sys.unlinkat({ dirfd, path: "null", flags: 0 })
        assert.sameMembers(fs.readdirSync(below("tree")), ["block", "pipe", "sock", "flatter", "link"])
        const device = yield* errorOf(sys.mknodat({ dirfd, path: "x", mode: c.S.IFCHR, major: 4096, minor: 0 }))
        assert.strictEqual(device.code, "EINVAL")
        assert.include(device.message, "there is no device 4096:0")
        yield* sys.close({ fd: dirfd })
      }))

    it.effect("a directory of 3,000 entries comes whole", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("many"))
        const names = Array.from({ length: 3000 }, (_, n) => `entry-${n}-${"n".repeat(n % 200)}`)
        for (const name of names) fs.writeFileSync(below(`many/${name}`), "")
        const fd = yield* open(below("many"), c.O.DIRECTORY)
        const found: Array<string> = []
        for (;;) {
          const entries = yield* sys.getdents64({ fd })
          if (entries.length === 0) break
          found.push(...entries.map((entry) => entry.name))
        }
        yield* sys.close({ fd })
        assert.sameMembers(found, names)
      }))

    it.effect("names that are no UTF-8 can be read, opened and removed", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("odd"))
        const raw = [Buffer.of(0x66, 0xff, 0xc3, 0x28), Buffer.from("ok-ü-😀-\ufffd"), Buffer.of(0xed, 0xa0, 0x80)]
        for (const name of raw) fs.writeFileSync(Buffer.concat([Buffer.from(below("odd/")), name]), "x")
        const fd = yield* open(below("odd"), c.O.DIRECTORY)
        const entries = yield* sys.getdents64({ fd })
        assert.strictEqual(entries.length, 3)
        assert.include(entries.map((entry) => entry.name), "ok-ü-😀-\ufffd")
        assert.include(entries.map((entry) => entry.name), "f\udcff\udcc3(")
        for (const { name } of entries) yield* sys.unlinkat({ dirfd: fd, path: name, flags: 0 })
        yield* sys.close({ fd })
        assert.deepStrictEqual(fs.readdirSync(below("odd")), [])
        const half = yield* errorOf(sys.chdir({ path: "\ud83d" }))
        assert.deepInclude(half, { code: "EINVAL", detail: "a text holds half of a surrogate pair" })
      }))

    it.effect("openat2 keeps a path below its root", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("root"))
        fs.symlinkSync("/etc/passwd", below("root/out"))
        const dirfd = yield* open(below("root"), c.O.PATH)
        const resolve = (mode: number) =>
          sys.openat2({ dirfd, path: "out", flags: c.O.CLOEXEC, mode: 0, resolve: mode })
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.BENEATH))).code, "EXDEV")
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.IN_ROOT))).code, "ENOENT")
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.NO_SYMLINKS))).code, "ELOOP")
        yield* sys.close({ fd: yield* resolve(0) })
        yield* sys.close({ fd: dirfd })
      }))

    it.effect("an argument that is no integer reaches no other descriptor", () =>
      Effect.gen(function*() {
        const error = yield* errorOf(sys.close({ fd: 0.5 }))
        assert.deepInclude(error, { code: "EINVAL", detail: "an argument is not an integer" })
        assert.strictEqual((yield* errorOf(sys.close({ fd: Number.NaN }))).code, "EINVAL")
      }))

    it.effect("fstatfs, and what statx tells of mounts", () =>
      Effect.gen(function*() {
        const fd = yield* open("/proc", c.O.PATH | c.O.DIRECTORY)
        assert.strictEqual((yield* sys.fstatfs({ fd })).type, 0x9fa0)
        const stat = yield* sys.statx({ dirfd: fd, path: "", flags: c.AT.EMPTY_PATH, mask: c.STATX.MNT_ID })
        assert.isTrue(stat.mountRoot)
        const line = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n").find((entry) =>
          entry.split(" ")[4] === "/proc"
        )!
        assert.strictEqual(String(stat.mountId), line.split(" ")[0])
        assert.strictEqual(`${stat.dev.major}:${stat.dev.minor}`, line.split(" ")[2])
        const inner = yield* sys.statx({ dirfd: fd, path: "self/status", flags: 0, mask: c.STATX.MNT_ID })
        assert.isFalse(inner.mountRoot)
        yield* sys.close({ fd })
      }))

    it.effect("umask, chdir, fchdir, getcwd, chroot", () =>
      Effect.gen(function*() {
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* sys.umask({ mask: 0o27 })
            const old = yield* sys.umask({ mask: 0o22 })
            yield* sys.chdir({ path: directory })
            const first = yield* sys.getcwd({})
            const fd = yield* open("/usr", c.O.PATH)
            yield* sys.fchdir({ fd })
            const second = yield* sys.getcwd({})
            yield* sys.chroot({ path: directory })
            return { old, first, second, third: yield* sys.getcwd({}) }
          })
        )
        assert.deepStrictEqual(child, { old: 0o27, first: directory, second: "/usr", third: "(unreachable)/usr" })
      }))
  })
})

describe("mounts", () => {
  live("calls", (it) => {
    it.effect("mount, bind, remount, pivot_root, umount2", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("new"))
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            yield* sys.mount({
              source: "tmpfs",
              target: below("new"),
              type: "tmpfs",
              flags: c.MS.NOSUID,
              data: "mode=0711,size=64k"
            })
            const root = yield* open(below("new"), c.O.PATH)
            yield* sys.mkdirat({ dirfd: root, path: "old", mode: 0o700 })
            yield* sys.mkdirat({ dirfd: root, path: "proc", mode: 0o700 })
            yield* sys.mount({
              source: "/proc",
              target: `${below("new")}/proc`,
              type: null,
              flags: c.MS.BIND | c.MS.REC,
              data: null
            })
            yield* sys.pivot_root({ newRoot: below("new"), putOld: `${below("new")}/old` })
            yield* sys.chdir({ path: "/" })
            yield* sys.umount2({ target: "/old", flags: c.MNT.DETACH })
            yield* sys.mount({
              source: null,
              target: "/",
              type: null,
              flags: c.MS.REMOUNT | c.MS.BIND | c.MS.RDONLY,
              data: null
            })
            const fd = yield* open("/proc/self/mountinfo", 0)
            return {
              mounts: text(yield* sys.read({ fd, count: 65536 })),
              write: (yield* errorOf(sys.mkdirat({ dirfd: AT_FDCWD, path: "/x", mode: 0o700 }))).code
            }
          })
        )
        assert.match(child.mounts.split("\n")[0]!, / \/ \/ ro,relatime - tmpfs tmpfs .*size=64k,mode=711/)
        assert.strictEqual(child.write, "EROFS")
        assert.deepStrictEqual(fs.readdirSync(below("new")), [])
      }))

    it.effect("the data of a mount is never cut", () =>
      Effect.gen(function*() {
        const data = `mode=0755,${"x".repeat(5000)}`
        const error = yield* errorOf(sys.mount({ source: "t", target: directory, type: "tmpfs", flags: 0, data }))
        assert.strictEqual(error.code, "EINVAL")
        assert.include(error.message, "limited to 4095 bytes")
      }))

    it.effect("fsopen, fsconfig, fsmount, move_mount, open_tree, mount_setattr", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("fs"))
        fs.mkdirSync(below("clone"))
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            const context = yield* sys.fsopen({ type: "tmpfs", flags: c.FSOPEN.CLOEXEC })
            const set = (key: string, value: string) =>
              sys.fsconfig({ fd: context, command: c.FSCONFIG.SET_STRING, key, value, aux: 0 })
            yield* set("mode", "0750")
            const unknown = (yield* errorOf(set("colour", "blue"))).message
            const wrong = (yield* errorOf(set("size", "much"))).message
            yield* sys.fsconfig({ fd: context, command: c.FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 })
            const fd = yield* sys.fsmount({
              fd: context,
              flags: c.FSMOUNT.CLOEXEC,
              attributes: c.MOUNT_ATTR.NOEXEC | c.MOUNT_ATTR.NODEV
            })
            yield* sys.move_mount({
              fromDirfd: fd,
              fromPath: "",
              toDirfd: AT_FDCWD,
              toPath: below("fs"),
              flags: c.MOVE_MOUNT.F_EMPTY_PATH
            })
            const tree = yield* sys.open_tree({
              dirfd: AT_FDCWD,
              path: below("fs"),
              flags: c.OPEN_TREE.CLONE | c.OPEN_TREE.CLOEXEC | c.AT.RECURSIVE
            })
            yield* sys.mount_setattr({
              dirfd: tree,
              path: "",
              flags: c.AT.EMPTY_PATH | c.AT.RECURSIVE,
              set: c.MOUNT_ATTR.RDONLY,
              clear: c.MOUNT_ATTR.NOEXEC,
              propagation: c.MS.SHARED,
              usernsFd: -1
            })
            yield* sys.move_mount({
              fromDirfd: tree,
              fromPath: "",
              toDirfd: AT_FDCWD,
              toPath: below("clone"),
              flags: c.MOVE_MOUNT.F_EMPTY_PATH
            })
            const mounts = yield* open("/proc/self/mountinfo", 0)
            return { unknown, wrong, mounts: text(yield* sys.read({ fd: mounts, count: 65536 })) }
          })
        )
        assert.include(child.unknown, "EINVAL (Invalid argument): tmpfs: Unknown parameter 'colour'")
        assert.include(child.wrong, "size")
        const optionsOf = (name: string) =>
          child.mounts.split("\n").find((line) => line.split(" ")[4] === below(name))!.split(" ").slice(5, 7)
        assert.deepStrictEqual(optionsOf("fs"), ["rw,nodev,noexec,relatime", "-"])
        assert.strictEqual(optionsOf("clone")[0], "ro,nodev,relatime")
        assert.match(optionsOf("clone")[1]!, /^shared:/)
      }))

    it.effect("an id-mapped mount", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("mapped"))
        fs.writeFileSync(below("mapped/file"), "")
        const uid = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            const fork = yield* Fork
            const holder = yield* fork.spawn(c.CLONE.NEWUSER, sys.nanosleep({ nanoseconds: 60_000_000_000n }))
            for (const name of ["uid_map", "gid_map"]) {
              const map = yield* open(`/proc/${holder}/${name}`, c.O.WRONLY)
              yield* sys.write({ fd: map, data: bytes("0 100000 65536") })
            }
            const userns = yield* open(`/proc/${holder}/ns/user`, 0)
            const tree = yield* sys.open_tree({ dirfd: AT_FDCWD, path: below("mapped"), flags: c.OPEN_TREE.CLONE })
            const mapped = yield* Effect.exit(
              sys.mount_setattr({
                dirfd: tree,
                path: "",
                flags: c.AT.EMPTY_PATH,
                set: c.MOUNT_ATTR.IDMAP,
                clear: 0,
                propagation: 0,
                usernsFd: userns
              })
            )
            yield* sys.kill({ pid: holder, signal: c.SIG.KILL })
            yield* waitFor(holder)
            yield* mapped
            return (yield* sys.statx({ dirfd: tree, path: "file", flags: 0, mask: c.STATX.BASIC_STATS })).uid
          })
        )
        assert.strictEqual(uid, 100_000)
      }))

    it.effect("a failed fsconfig does not read from what is no file system context", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        yield* sys.write({ fd: writeEnd, data: bytes("kept") })
        yield* errorOf(sys.fsconfig({ fd: readEnd, command: c.FSCONFIG.SET_FLAG, key: "ro", value: null, aux: 0 }))
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 10 })), "kept")
        yield* sys.close({ fd: readEnd })
        yield* sys.close({ fd: writeEnd })
      }))
  })
})

describe("sockets and terminals", () => {
  live("calls", (it) => {
    const pairOf = (type: number) => sys.socketpair({ type: type | c.SOCK.CLOEXEC })

    it.effect("messages carry bytes, descriptors and credentials", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* sys.setsockopt({ fd: right, option: c.SO.PASSCRED, value: 1 })
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: 0 })
        const sent = yield* sys.sendmsg({
          fd: left,
          data: bytes("hello"),
          fds: [readEnd, writeEnd],
          flags: c.MSG.NOSIGNAL
        })
        assert.strictEqual(sent, 5)
        const message = yield* sys.recvmsg({ fd: right, size: 4096, flags: 0 })
        assert.strictEqual(text(message.data), "hello")
        assert.strictEqual(message.fds.length, 2)
        assert.deepStrictEqual(message.credentials, { pid: process.pid, uid: 0, gid: 0 })
        for (const fd of message.fds) {
          assert.strictEqual(yield* sys.fcntl({ fd, command: c.F.GETFD, argument: 0 }), c.FD.CLOEXEC)
        }
        yield* sys.write({ fd: message.fds[1]!, data: bytes("through") })
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 10 })), "through")
        yield* sys.sendmsg({ fd: left, data: bytes("plain"), fds: [], flags: 0 })
        assert.deepStrictEqual((yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })).fds, [])
        yield* sys.shutdown({ fd: left, how: c.SHUT.WR })
        assert.strictEqual((yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })).data.length, 0)
        for (const fd of [left, right, readEnd, writeEnd, ...message.fds]) yield* sys.close({ fd })
        yield* noMoreThan(before)
      }))

    it.effect("a message with 253 descriptors", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* sys.setsockopt({ fd: right, option: c.SO.PASSCRED, value: 1 })
        yield* sys.sendmsg({ fd: left, data: bytes("x"), fds: Array.from({ length: 253 }, () => left), flags: 0 })
        const { fds } = yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })
        assert.strictEqual(fds.length, 253)
        for (const fd of [left, right, ...fds]) yield* sys.close({ fd })
        yield* noMoreThan(before)
      }))

    it.effect("descriptors for which there is no room are an error, and none stays open", () =>
      Effect.gen(function*() {
        const result = yield* inChild(
          0,
          Effect.gen(function*() {
            const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
            yield* sys.sendmsg({ fd: left, data: bytes("x"), fds: [left, left, left], flags: 0 })
            const next = yield* sys.dup({ fd: left })
            yield* sys.close({ fd: next })
            // room for one more
            yield* sys.prlimit64({
              pid: 0,
              resource: c.RLIMIT.NOFILE,
              limit: { soft: BigInt(next + 1), hard: BigInt(next + 1) }
            })
            const error = yield* errorOf(sys.recvmsg({ fd: right, size: 10, flags: 0 }))
            return { code: error.code, reused: (yield* sys.dup({ fd: left })) === next }
          })
        )
        assert.deepStrictEqual(result, { code: "EMFILE", reused: true })
      }))

    it.effect("a message that is longer than asked for is an error, and its descriptors are closed", () =>
      Effect.gen(function*() {
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* firstWait
        const before = openFds()
        yield* sys.sendmsg({ fd: left, data: bytes("longer"), fds: [left], flags: 0 })
        const error = yield* errorOf(sys.recvmsg({ fd: right, size: 3, flags: 0 }))
        assert.deepInclude(error, { code: "EMSGSIZE", detail: "a message was longer than 3 bytes" })
        yield* noMoreThan(before)
        yield* sys.close({ fd: left })
        yield* sys.close({ fd: right })
      }))

    it.effect("connect, time limits, poll", () =>
      Effect.gen(function*() {
        const fd = yield* sys.socket({ domain: c.AF.UNIX, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        assert.strictEqual((yield* errorOf(sys.connect({ fd, path: below("absent") }))).code, "ENOENT")
        assert.strictEqual((yield* errorOf(sys.connect({ fd, path: `/${"x".repeat(108)}` }))).code, "ENAMETOOLONG")
        yield* sys.close({ fd })
        const [left, right] = yield* pairOf(c.SOCK.STREAM)
        yield* sys.setsockopt({ fd: left, option: c.SO.RCVTIMEO, value: 20 })
        assert.strictEqual((yield* errorOf(sys.recvmsg({ fd: left, size: 1, flags: 0 }))).code, "EAGAIN")
        assert.deepStrictEqual(yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: 10 }), [0, 0])
        yield* sys.write({ fd: left, data: bytes("x") })
        assert.deepStrictEqual(yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: -1 }), [0, c.POLL.IN])
        yield* sys.close({ fd: left })
        assert.deepStrictEqual(
          yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: 0 }),
          [c.POLL.NVAL, c.POLL.IN | c.POLL.HUP]
        )
        yield* sys.close({ fd: right })
      }))

    it.effect("connects to a listening socket", () =>
      Effect.gen(function*() {
        const { createServer } = yield* Effect.promise(() => import("node:net"))
        const server = createServer()
        yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(below("listening"), resolve)))
        const fd = yield* sys.socket({ domain: c.AF.UNIX, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        yield* sys.connect({ fd, path: below("listening") })
        assert.deepStrictEqual(yield* sys.poll({ fds: [fd], events: c.POLL.OUT, timeout: 1000 }), [c.POLL.OUT])
        yield* sys.close({ fd })
        yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      }))

    it.effect("binds an address of IPv4, and listens there", () =>
      Effect.gen(function*() {
        const fd = yield* sys.socket({ domain: c.AF.INET, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        assert.strictEqual((yield* errorOf(sys.bind({ fd, address: "::1", port: 0 }))).code, "EINVAL")
        assert.strictEqual((yield* errorOf(sys.bind({ fd, address: "127.0.0.1", port: 65_536 }))).code, "EINVAL")
        yield* sys.bind({ fd, address: "127.0.0.1", port: 0 })
        yield* sys.listen({ fd, backlog: 1 })
        const inode = /\d+/.exec(fs.readlinkSync(`/proc/self/fd/${fd}`))![0]
        const row = fs.readFileSync("/proc/self/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
          .find((fields) => fields[9] === inode)!
        // TCP_LISTEN, on 127.0.0.1, at a port that the kernel has chosen
        assert.strictEqual(row[3], "0A")
        assert.match(row[1]!, /^0100007F:(?!0000)/)
        yield* sys.close({ fd })
      }))

    it.effect("terminals", () =>
      Effect.gen(function*() {
        const master = yield* open("/dev/ptmx", c.O.RDWR | c.O.NOCTTY)
        yield* sys.ioctl_sptlck({ fd: master, locked: 0 })
        const number = yield* sys.ioctl_gptn({ fd: master })
        assert.strictEqual(
          fs.statSync(`/dev/pts/${number}`).rdev,
          0x8800 | number & 0xff
        )
        yield* sys.ioctl_swinsz({ fd: master, rows: 50, columns: 132 })
        assert.deepStrictEqual(yield* sys.ioctl_gwinsz({ fd: master }), { rows: 50, columns: 132 })
        const modes = yield* sys.ioctl_tcgets({ fd: master })
        assert.strictEqual(modes.output & c.OFLAG.OPOST, c.OFLAG.OPOST)
        assert.strictEqual(modes.characters.length, 19)
        const changed = {
          ...modes,
          output: modes.output & ~c.OFLAG.OPOST,
          characters: modes.characters.with(c.CC.MIN, 7)
        }
        yield* sys.ioctl_tcsetsw({ fd: master, modes: changed })
        assert.deepStrictEqual(yield* sys.ioctl_tcgets({ fd: master }), changed)
        const short = sys.ioctl_tcsetsw({ fd: master, modes: { ...modes, characters: new Uint8Array(3) } })
        assert.strictEqual((yield* errorOf(short)).code, "EINVAL")
        const terminal = yield* sys.ioctl({ fd: master, request: c.TIOC.GPTPEER, argument: c.O.RDWR | c.O.NOCTTY })
        const controls = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.setsid({})
            yield* sys.ioctl({ fd: terminal, request: c.TIOC.SCTTY, argument: 0 })
            const fd = yield* open("/proc/self/stat", 0)
            return text(yield* sys.read({ fd, count: 4096 }))
          })
        )
        const device = controls.slice(controls.lastIndexOf(")") + 2).split(" ")[4]
        assert.strictEqual(Number(device), 0x8800 | number & 0xff)
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: 0 })
        assert.strictEqual((yield* errorOf(sys.ioctl_gwinsz({ fd: readEnd }))).code, "ENOTTY")
        assert.strictEqual((yield* errorOf(sys.ioctl_tcgets({ fd: readEnd }))).code, "ENOTTY")
        for (const fd of [master, terminal, readEnd, writeEnd]) yield* sys.close({ fd })
      }))
  })
})

describe("network", () => {
  live("rtnetlink", (it) => {
    it.effect("links, addresses and routes of a new namespace, by name", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const child = yield* inChild(
          c.CLONE.NEWNET,
          Effect.gen(function*() {
            const fds = yield* open("/", c.O.PATH)
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "lo", up: true } })
            yield* sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "br0" } })
            yield* sys.rtnetlink({ request: { _tag: "VethAdd", name: "left", peer: "right", txQueueLength: 7 } })
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "right", name: "eth0" } })
            yield* sys.rtnetlink({
              request: { _tag: "LinkSet", link: "eth0", up: true, mtu: 1400, mac: "02:00:00:00:00:07" }
            })
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "left", up: true } })
            yield* sys.rtnetlink({ request: { _tag: "AddressAdd", link: "eth0", address: "10.9.0.2/24" } })
            yield* sys.rtnetlink({ request: { _tag: "RouteAdd", gateway: "10.9.0.1", link: "eth0" } })
            const again = yield* errorOf(sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "br0" } }))
            const absent = yield* errorOf(
              sys.rtnetlink({ request: { _tag: "AddressAdd", link: "absent", address: "10.0.0.1/8" } })
            )
            const malformed = yield* errorOf(
              sys.rtnetlink({ request: { _tag: "AddressAdd", link: "lo", address: "nonsense" } })
            )
            const answers = {
              link: yield* sys.rtnetlink({ request: { _tag: "LinkGet", link: "eth0" } }),
              addresses: yield* sys.rtnetlink({ request: { _tag: "AddressList", link: "eth0" } }),
              routes: yield* sys.rtnetlink({ request: { _tag: "RouteList" } })
            }
            yield* sys.rtnetlink({ request: { _tag: "LinkDelete", link: "br0" } })
            const left = yield* sys.rtnetlink({ request: { _tag: "LinkList" } })
            yield* sys.close({ fd: fds })
            return {
              ...answers,
              left,
              again: again.code,
              absent: absent.code,
              malformed: malformed.message,
              flat: (yield* open("/", c.O.PATH)) === fds
            }
          })
        )
        const link = child.link[0] as Answer & { _tag: "Link" }
        assert.deepInclude(link, { name: "eth0", mtu: 1400, mac: "02:00:00:00:00:07", kind: "veth" })
        assert.isTrue(child.addresses.some((entry) => entry._tag === "Address" && entry.address === "10.9.0.2/24"))
        assert.isTrue(
          child.routes.some((entry) =>
            entry._tag === "Route" && entry.destination === null && entry.gateway === "10.9.0.1" &&
            entry.index === link.index
          )
        )
        const names = child.left.flatMap((entry) => entry._tag === "Link" ? [entry.name] : [])
        assert.includeMembers(names, ["lo", "eth0", "left"])
        assert.notInclude(names, "br0")
        assert.strictEqual(child.again, "EEXIST")
        assert.strictEqual(child.absent, "ENODEV")
        assert.include(child.malformed, `"nonsense" is not an address in CIDR notation`)
        assert.isTrue(child.flat, "no socket stays open")
        yield* noMoreThan(before)
      }))

    it.effect("says what the kernel says", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          inChild(
            c.CLONE.NEWNET,
            sys.rtnetlink({ request: { _tag: "LinkSet", link: "lo", mtu: 1, netnsPid: 4_000_000 } })
          )
        )
        assert.instanceOf(error, ChildFailed)
        assert.strictEqual(error.reason, "SyscallError")
      }))
  })
})

describe("filters", () => {
  /** One classic BPF instruction. */
  const classic = (code: number, jt: number, jf: number, k: number): Buffer => {
    const instruction = Buffer.alloc(8)
    instruction.writeUInt16LE(code)
    instruction[2] = jt
    instruction[3] = jf
    instruction.writeUInt32LE(k >>> 0, 4)
    return instruction
  }
  const allow = classic(0x06, 0, 0, 0x7fff0000)

  live("calls", (it) => {
    it.effect("seccomp", () =>
      Effect.gen(function*() {
        const seccomp = (program: Uint8Array, operation: number = c.SECCOMP.SET_MODE_FILTER) =>
          sys.seccomp({ operation, flags: 0, program })
        const names = yield* inChild(
          0,
          Effect.gen(function*() {
            // uname answers 99 - EADDRNOTAVAIL - and all else is allowed
            const uname = os.arch() === "arm64" ? 160 : 63
            yield* seccomp(Buffer.concat([
              classic(0x20, 0, 0, 0),
              classic(0x15, 0, 1, uname),
              classic(0x06, 0, 0, 0x00050000 | 99),
              allow
            ]))
            return (yield* errorOf(sys.uname({}))).code
          })
        )
        assert.strictEqual(names, "EADDRNOTAVAIL")
        yield* seccomp(Uint8Array.from([0, 0, 0xff, 0x7f]), c.SECCOMP.GET_ACTION_AVAIL)
        assert.strictEqual(
          (yield* errorOf(seccomp(Uint8Array.from([1, 0, 0xab, 0x12]), c.SECCOMP.GET_ACTION_AVAIL))).code,
          "ENOTSUP"
        )
        assert.include((yield* errorOf(seccomp(allow.subarray(1)))).message, "this one has 7 bytes")
        const long = yield* errorOf(seccomp(Buffer.concat(Array.from({ length: 4097 }, () => allow))))
        assert.strictEqual(long.code, "EINVAL")
      }))

    it.effect("device programs of cgroups, and the verifier's words", () =>
      Effect.gen(function*() {
        // r0 = 0; exit
        const deny = Uint8Array.from([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])
        const programFd = yield* sys.bpf_prog_load({ instructions: deny, license: "GPL" })
        const error = yield* errorOf(sys.bpf_prog_load({ instructions: deny.subarray(8), license: "GPL" }))
        assert.strictEqual(error.code, "EACCES")
        assert.include(error.detail, "R0 !read_ok")
        const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((name) =>
          fs.existsSync(`${name}/cgroup.controllers`)
        )
        if (unified === undefined) return console.log("skipped: no cgroup v2 hierarchy to attach a program to")
        const group = `${unified}/${markOf("runfx-native-")}`
        fs.mkdirSync(group)
        const targetFd = yield* open(group, c.O.DIRECTORY)
        const denied = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.bpf_prog_attach({ targetFd, programFd, flags: 0 })
            const procs = yield* sys.openat({ dirfd: targetFd, path: "cgroup.procs", flags: c.O.WRONLY, mode: 0 })
            yield* sys.write({ fd: procs, data: bytes("0") })
            return (yield* errorOf(open("/dev/null", 0))).code
          })
        )
        yield* sys.close({ fd: targetFd })
        yield* sys.close({ fd: programFd })
        fs.rmdirSync(group)
        assert.strictEqual(denied, "EPERM")
      }))
  })
})

describe("the table", () => {
  live("coverage", (it) => {
    it.effect("every call of the table is made by this file", () =>
      Effect.sync(() => {
        const source = fs.readFileSync(import.meta.filename, "utf8")
        assert.deepStrictEqual(callNames.filter((name) => !source.includes(`sys.${name}(`)), [])
      }))
  })
})
