import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { S } from "../../src/native/constants.ts"
import * as Files from "../../src/native/Files.ts"
import type { Call, Kernel, SyscallError } from "../../src/native/Kernel.ts"
import type { Stat } from "../../src/native/results.ts"
import { scripted } from "../support/scripted.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Kernel>, answer?: (call: Call) => unknown) => {
  const { layer, trace } = scripted(answer)
  const exit = Effect.runSyncExit(Effect.provide(effect, layer))
  return { exit, trace: trace() }
}
const codeOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isSuccess(exit) ? "no error" : (Cause.squash(exit.cause) as SyscallError).code

const flags = "O_PATH|O_CLOEXEC|O_DIRECTORY"
const open = (path: string) => `openat2(9, "${path}", ${flags}, 00, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)`

const look = (fd: number) => `statx(${fd}, "", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)`

/** A kernel with some paths below descriptor 9, which descriptors 20 and up are of. */
const withPaths = (
  present: ReadonlyArray<string>,
  links: Readonly<Record<string, string>> = {},
  found: Partial<Stat> = { mode: S.IFDIR | 0o700 }
) => {
  const paths = new Set(["/", ...present])
  const opened: Array<string> = []
  const full = (dirfd: number, path: string) => dirfd === 9 ? path : Files.clean(`${opened[dirfd - 20]}/${path}`)
  return (call: Call): unknown => {
    if (call._tag === "openat2") {
      const path = full(call.dirfd, call.path)
      return paths.has(path) ? 19 + opened.push(path) : "ENOENT"
    }
    if (call._tag === "mkdirat" || call._tag === "mknodat") {
      const path = full(call.dirfd, call.path)
      if (path in links) return "EEXIST"
      paths.add(path)
      return undefined
    }
    if (call._tag === "statx") return found
    return call._tag === "readlinkat" ? links[full(call.dirfd, call.path)] : undefined
  }
}

