import { assert, describe, it } from "@effect/vitest"
import * as mountOptions from "../../src/config/mountOptions.ts"
import { MOUNT_ATTR, MS } from "../../src/native/constants.ts"

describe("mount options", () => {
  it("sorts flags, cleared flags, propagation and the file system's own", () => {
    assert.deepStrictEqual(
      mountOptions.parse([
        "rbind",
        "ro",
        "dev",
        "rslave",
        "rprivate",
        "mode=755",
        "size=1k",
        "",
        "defaults",
        "tmpcopyup",
        "src-nofollow"
      ]),
      {
        flags: MS.BIND | MS.REC | MS.RDONLY,
        clearedFlags: MS.NODEV,
        propagation: [MS.SLAVE | MS.REC, MS.PRIVATE | MS.REC],
        recursiveAttributes: { set: 0, clear: 0 },
        data: ["mode=755", "size=1k"],
        copyUp: true,
        links: ["src-nofollow"],
        idMap: "none"
      }
    )
  })

  it("lets the last of two opposites win", () => {
    assert.deepInclude(mountOptions.parse(["ro", "rw"]), { flags: 0, clearedFlags: MS.RDONLY })
    assert.deepInclude(mountOptions.parse(["rw", "ro"]), { flags: MS.RDONLY, clearedFlags: 0 })
    assert.deepStrictEqual(mountOptions.parse(["rro", "rrw"]).recursiveAttributes, { set: 0, clear: MOUNT_ATTR.RDONLY })
    assert.deepStrictEqual(mountOptions.parse(["rrw", "rro"]).recursiveAttributes, { set: MOUNT_ATTR.RDONLY, clear: 0 })
  })

  it("clears the whole access time field when it sets one of its modes, as the kernel wants it", () => {
    for (
      const [option, set] of [["rnoatime", MOUNT_ATTR.NOATIME], ["rstrictatime", MOUNT_ATTR.STRICTATIME], [
        "rrelatime",
        0
      ]] as const
    ) {
      assert.deepStrictEqual(mountOptions.parse([option]).recursiveAttributes, { set, clear: MOUNT_ATTR._ATIME })
    }
    assert.deepStrictEqual(mountOptions.parse(["rnoatime", "rstrictatime", "rnodiratime"]).recursiveAttributes, {
      set: MOUNT_ATTR.STRICTATIME | MOUNT_ATTR.NODIRATIME,
      clear: MOUNT_ATTR._ATIME
    })
  })

  it("leaves out what is written for other programs, as mount(8) does", () => {
    assert.deepStrictEqual(mountOptions.parse(["x-systemd.automount", "X-mount.mkdir=0755", "xino=on"]).data, [
      "xino=on"
    ])
  })

  it("never hands an option that it knows to the file system", () => {
    assert.isAtLeast(mountOptions.names.length, 60)
    assert.deepStrictEqual(mountOptions.parse(mountOptions.names).data, [])
    assert.strictEqual(mountOptions.parse(["ridmap"]).idMap, "tree")
    assert.deepStrictEqual(mountOptions.parse(["toString", "__proto__"]).data, ["toString", "__proto__"])
  })

  it("has an opposite for each flag that both set and clear name", () => {
    for (
      const [on, off] of [
        ["nosuid", "suid"],
        ["noexec", "exec"],
        ["sync", "async"],
        ["silent", "loud"],
        ["mand", "nomand"],
        ["iversion", "noiversion"],
        ["lazytime", "nolazytime"],
        ["noatime", "atime"],
        ["nodiratime", "diratime"],
        ["relatime", "norelatime"],
        ["strictatime", "nostrictatime"],
        ["nosymfollow", "symfollow"]
      ] as const
    ) {
      const { flags } = mountOptions.parse([on])
      assert.notStrictEqual(flags, 0)
      assert.deepInclude(mountOptions.parse([on, off]), { flags: 0, clearedFlags: flags })
    }
  })
})
