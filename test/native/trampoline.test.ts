import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { execFileSync, spawnSync, type SpawnSyncReturns } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll } from "vitest"
import { assemble, branch, load, ret } from "../../src/native/bpf.ts"
import type { Architecture } from "../../src/native/elf.ts"
import { SyscallError } from "../../src/native/Kernel.ts"
import { syscallNumbers } from "../../src/native/syscallTables.ts"
import {
  execThroughTrampoline,
  failureOf,
  listenerMark,
  type Options,
  trampoline
} from "../../src/native/trampoline.ts"
import { scripted } from "../support/scripted.ts"

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-trampoline-"))
})
afterAll(() => fs.rmSync(directory, { recursive: true }))

const executable = (name: string, data: string | Uint8Array, mode = 0o755): string => {
  const file = path.join(directory, name)
  fs.writeFileSync(file, data, { mode })
  return file
}

/** Runs a trampoline as a plain file, with the channel at descriptor 3. */
const run = (
  machine: Architecture,
  emulator: ReadonlyArray<string>,
  options: Omit<Options, "channel"> & {
    readonly argv: ReadonlyArray<string>
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string>>
  }
): SpawnSyncReturns<string> => {
  const file = executable("trampoline", trampoline(machine, { ...options, channel: 3 }))
  const [command, ...args] = [...emulator, file, ...options.argv.slice(1)]
  return spawnSync(command!, args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    encoding: "latin1",
    env: { ANSWER: "42", EMPTY: "", ...options.env },
    ...(emulator.length > 0 ? {} : { argv0: options.argv[0]! }),
    cwd: options.cwd ?? directory
  })
}
const record = (result: SpawnSyncReturns<string>): string | undefined =>
  failureOf(Buffer.from(result.output[3] ?? "", "latin1"))

const qemu = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].find((file) => fs.existsSync(file))
const machines: ReadonlyArray<{ machine: Architecture; emulator: ReadonlyArray<string>; missing: string | undefined }> =
  [
    { machine: "x64", emulator: [], missing: process.arch === "x64" ? undefined : "this machine is no x86-64" },
    process.arch === "arm64"
      ? { machine: "arm64", emulator: [], missing: undefined }
      : {
        machine: "arm64",
        emulator: [qemu ?? ""],
        missing: qemu === undefined ? "no qemu-aarch64 here (Debian: qemu-user-static)" : undefined
      }
  ]

