import { assert, describe, it } from "@effect/vitest"
import type { Container } from "../../src/config/Container.ts"
import { S, ST } from "../../src/native/constants.ts"
import type { Stat } from "../../src/native/results.ts"
import { standard } from "../../src/pipelines/standard.ts"
import { userns } from "../../src/pipelines/userns.ts"
import { InRoot, PathsCovered } from "../../src/steps/rootfs/facts.ts"
import { verifyMounts } from "../../src/steps/verifyMounts.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

/** The descriptor of what covers masked directories, and what it is. */
const [cover, covering] = [7, { dev: { major: 0, minor: 77 } } as Stat]
const kept = [{ destination: "/proc", fd: 8, fresh: true }]
const given = (container: Partial<Container>) =>
  and(and(withInit({ container }), InRoot, { fd: 9 }), PathsCovered, { kept, cover })

const mountRoot = {
  mode: S.IFDIR | 0o555,
  mountId: 5n,
  mountRoot: true,
  dev: { major: 0, minor: 40 },
  rdev: { major: 0, minor: 0 }
}

/** Everything is there and as it was made, except that some calls answer otherwise; by path, or by descriptor. */
const finds = (answers: Readonly<Record<string, unknown>> = {}) => {
  const paths = new Map<number, string>()
  return (call: Parameters<NonNullable<Parameters<typeof succeed>[2]>>[0]): unknown => {
    if (call._tag === "openat2") {
      const { path } = call
      if (typeof answers[path] === "string") return answers[path]
      paths.set(20 + paths.size, path)
      return 19 + paths.size
    }
    if (call._tag === "statx") {
      return answers[paths.get(call.dirfd) ?? call.dirfd] ?? (call.dirfd === cover ? covering : mountRoot)
    }
    if (call._tag === "fstatfs") return answers[paths.get(call.fd) ?? ""] ?? { type: 0, flags: ST.RDONLY }
    return undefined
  }
}

describe("verifyMounts", () => {
  it("closes all handles if everything is as it was made", () => {
    const { trace } = succeed(verifyMounts, given({}), finds())
    assert.deepStrictEqual(trace.slice(-2), ["close(8)", "close(7)"])
  })

  it("takes nothing else, and no absence, for a mount", () => {
    for (
      const [found, message] of [
        ["ENOENT", /^\/proc is not there any more: another process changed/],
        ["ELOOP", /^\/proc has become a link: /],
        [{ ...mountRoot, mountId: 6n }, /^\/proc is not the mount that was made for it: /],
        [{ ...mountRoot, mountRoot: false }, /^\/proc is not the mount that was made for it: /]
      ] as const
    ) {
      const failed = fail(verifyMounts, given({}), finds({ "/proc": found }))
      assert.strictEqual(failed.tag, "RootChangedError")
      assert.match(failed.message, message)
      assert.match(failed.advice ?? "", /no other process/)
    }
    // another errno is the kernel's own
    assert.match(fail(verifyMounts, given({}), finds({ "/proc": "EIO" })).message, /^verify \/proc: openat2\(.*EIO/)
  })

  it("finds what is not masked or not read-only any more; a path that is not there is neither", () => {
    const asked = { maskedPaths: ["/proc/keys", "/proc/acpi"], readonlyPaths: ["/proc/sys"] }
    const dev = { ...mountRoot, mountRoot: false, dev: covering.dev }
    const node = { ...mountRoot, mode: S.IFCHR | 0o666, rdev: { major: 1, minor: 3 } }
    const right = { "/proc/keys": node, "/proc/acpi": dev }
    succeed(verifyMounts, given(asked), finds(right))
    succeed(verifyMounts, given(asked), finds({ ...right, "/proc/sys": "ENOENT", "/proc/keys": "ENOTDIR" }))
    const wrong = (change: Readonly<Record<string, unknown>>) =>
      fail(verifyMounts, given(asked), finds({ ...right, ...change })).message
    assert.match(wrong({ "/proc/keys": { ...node, mode: S.IFREG | 0o400 } }), /^\/proc\/keys is not masked, /)
    assert.match(wrong({ "/proc/keys": { ...node, rdev: { major: 1, minor: 5 } } }), /^\/proc\/keys is not masked, /)
    assert.match(wrong({ "/proc/acpi": { ...dev, dev: { major: 0, minor: 78 } } }), /^\/proc\/acpi is not masked, /)
    assert.match(wrong({ "/proc/acpi": { ...dev, mode: S.IFREG } }), /^\/proc\/acpi is not masked, /)
    assert.match(wrong({ "/proc/sys": { type: 0, flags: 0 } }), /^\/proc\/sys is not read-only, /)
  })

  it("asks for nothing that a mask hides", () => {
    const dev = { ...mountRoot, mountRoot: true, mountId: 9n, dev: covering.dev }
    const asked = { maskedPaths: ["/proc"], readonlyPaths: ["/proc/sys"] }
    succeed(verifyMounts, given(asked), finds({ "/proc": dev, "/proc/sys": { type: 0, flags: 0 } }))
  })

  it("comes before the limits of the program, which may leave no room for another descriptor", () => {
    for (const { steps } of [standard, userns]) {
      const names = steps.map(({ name }) => name)
      assert.isBelow(names.indexOf("maskPaths"), names.indexOf("verifyMounts"))
      assert.isBelow(names.indexOf("verifyMounts"), names.indexOf("setupRlimits"))
    }
  })
})
