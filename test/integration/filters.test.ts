/** Filters and the exec trampoline on the kernel that this runs on. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll } from "vitest"
import type { Seccomp } from "../../src/config/Container.ts"
import * as c from "../../src/native/constants.ts"
import { compileDeviceFilter, type Rule } from "../../src/native/deviceFilter.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { syscallNumbers } from "../../src/native/syscallTables.ts"
import { execThroughTrampoline, failureOf, type Filter } from "../../src/native/trampoline.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { loadSeccompBeforeUser } from "../../src/steps/loadSeccompBeforeUser.ts"
import { compile } from "../../src/steps/seccomp/compile.ts"
import { inChild } from "../support/child.ts"
import { init } from "../support/steps.ts"
import { eventually } from "../support/until.ts"

const AT_FDCWD = c.AT.FDCWD
const live = layer(Linux.layer)

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-filters-"))
})
afterAll(() => fs.rmSync(directory, { recursive: true }))
const below = (name: string): string => path.join(directory, name)
const script = (name: string, text: string): string => {
  fs.writeFileSync(below(name), text, { mode: 0o755 })
  return below(name)
}

/** The errno of a call, or `ok`. */
const outcome = <A, R>(effect: Effect.Effect<A, SyscallError, R>): Effect.Effect<string, never, R> =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: ({ code }) => code })

const mkdir = (name: string) => outcome(sys.mkdirat({ dirfd: AT_FDCWD, path: below(name), mode: 0o755 }))
const noNewPrivileges = sys.prctl({ option: c.PR.SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })

const machine = process.arch === "arm64" ? "arm64" : "x64"
const filterOf = (seccomp: Seccomp): Filter => Result.getOrThrow(compile(seccomp, machine))
const seccomp = (over: Partial<Seccomp>): Seccomp => ({
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [],
  ...over
})
const refusing = (names: ReadonlyArray<string>, action = "SCMP_ACT_ERRNO", errnoRet?: number): Seccomp =>
  seccomp({ syscalls: [{ names, action, args: [], ...(errnoRet === undefined ? {} : { errnoRet }) }] })

/** Runs a child that ends by exec, with a channel; gives what came through the channel and how the child ended. */
const execute = (
  path: string,
  options: {
    readonly argv?: ReadonlyArray<string>
    readonly envp?: ReadonlyArray<string>
    readonly filter?: Filter
    readonly before?: Effect.Effect<unknown, unknown, Kernel>
  } = {}
) =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [mine, theirs] = yield* sys.socketpair({ type: c.SOCK.SEQPACKET | c.SOCK.CLOEXEC })
    const output = yield* sys.openat({
      dirfd: AT_FDCWD,
      path: below("output"),
      flags: c.O.RDWR | c.O.CREAT | c.O.TRUNC | c.O.CLOEXEC,
      mode: 0o666
    })
    const pid = yield* fork.spawn(
      0,
      Effect.gen(function*() {
        yield* sys.dup3({ oldfd: output, newfd: 1, flags: 0 })
        // should a trampoline ever execute itself for ever, it ends
        yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CPU, limit: { soft: 5n, hard: 5n } })
        yield* options.before ?? Effect.void
        return yield* execThroughTrampoline({
          path,
          argv: options.argv ?? [path],
          envp: options.envp ?? [],
          channel: theirs,
          ...(options.filter === undefined ? {} : { filter: options.filter })
        })
      })
    )
    yield* sys.close({ fd: theirs })
    // the first message, or the end of the channel, which is the moment of the exec
    const { data } = yield* sys.recvmsg({ fd: mine, size: 64, flags: 0 })
    const ended = yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
    yield* sys.close({ fd: output })
    yield* sys.close({ fd: mine })
    return {
      failure: data.length === 0 ? undefined : failureOf(data),
      ended: ended?.code === c.CLD.EXITED ? ended.status : `signal ${ended?.status}`,
      output: fs.readFileSync(below("output"), "utf8")
    }
  })

