/** What is made read-only or covered, on a scripted kernel. */
import { assert, describe, it } from "@effect/vitest"
import { S } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { maskPaths } from "../../src/steps/maskPaths.ts"
import { readonlyPaths } from "../../src/steps/readonlyPaths.ts"
import { remountReadonly } from "../../src/steps/remountReadonly.ts"
import { Mounted, RootSealed } from "../../src/steps/rootfs/facts.ts"
import { directory, given, nullDevice, opens } from "../support/rootfsSteps.ts"
import { and, fail, succeed } from "../support/steps.ts"

describe("the steps of the root file system", () => {
  it("remountReadonly: the postponed mounts, then the root, by handle", () => {
    const set = (fd: number) => `mount_setattr(${fd}, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1)`
    assert.deepStrictEqual(succeed(remountReadonly, given()).trace, [set(8), "close(8)"])
    const readonly = given({ readonlyRootfs: true })
    assert.deepStrictEqual(succeed(remountReadonly, readonly).trace, [set(8), set(9), "close(8)"])
    // what later steps need stays open
    const kept = [{ destination: "/dev", fd: 8, fresh: true }]
    const needed = and(given(), Mounted, { kept, readonlyLater: [{ destination: "/dev", fd: 8 }] })
    assert.deepStrictEqual(succeed(remountReadonly, needed), { value: { kept }, trace: [set(8)] })
    const { message } = fail(remountReadonly, given(), () => "EBUSY")
    assert.match(message, /^make read-only \/dev: mount_setattr/)
  })

  it("readonlyPaths: a clone takes the place of the mounts that it covers; the root becomes read-only itself", () => {
    const kept = [
      { destination: "/sys", fd: 5, fresh: true },
      { destination: "/sys/fs/cgroup", fd: 6, fresh: true },
      { destination: "/proc", fd: 7, fresh: true }
    ]
    const { trace, value } = succeed(
      readonlyPaths,
      and(given({ readonlyPaths: ["/sys", "/proc/sys", "/"] }), RootSealed, { kept }),
      opens()
    )
    assert.deepStrictEqual(value, { kept: [kept[2], { destination: "/sys", fd: 20, fresh: false }] })
    assert.include(trace, "close(5)")
    assert.include(trace, "close(6)")
    assert.strictEqual(trace.at(-1), "mount_setattr(9, \"\", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1)")
  })

  it("readonlyPaths and maskPaths: skip what is not there, name what fails", () => {
    const paths = { readonlyPaths: ["/a"], maskedPaths: ["/a"] }
    for (const step of [readonlyPaths, maskPaths]) {
      assert.strictEqual(succeed(step, given(paths), opens({ openat2: () => "ENOENT" })).trace.length, 1)
      const { message, tag } = fail(step, given(paths), opens({ move_mount: () => "EPERM" }))
      assert.strictEqual(tag, "PathError")
      assert.match(message, /^(make read-only|mask) \/a: move_mount/)
    }
  })

  it("maskPaths: one look at /dev/null and one tmpfs", () => {
    const { trace } = succeed(
      maskPaths,
      given({ maskedPaths: ["/d1", "/d2", "/f1", "/f2"] }),
      (() => {
        const paths = new Map<number, string>()
        let next = 20
        return (call: Call): unknown => {
          if (call._tag === "openat2") {
            paths.set(next, call.path)
            return next++
          }
          if (call._tag === "open_tree" || call._tag === "fsopen" || call._tag === "fsmount") return next++
          if (call._tag !== "statx") return undefined
          const path = paths.get(call.dirfd) ?? ""
          return path === "/dev/null" ? nullDevice : path.startsWith("/d") ? directory : { ...directory, mode: S.IFREG }
        }
      })()
    )
    const count = (start: string) => trace.filter((line) => line.startsWith(start)).length
    assert.strictEqual(count("openat2(9, \"/dev/null\""), 1)
    assert.strictEqual(count("fsopen("), 1)
    assert.strictEqual(count("move_mount("), 4)
    // the tmpfs stays open until the last look at what is masked
    assert.strictEqual(
      count("close("),
      count("openat2(") + count("open_tree(") + count("fsopen(") + count("fsmount(") - 1
    )
  })
})
