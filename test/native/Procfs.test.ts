import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAGIC } from "../../src/native/constants.ts"
import type { Call, Kernel } from "../../src/native/Kernel.ts"
import * as Procfs from "../../src/native/Procfs.ts"
import { scripted } from "../support/scripted.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Kernel>, answer: (call: Call) => unknown) => {
  const { calls, layer, trace } = scripted(answer)
  const exit = Effect.runSyncExit(Effect.provide(effect, layer))
  const message = Exit.isSuccess(exit) ? "" : (Cause.squash(exit.cause) as Error).message
  return { calls, exit, message, trace: trace() }
}
const called = (calls: ReadonlyArray<Call>, allowed: ReadonlyArray<string>) => {
  for (const { _tag } of calls) assert.include(allowed, _tag)
}
const magic = { type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }

describe("Procfs", () => {
  it("makes a private instance that is attached nowhere", () => {
    const { calls, exit, trace } = run(
      Procfs.openProc,
      ({ _tag }) => _tag === "fsopen" ? 20 : _tag === "fsmount" ? 21 : undefined
    )
    assert.deepStrictEqual(exit, Exit.succeed(21))
    assert.deepStrictEqual(trace, [
      "fsopen(\"proc\", FSOPEN_CLOEXEC)",
      "fsconfig(20, FSCONFIG_CMD_CREATE, NULL, NULL, 0)",
      "fsmount(20, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOSUID)",
      "close(20)"
    ])
    called(calls, Procfs.openProcCalls)
  })

  it("takes /proc where the kernel refuses an instance, if it is a procfs", () => {
    const at = (type: number, ino: bigint) => ({ _tag }: Call) =>
      _tag === "fsopen"
        ? "EPERM"
        : _tag === "open_tree"
        ? "EINVAL"
        : _tag === "openat2"
        ? 22
        : _tag === "fstatfs"
        ? { type, flags: 0 }
        : _tag === "statx"
        ? { ino }
        : undefined
    const real = run(Procfs.openProc, at(MAGIC.PROC_SUPER_MAGIC, 1n))
    assert.deepStrictEqual(real.exit, Exit.succeed(22))
    called(real.calls, Procfs.openProcCalls)
    for (const fake of [at(MAGIC.TMPFS_MAGIC, 1n), at(MAGIC.PROC_SUPER_MAGIC, 7n)]) {
      const { message, trace } = run(Procfs.openProc, fake)
      assert.match(message, /fsopen.*EPERM.*: and what is at \/proc is not a procfs/)
      assert.strictEqual(trace.at(-1), "close(22)")
    }
  })

  it("reads and writes without leaving it", () => {
    const { calls, trace } = run(
      Procfs.writeProc(21, "self/attr/exec", "label"),
      ({ _tag }) => _tag === "openat2" ? 23 : _tag === "fstatfs" ? magic : _tag === "write" ? 5 : undefined
    )
    assert.deepStrictEqual(trace, [
      "openat2(21, \"self/attr/exec\", O_WRONLY|O_CLOEXEC|O_NOCTTY, 00, RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS|RESOLVE_NO_XDEV)",
      "fstatfs(23)",
      "write(23, \"label\")",
      "close(23)"
    ])
    called(calls, Procfs.useProcCalls)
  })

  it("refuses a file that is on another file system", () => {
    const { message, trace } = run(
      Procfs.readProc(21, "self/status"),
      ({ _tag }) => _tag === "openat2" ? 23 : _tag === "fstatfs" ? { ...magic, type: MAGIC.TMPFS_MAGIC } : undefined
    )
    assert.match(message, /EXDEV.*self\/status is not on a procfs/)
    assert.strictEqual(trace.at(-1), "close(23)")
  })

  it("does not read a file that never ends", () => {
    const chunk = Buffer.alloc(65536, "a")
    let left = 2000
    const { calls, message } = run(Procfs.readProc(9, "self/status"), ({ _tag }) =>
      _tag === "openat2"
        ? 20
        : _tag === "fstatfs"
        ? magic
        : _tag === "read"
        ? left-- > 0 ? chunk : Buffer.alloc(0)
        : undefined)
    assert.include(message, "EFBIG")
    assert.include(message, "self/status has more than 67108864 bytes")
    assert.strictEqual(calls.filter(({ _tag }) => _tag === "read").length, 1025)
    assert.deepStrictEqual(calls.at(-1), { _tag: "close", fd: 20 })
  })
})