describe("seccomp", () => {
  live("on the live kernel", (it) => {
    const under = (config: Seccomp, name: string) =>
      inChild(
        0,
        Effect.gen(function*() {
          yield* noNewPrivileges
          yield* sys.seccomp({ operation: c.SECCOMP.SET_MODE_FILTER, ...filterOf(config) })
          return yield* mkdir(name)
        })
      )

    it.effect("returns the errno that a rule names", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* under(refusing(["mkdir", "mkdirat"]), "a"), "EPERM")
        assert.strictEqual(yield* under(refusing(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", 38), "a"), "ENOSYS")
        assert.strictEqual(yield* under(refusing(["rmdir"]), "a"), "ok")
      }))

    it.effect("kills where a rule says so", () =>
      Effect.gen(function*() {
        const killed = yield* Effect.flip(under(refusing(["mkdirat"], "SCMP_ACT_KILL_PROCESS"), "b"))
        assert.include(killed.message, `"status":${c.SIG.SYS}`)
      }))

    it.effect("compares the arguments of the real call", () =>
      Effect.gen(function*() {
        const args = [{ index: 2, op: "SCMP_CMP_EQ", value: 0o755n, valueTwo: 0n }]
        const config = (value: bigint) =>
          seccomp({ syscalls: [{ names: ["mkdirat"], action: "SCMP_ACT_ERRNO", args: [{ ...args[0]!, value }] }] })
        assert.strictEqual(yield* under(config(0o755n), "c"), "EPERM")
        assert.strictEqual(yield* under(config(0o700n), "c"), "ok")
      }))

    it.effect("gives ENOSYS to what is newer than a filter that refuses by default", () =>
      Effect.gen(function*() {
        const names = ["write", "exit_group", "close", "mkdirat", "fstat", "mmap", "munmap", "brk", "futex", "madvise"]
        const config = seccomp({
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [{ names, action: "SCMP_ACT_ALLOW", args: [] }]
        })
        const codes = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* noNewPrivileges
            yield* sys.seccomp({ operation: c.SECCOMP.SET_MODE_FILTER, ...filterOf(config) })
            return [
              yield* outcome(sys.chdir({ path: "/" })),
              yield* outcome(sys.faccessat2({ dirfd: AT_FDCWD, path: "/", mode: 0, flags: 0 }))
            ]
          })
        )
        assert.deepStrictEqual(codes, ["EPERM", "ENOSYS"])
      }))

    it.effect("runs programs under a profile like those of container engines", () =>
      Effect.gen(function*() {
        // what a distribution's container engine refuses, in the form of one long list of what it allows
        const refused = new Set(["mount", "umount2", "reboot", "swapon", "init_module", "kexec_load", "bpf", "ptrace"])
        const native = syscallNumbers(machine === "x64" ? "X86_64" : "AARCH64")
        const config = seccomp({
          defaultAction: "SCMP_ACT_ERRNO",
          defaultErrnoRet: 1,
          architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
          syscalls: [
            {
              names: [...native.keys()].filter((name) =>
                !refused.has(name) && name !== "clone3" && name !== "personality"
              ),
              action: "SCMP_ACT_ALLOW",
              args: []
            },
            ...[0n, 8n, 0x20000n, 0x20008n, 0xffffffffn].map((value) => ({
              names: ["personality"],
              action: "SCMP_ACT_ALLOW",
              args: [{ index: 0, op: "SCMP_CMP_EQ", value, valueTwo: 0n }]
            })),
            { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38, args: [] }
          ]
        })
        const shell = script(
          "profile",
          "#!/bin/sh\nls / >/dev/null && echo listed\nmount -t tmpfs none /mnt 2>&1\nsetarch --addr-no-randomize true || echo no persona\n"
        )
        const result = yield* execute(shell, {
          before: noNewPrivileges,
          filter: filterOf(config),
          envp: ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]
        })
        assert.match(result.output, /^listed\nmount: .*(permission denied|not permitted).*\n/i)
        assert.include(result.output, "no persona")
      }))

    it.effect("is loaded before the user changes, where no_new_privs is off", () =>
      Effect.gen(function*() {
        const input = init({
          process: { noNewPrivileges: false },
          container: { seccomp: refusing(["mkdirat"], "SCMP_ACT_ERRNO", 30) }
        })
        const run = Effect.provideService(
          loadSeccompBeforeUser.run as Effect.Effect<unknown, SyscallError, Kernel | Init>,
          Init,
          input
        )
        assert.strictEqual(yield* inChild(0, Effect.andThen(run, mkdir("d"))), "EROFS")
      }))
  })
})

