/** What the calls of a process show of its descriptors, also in its errors. */
import { assert, describe, it } from "@effect/vitest"
import { AT, O, OPEN_TREE } from "../../../src/native/constants.ts"
import type { Call } from "../../../src/native/Kernel.ts"
import { OpenFiles } from "../../../src/native/linux/rpc/OpenFiles.ts"

const openat = (dirfd: number, path: string): Call => ({ _tag: "openat", dirfd, path, flags: O.PATH, mode: 0 })
const openat2 = (dirfd: number, path: string): Call => ({ ...openat(dirfd, path), _tag: "openat2", resolve: 0 }) as Call
const dirfdOf = (files: OpenFiles, dirfd: number) => files.placesOf(openat(dirfd, "x"))?.["dirfd"]

describe("the descriptors of a process", () => {
  it("stand for what the calls say that have returned them, whatever became of the descriptors in these", () => {
    const files = new OpenFiles()
    files.made(openat(AT.FDCWD, "/root"), 3)
    files.made(openat2(3, "a/b"), 4)
    files.made({ _tag: "close", fd: 3 }, undefined)
    files.made({ _tag: "fsopen", type: "tmpfs", flags: 0 }, 3)
    files.made({ _tag: "fsmount", fd: 3, flags: 0, attributes: 0 }, 5)
    files.made({ _tag: "open_tree", dirfd: 4, path: "", flags: OPEN_TREE.CLONE | AT.EMPTY_PATH }, 6)
    files.made({ _tag: "dup3", oldfd: 4, newfd: 20, flags: O.CLOEXEC }, 20)
    assert.deepStrictEqual([3, 4, 5, 6, 20].map((fd) => dirfdOf(files, fd)), [
      "new tmpfs",
      "/root/a/b",
      "mount of new tmpfs",
      "mount of /root/a/b",
      "/root/a/b"
    ])
    // another descriptor has the number now
    files.made({ _tag: "close", fd: 4 }, undefined)
    files.made(openat(AT.FDCWD, "/other"), 4)
    assert.strictEqual(dirfdOf(files, 4), "/other")
    assert.strictEqual(dirfdOf(files, 6), "mount of /root/a/b")
  })

  it("are not named if no call tells what they are", () => {
    const files = new OpenFiles([0, 1, 2, 7])
    // the numbers below were taken by others
    files.made(openat(7, "x"), 9)
    assert.deepStrictEqual([1, 3, 7, 8, 30].map((fd) => dirfdOf(files, fd)), Array(5).fill(undefined))
    assert.strictEqual(dirfdOf(files, 9), "descriptor 7/x")
    assert.isUndefined(files.placesOf(openat(AT.FDCWD, "/x")))
  })

  it("are a copy's own", () => {
    const files = new OpenFiles()
    files.made(openat(AT.FDCWD, "/one"), 3)
    const copy = files.copy()
    files.made({ _tag: "close", fd: 3 }, undefined)
    files.made(openat(AT.FDCWD, "/two"), 3)
    assert.deepStrictEqual([files, copy].map((one) => dirfdOf(one, 3)), ["/two", "/one"])
  })
})
