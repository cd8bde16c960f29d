import { assert, describe, it } from "@effect/vitest"
import { MOUNT_ATTR, MS } from "../../../src/native/constants.ts"
import { attributesOf, changeOf, propagationOf, superblockOptionsOf } from "../../../src/steps/rootfs/attributes.ts"

describe("attributes", () => {
  it("translates mount flags", () => {
    const cases = [
      [0, 0],
      [MS.RDONLY | MS.NOSUID, MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID],
      [MS.NODEV | MS.NOEXEC, MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC],
      [MS.NODIRATIME | MS.NOSYMFOLLOW, MOUNT_ATTR.NODIRATIME | MOUNT_ATTR.NOSYMFOLLOW],
      [MS.RELATIME, 0],
      [MS.NOATIME, MOUNT_ATTR.NOATIME],
      [MS.STRICTATIME, MOUNT_ATTR.STRICTATIME],
      [MS.STRICTATIME | MS.NOATIME, MOUNT_ATTR.STRICTATIME],
      [MS.BIND | MS.REC | MS.SYNCHRONOUS, 0]
    ] as const
    for (const [flags, attributes] of cases) assert.strictEqual(attributesOf(flags), attributes)
  })

  it("changes only what the options name", () => {
    assert.deepStrictEqual(changeOf(MS.BIND | MS.REC, 0), { set: 0, clear: 0 })
    assert.deepStrictEqual(changeOf(MS.RDONLY, MS.NOSUID), { set: MOUNT_ATTR.RDONLY, clear: MOUNT_ATTR.NOSUID })
    // set wins over clear: the kernel refuses both at once
    assert.deepStrictEqual(changeOf(MS.RDONLY, MS.RDONLY), { set: MOUNT_ATTR.RDONLY, clear: 0 })
  })

  it("clears the whole atime mode whenever it is set", () => {
    assert.deepStrictEqual(changeOf(MS.NOATIME, 0), { set: MOUNT_ATTR.NOATIME, clear: MOUNT_ATTR._ATIME })
    assert.deepStrictEqual(changeOf(MS.RELATIME, 0), { set: 0, clear: MOUNT_ATTR._ATIME })
    assert.deepStrictEqual(changeOf(0, MS.NOATIME), { set: 0, clear: MOUNT_ATTR._ATIME })
  })

  it("names the superblock's options", () => {
    assert.deepStrictEqual(superblockOptionsOf(MS.RDONLY | MS.SYNCHRONOUS | MS.LAZYTIME), ["sync", "lazytime"])
  })

  it("splits propagation", () => {
    assert.deepStrictEqual(propagationOf(MS.SLAVE | MS.REC), { type: MS.SLAVE, recursive: true })
    assert.deepStrictEqual(propagationOf(MS.UNBINDABLE), { type: MS.UNBINDABLE, recursive: false })
  })
})