describe("Files", () => {
  it("cleans paths lexically", () => {
    const cases = [
      ["/", "/"],
      ["", "/"],
      ["a", "/a"],
      ["/a/./b//../c/", "/a/c"],
      ["/../../a", "/a"],
      ["/a/...", "/a/..."]
    ] as const
    for (const [path, clean] of cases) assert.strictEqual(Files.clean(path), clean)
  })

  it("splits paths", () => {
    assert.deepStrictEqual(Files.split("/a/b"), { directory: "/a", name: "b" })
    assert.deepStrictEqual(Files.split("/a"), { directory: "/", name: "a" })
    assert.deepStrictEqual(Files.split("/"), { directory: "/", name: "" })
  })

  it("opens what is there with one call", () => {
    const { trace } = run(Files.makeDirectories(9, "/a/b"), withPaths(["/a", "/a/b"]))
    assert.deepStrictEqual(trace, [open("/a/b")])
  })

  it("makes what is missing on handles, without following links", () => {
    const { exit, trace } = run(
      Files.makeDirectories(9, "/a/b", { mode: 0o700, owner: { uid: 1, gid: 2 } }),
      withPaths([])
    )
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepStrictEqual(trace, [
      open("/a/b"),
      open("/a"),
      open("/"),
      "mkdirat(20, \"a\", 0700)",
      "openat2(20, \"a\", O_PATH|O_CLOEXEC|O_NOFOLLOW|O_DIRECTORY, 00, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS)",
      look(21),
      "fchownat(21, \"\", 1, 2, AT_EMPTY_PATH)",
      "close(20)",
      "mkdirat(21, \"b\", 0700)",
      "openat2(21, \"b\", O_PATH|O_CLOEXEC|O_NOFOLLOW|O_DIRECTORY, 00, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS)",
      look(22),
      "fchownat(22, \"\", 1, 2, AT_EMPTY_PATH)",
      "close(21)"
    ])
  })

  it("gives away what it has made, and nothing that another process has put in its place", () => {
    const file = { mode: S.IFREG | 0o755, size: 0n, nlink: 1 }
    const isGiven = (found: Partial<Stat>, make: typeof Files.makeFile = Files.makeFile) =>
      run(make(9, "/x", { owner: { uid: 1, gid: 2 } }), withPaths([], {}, found)).trace
        .some((line) => line.startsWith("fchownat("))
    assert.isTrue(isGiven(file))
    for (const other of [{ size: 9n }, { nlink: 2 }, { mode: S.IFREG | 0o600 }, { mode: S.IFCHR | 0o755 }]) {
      assert.isFalse(isGiven({ ...file, ...other }))
    }
    assert.isTrue(isGiven({ mode: S.IFDIR | 0o755 }, Files.makeDirectories))
    assert.isFalse(isGiven({ mode: S.IFDIR | 0o700 }, Files.makeDirectories))
  })

  it("makes the target of a dangling link, below the root", () => {
    const absolute = run(Files.makeFile(9, "/etc/x"), withPaths(["/etc"], { "/etc/x": "/run/x" }))
    assert.isTrue(Exit.isSuccess(absolute.exit))
    assert.include(absolute.trace, "mknodat(22, \"x\", 0100755, 0, 0)")
    assert.isTrue(absolute.trace.some((line) => line.startsWith("openat2(9, \"/run/x\"")))
    const relative = run(Files.makeFile(9, "/etc/x"), withPaths(["/etc", "/etc/../run"], { "/etc/x": "../run/x" }))
    assert.isTrue(relative.trace.some((line) => line.startsWith("openat2(9, \"/etc/../run/x\"")))
  })

  it("gives up on links that lead in circles", () => {
    const { exit, trace } = run(Files.makeFile(9, "/a"), withPaths([], { "/a": "/a" }))
    assert.strictEqual(codeOf(exit), "ENOENT")
    assert.isBelow(trace.length, 300)
  })

  it("tries again, but not for ever, where the kernel can't prove a look-up safe", () => {
    let refusals = 3
    assert.strictEqual(codeOf(run(Files.resolve(9, "/a"), () => refusals-- > 0 ? "EAGAIN" : 20).exit), "no error")
    const { exit, trace } = run(Files.resolve(9, "/a"), () => "EAGAIN")
    assert.strictEqual(codeOf(exit), "EAGAIN")
    assert.strictEqual(trace.length, 257)
  })

  it("closes what was opened, also when its use fails", () => {
    const failing = run(
      Files.using(Files.resolve(9, "/a"), Files.stat),
      ({ _tag }) => _tag === "openat2" ? 20 : _tag === "statx" ? "EIO" : undefined
    )
    assert.strictEqual(codeOf(failing.exit), "EIO")
    assert.strictEqual(failing.trace.at(-1), "close(20)")
    const kept = run(Files.keeping(Files.resolve(9, "/a"), () => Effect.void), () => 20)
    assert.strictEqual(kept.trace.length, 1)
    const lost = run(
      Files.keeping(Files.resolve(9, "/a"), Files.stat),
      ({ _tag }) => _tag === "openat2" ? 20 : _tag === "statx" ? "EIO" : undefined
    )
    assert.strictEqual(codeOf(lost.exit), "EIO")
    assert.strictEqual(lost.trace.at(-1), "close(20)")
  })

  it("restores the umask", () => {
    const { trace } = run(Files.withoutUmask(Effect.fail("x")), ({ _tag }) => _tag === "umask" ? 0o27 : undefined)
    assert.deepStrictEqual(trace, ["umask(00)", "umask(027)"])
  })

  it("reads and writes in as many pieces as the kernel wants", () => {
    const pieces = [Buffer.from("ab"), Buffer.from("c"), Buffer.alloc(0)]
    const read = run(Files.readAll(3), () => pieces.shift())
    assert.isTrue(Exit.isSuccess(read.exit) && read.exit.value.equals(Buffer.from("abc")))
    const longer = [Buffer.from("abc"), Buffer.from("d"), Buffer.alloc(0)]
    const upTo = (largest: number) => {
      const left = [...longer]
      const { exit, trace } = run(Files.readUpTo(3, largest), () => left.shift())
      return [Exit.isSuccess(exit) ? exit.value?.toString() : exit, trace.length]
    }
    assert.deepStrictEqual([upTo(4), upTo(3), upTo(2)], [["abcd", 3], [undefined, 2], [undefined, 1]])
    const written = run(Files.writeAll(3, Buffer.from("abcde")), () => 2)
    assert.deepStrictEqual(written.trace, ["write(3, \"abcde\")", "write(3, \"cde\")", "write(3, \"e\")"])
  })

  it("reads many short chunks into little memory", () => {
    const text = "abcdefg".repeat(100)
    let at = 0
    const read = run(Files.readUpTo(3, 700), () => Buffer.from(text.slice(at, at += 3)))
    assert.strictEqual(Exit.isSuccess(read.exit) && read.exit.value?.toString(), text)
  })

  it("does not list a directory that never ends", () => {
    const batch = Array.from({ length: 2 ** 15 }, () => ({ name: "0", ino: 1n, type: "l" }))
    let left = 100
    const { exit, trace } = run(Files.entriesOf(3), () => left-- > 0 ? batch : [])
    const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause) as SyscallError
    assert.deepStrictEqual(
      [error?.code, error?.call, error?.detail],
      ["EFBIG", { _tag: "getdents64", fd: 3 }, "the directory has more than 2097152 entries"]
    )
    assert.strictEqual(trace.length, 65)
    left = 64
    assert.isTrue(Exit.isSuccess(run(Files.entriesOf(3), () => left-- > 0 ? batch : []).exit))
  })
})
