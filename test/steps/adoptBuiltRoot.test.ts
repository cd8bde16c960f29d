import { assert, describe, it } from "@effect/vitest"
import { MAGIC, RESOLVE, S } from "../../src/native/constants.ts"
import { adoptBuiltRoot } from "../../src/steps/adoptBuiltRoot.ts"
import { InRoot } from "../../src/steps/rootfs/facts.ts"
import { mount } from "../support/contained.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const mounts = [mount("proc", "/proc"), mount("tmpfs", "/x"), mount("sysfs", "/sys"), mount("proc", "/mnt/proc")]
const given = and(withInit({ container: { mounts } }), InRoot, { fd: 9 })

/** The mounts as the side-car has made them, except that some calls answer otherwise, by path. */
const finds = (answers: Readonly<Record<string, unknown>> = {}) => {
  const paths: Array<string> = []
  const at = (fd: number) => paths[fd - 20]!
  return (call: Parameters<NonNullable<Parameters<typeof succeed>[2]>>[0]): unknown => {
    if (call._tag === "openat2") {
      assert.isTrue((call.resolve & RESOLVE.NO_SYMLINKS) !== 0)
      if (typeof answers[call.path] === "string") return answers[call.path]
      return 19 + paths.push(call.path)
    }
    if (call._tag === "statx") {
      return answers[at(call.dirfd)] ?? { mode: S.IFDIR, mountRoot: true, mountId: BigInt(call.dirfd) }
    }
    if (call._tag !== "fstatfs") return undefined
    return { type: at(call.fd).endsWith("proc") ? MAGIC.PROC_SUPER_MAGIC : MAGIC.SYSFS_MAGIC, flags: 0 }
  }
}

describe("adoptBuiltRoot", () => {
  it("takes handles of the mounts that are relied on", () => {
    const { value } = succeed(adoptBuiltRoot, given, finds())
    assert.deepStrictEqual(value, {
      kept: [
        { destination: "/proc", fd: 20, fresh: true },
        { destination: "/sys", fd: 21, fresh: true },
        { destination: "/mnt/proc", fd: 22, fresh: true }
      ]
    })
  })

  it("takes nothing else for a mount, and no mount for another", () => {
    const wrong = (answers: Readonly<Record<string, unknown>>) => {
      const { message, tag } = fail(adoptBuiltRoot, given, finds(answers))
      assert.strictEqual(tag, "RootChangedError")
      return message
    }
    assert.match(wrong({ "/proc": "ENOENT" }), /^\/proc is not there any more/)
    assert.match(wrong({ "/sys": "ELOOP" }), /^\/sys has become a link/)
    assert.match(wrong({ "/proc": { mountRoot: false, mountId: 1n } }), /^\/proc is not the mount/)
    assert.match(
      wrong({ "/mnt/proc": { mountRoot: true, mountId: 20n } }),
      /^\/mnt\/proc is the mount .* another place/
    )
    const magic = fail(adoptBuiltRoot, given, (call) => call._tag === "fstatfs" ? { type: 1, flags: 0 } : finds()(call))
    assert.match(magic.message, /^\/proc is not the mount/)
  })
})
