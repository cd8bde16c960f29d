/** Seccomp filters. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Seccomp } from "../../../src/config/Container.ts"
import * as c from "../../../src/native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../../src/native/Kernel.ts"
import { syscallNumbers } from "../../../src/native/syscallTables.ts"
import { Init } from "../../../src/steps/init/Init.ts"
import { loadSeccompBeforeUser } from "../../../src/steps/loadSeccompBeforeUser.ts"
import { inChild } from "../../support/child.ts"
import { init } from "../../support/steps.ts"
import {
  AT_FDCWD,
  below,
  execute,
  filterOf,
  live,
  machine,
  noNewPrivileges,
  outcome,
  refusing,
  script,
  seccomp
} from "./setup.ts"

const mkdir = (name: string) => outcome(sys.mkdirat({ dirfd: AT_FDCWD, path: below(name), mode: 0o755 }))

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