describe("device filter", () => {
  const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((root) =>
    fs.existsSync(`${root}/cgroup.controllers`)
  )
  const rule = (
    allow: boolean,
    type: Rule["type"],
    major: number | null,
    minor: number | null,
    access: string
  ): Rule => ({
    allow,
    type,
    major,
    minor,
    access
  })

  live("on the live kernel", (it) => {
    it.effect.skipIf(unified === undefined)(
      "decides what a process in the cgroup may open",
      () =>
        Effect.acquireUseRelease(
          Effect.sync(() => fs.mkdtempSync(`${unified}/runfx-filters-`)),
          (group) =>
            Effect.gen(function*() {
              const rules = [
                rule(false, "a", null, null, "rwm"),
                rule(true, "c", 1, 3, "rwm"), // null
                rule(true, "c", 1, 5, "r"), // zero
                rule(true, "c", null, null, "m")
              ]
              const programFd = yield* sys.bpf_prog_load({ instructions: compileDeviceFilter(rules), license: "GPL" })
              const groupFd = yield* sys.openat({
                dirfd: AT_FDCWD,
                path: group,
                flags: c.O.DIRECTORY | c.O.CLOEXEC,
                mode: 0
              })
              yield* sys.bpf_prog_attach({ targetFd: groupFd, programFd, flags: 0 })
              const open = (device: string, flags: number) =>
                outcome(sys.openat({ dirfd: AT_FDCWD, path: `/dev/${device}`, flags: flags | c.O.CLOEXEC, mode: 0 }))
              const node = (name: string, type: number) =>
                outcome(sys.mknodat({ dirfd: AT_FDCWD, path: below(name), mode: type | 0o600, major: 1, minor: 7 }))
              const codes = yield* inChild(
                0,
                Effect.gen(function*() {
                  const fd = yield* sys.openat({
                    dirfd: AT_FDCWD,
                    path: `${group}/cgroup.procs`,
                    flags: c.O.WRONLY | c.O.CLOEXEC,
                    mode: 0
                  })
                  yield* sys.write({ fd, data: Buffer.from("0") })
                  return [
                    yield* open("null", c.O.RDWR),
                    yield* open("zero", c.O.RDONLY),
                    yield* open("zero", c.O.RDWR),
                    yield* open("full", c.O.RDONLY),
                    yield* node("char", c.S.IFCHR),
                    yield* node("block", c.S.IFBLK)
                  ]
                })
              )
              yield* sys.close({ fd: programFd })
              yield* sys.close({ fd: groupFd })
              assert.deepStrictEqual(codes, ["ok", "ok", "EPERM", "EPERM", "ok", "EPERM"])
              assert.strictEqual(yield* open("full", c.O.RDONLY), "ok")
            }),
          (group) => Effect.sync(() => fs.rmdirSync(group))
        )
    )

    it.effect("passes the kernel's verifier, short or long", () =>
      Effect.gen(function*() {
        const long = Array.from({ length: 500 }, (_, index) =>
          rule(
            index % 3 > 0,
            index % 2 === 0 ? "c" : "a",
            index % 5 === 0 ? null : index,
            index % 7 === 0 ? null : index,
            ["r", "w", "rw", "m", "rwm", "wm"][index % 6]!
          ))
        for (const rules of [[], [rule(true, "a", null, null, "rwm")], [rule(true, "c", 4095, 1048575, "")], long]) {
          const fd = yield* sys.bpf_prog_load({ instructions: compileDeviceFilter(rules), license: "GPL" })
          yield* sys.close({ fd })
        }
      }))
  })
})

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