for (const { emulator, machine, missing } of machines) {
  describe.skipIf(missing !== undefined)(
    `the trampoline of ${machine}${missing === undefined ? "" : ` (skipped: ${missing})`}`,
    () => {
      it("passes arguments and environment on, and closes the channel", () => {
        const script = executable(
          "show",
          "#!/bin/sh\nprintf '<%s>' \"$0\" \"$@\" \"$ANSWER\" \"${EMPTY-unset}\"\nls /proc/$$/fd\n"
        )
        const result = run(machine, emulator, { path: script, argv: ["show", "a b", "", "ü"] })
        assert.strictEqual(result.stderr, "")
        const [shown, ...fds] = Buffer.from(result.stdout, "latin1").toString().split("\n")
        assert.strictEqual(shown, `<${script}><a b><><ü><42><>0`)
        assert.notInclude(fds, "3")
        assert.strictEqual(result.output[3], "")
        assert.strictEqual(result.status, 0)
      })

      it("takes a relative path, and no arguments at all", () => {
        executable("seven", "#!/bin/sh\nexit 7\n")
        assert.strictEqual(run(machine, emulator, { path: "./seven", argv: ["x"] }).status, 7)
      })

      it("reports why the program could not be executed", () => {
        const cases = [
          ["/nonexistent", "ENOENT", 127],
          [executable("data", "neither binary nor script\n"), "ENOEXEC", 126],
          [executable("plain", "#!/bin/sh\n", 0o644), "EACCES", 126],
          [executable("interpreted", "#!/nonexistent\n"), "ENOENT", 127],
          ["/dev/null/x", "ENOTDIR", 126]
        ] as const
        for (const [path, errno, status] of cases) {
          const result = run(machine, emulator, { path, argv: [path] })
          assert.strictEqual(record(result), errno, path)
          assert.strictEqual(result.status, status, path)
        }
      })

      it.skipIf(emulator.length > 0)("says on standard error that it is the interpreter of its program", () => {
        const own = executable("own", `#!${path.join(directory, "trampoline")}\n`)
        for (const kind of [{ filter: { flags: 0, program: new Uint8Array() } }, { reaper: true }]) {
          const misled = run(machine, emulator, { path: own, argv: ["own"], ...kind })
          assert.deepStrictEqual([misled.status, misled.output[3]], [126, ""], JSON.stringify(kind))
          assert.match(misled.stderr, /^runfx: the program's interpreter leads to \/proc\/self\/exe.*\n$/)
        }
        // the smallest has no text
        const silent = run(machine, emulator, { path: own, argv: ["own"] })
        assert.deepStrictEqual([silent.status, silent.stderr], [126, ""])
      })

      it("tells its child by LISTEN_PID which number that has, if the variable asks for it", () => {
        const told = executable("listens", "#!/bin/sh\necho \"$LISTEN_PID $$ $OTHER\"\n")
        const listened = (LISTEN_PID: string) => {
          const env = { LISTEN_PID, OTHER: `LISTEN_PID=${listenerMark}` }
          return run(machine, emulator, { path: told, argv: ["x"], reaper: true, env }).stdout.trim().split(" ")
        }
        const [number, own, other] = listened(listenerMark)
        assert.strictEqual(number, own)
        assert.strictEqual(other, `LISTEN_PID=${listenerMark}`)
        for (const kept of ["1", listenerMark.slice(1), `${listenerMark}#`]) assert.strictEqual(listened(kept)[0], kept)
      })

      it("stays before the program as its parent, and ends as it does", () => {
        const reaper = true
        const seven = executable("seven", "#!/bin/sh\nexit 7\n")
        assert.strictEqual(run(machine, emulator, { path: seven, argv: ["x"], reaper }).status, 7)
        const killed = executable("killed", "#!/bin/sh\nkill -TERM $$\n")
        assert.strictEqual(run(machine, emulator, { path: killed, argv: ["x"], reaper }).status, 128 + 15)
        // what it leaves behind does not hold the end up: no descriptor is the parent's
        // it closes them while the program starts; an emulator keeps its own
        const closed = emulator.length > 0
          ? ""
          : "n=0; while [ -n \"$(ls /proc/$PPID/fd)\" ] && [ $n -lt 6000 ]; do n=$((n + 1)); sleep 0.01; done\n"
        const script = `#!/bin/sh\nprintf '<%s>' "$@" "$ANSWER"\n${closed}ls /proc/$PPID/fd | wc -l\n`
        const shown = run(machine, emulator, { path: executable("told", script), argv: ["x", "a b"], reaper })
        assert.match(shown.stdout, /^<a b><42>\d+\n$/)
        if (emulator.length === 0) assert.strictEqual(shown.stdout, "<a b><42>0\n")
        const none = run(machine, emulator, { path: "/nonexistent", argv: ["x"], reaper })
        assert.deepStrictEqual([record(none), none.status], ["ENOENT", 127])
      })

      it("lies in one segment, readable and executable, with a stack that is not executable", () => {
        const file = executable("image", trampoline(machine, { path: "/bin/true", channel: 3 }))
        const headers = execFileSync("readelf", ["-lW", file], { encoding: "utf8" })
        assert.match(headers, /^ +LOAD .* R E 0x10*$/m)
        assert.match(headers, /^ +GNU_STACK .* RW +0x10$/m)
        assert.isBelow(fs.statSync(file).size, 512)
      })
    }
  )
}

// without root, a filter takes no_new_privs, which only a whole start sets
describe.skipIf(process.arch !== "x64" || process.getuid?.() !== 0)("a filter in the trampoline", () => {
  const nr = (name: string): number => syscallNumbers("X86_64").get(name)!
  const refusing = (...names: ReadonlyArray<string>) =>
    assemble(load(0, names.reduceRight((rest, name) => branch("==", nr(name), ret(0x00050001), rest), ret(0x7fff0000))))

  it("holds for the program, and may refuse what only the trampoline needs", () => {
    const script = executable("mkdir", "#!/bin/sh\nmkdir made && echo made\n")
    const program = refusing("mkdir", "execveat", "fcntl")
    const options = { path: script, argv: ["x"] }
    // setting a filter takes no_new_privs or CAP_SYS_ADMIN
    assert.include(run("x64", [], { ...options, filter: { flags: 0, program } }).stderr, "Operation not permitted")
    assert.strictEqual(run("x64", [], options).stdout, "made\n")
  })

  it("reports that the filter is refused", () => {
    const result = run("x64", [], { path: "/bin/true", argv: ["x"], filter: { flags: 0, program: new Uint8Array(8) } })
    assert.strictEqual(record(result), "EINVAL")
    assert.strictEqual(result.status, 126)
  })
})

describe("failureOf", () => {
  it("reads the record, and nothing else", () => {
    assert.strictEqual(failureOf(Uint8Array.of(0x45, 13, 0, 0, 0)), "EACCES")
    assert.isUndefined(failureOf(Uint8Array.of(0x46, 13, 0, 0, 0)))
    assert.isUndefined(failureOf(Uint8Array.of(0x45, 13, 0, 0)))
    assert.isUndefined(failureOf(Uint8Array.of(0x45, 0, 0, 1, 0)))
  })
})

describe("execThroughTrampoline", () => {
  const options = { path: "/bin/true", argv: ["true"], envp: ["A=1"], channel: 9 }

  it("seals a memfd before it executes it", () => {
    const kernel = scripted(({ _tag }) => ({ memfd_create: 5, write: 999, execveat: "EACCES" }[_tag as string]))
    const exit = Effect.runSyncExit(Effect.provide(execThroughTrampoline(options), kernel.layer))
    assert.isTrue(Exit.isFailure(exit))
    assert.deepStrictEqual(kernel.trace().map((line) => line.replace(/<\d+ bytes>/, "<image>")), [
      "memfd_create(\"runfx-exec\", MFD_ALLOW_SEALING|MFD_CLOEXEC|0x10)",
      "write(5, <image>)",
      "fchmod(5, 0111)",
      "fcntl(5, F_ADD_SEALS, 15)",
      "fcntl(9, F_SETFD, 0)",
      // the variables by their number: their values may be secrets
      "execveat(5, \"\", [\"true\"], /* 1 variable */, AT_EMPTY_PATH)"
    ])
  })

  it("does without MFD_EXEC on a kernel that does not know it, and no other failure is passed over", () => {
    const old = scripted((call) =>
      call._tag === "memfd_create" && (call.flags & 0x10) !== 0
        ? "EINVAL"
        : { memfd_create: 5, write: 999, execveat: "EACCES" }[call._tag as string]
    )
    Effect.runSyncExit(Effect.provide(execThroughTrampoline(options), old.layer))
    assert.strictEqual(old.trace()[1], "memfd_create(\"runfx-exec\", MFD_ALLOW_SEALING|MFD_CLOEXEC)")
    assert.strictEqual(old.trace().at(-1)?.slice(0, 8), "execveat")
    const forbidden = scripted(() => "EACCES")
    const error = Effect.runSync(Effect.flip(Effect.provide(execThroughTrampoline(options), forbidden.layer)))
    assert.instanceOf(error, SyscallError)
    assert.strictEqual(error.code, "EACCES")
    assert.lengthOf(forbidden.calls, 1)
  })

  it("writes all of the image, however little a write takes", () => {
    const kernel = scripted(({ _tag }) => ({ memfd_create: 5, write: 100, execveat: "EACCES" }[_tag as string]))
    Effect.runSyncExit(Effect.provide(execThroughTrampoline(options), kernel.layer))
    const sizes = kernel.calls.flatMap((call) => call._tag === "write" ? [call.data.length] : [])
    assert.isAbove(sizes.length, 1)
    assert.isAtMost(sizes.at(-1)!, 100)
    for (const [index, size] of sizes.slice(1).entries()) assert.strictEqual(size, sizes[index]! - 100)
  })
})
