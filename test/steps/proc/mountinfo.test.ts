import { assert, describe, it } from "@effect/vitest"
import { parseMountInfo } from "../../../src/steps/proc/mountinfo.ts"

const info = String.raw`22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 254:0 /a\040b /mnt/with\040space\134 ro - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
describe("mountinfo", () => {
  it("parses lines with and without optional fields, and escapes", () => {
    const mounts = parseMountInfo(info)
    assert.strictEqual(mounts.length, 7)
    assert.deepStrictEqual(mounts[1], {
      id: "27",
      parent: "1",
      root: "/",
      mountpoint: "/",
      type: "ext4",
      options: ["rw", "discard"]
    })
    assert.deepInclude(mounts[2], { root: "/a b", mountpoint: "/mnt/with space\\" })
  })

  it("parts fields by blanks alone, for the kernel escapes no other character that looks like one", () => {
    for (const name of ["\u00a0", "\u3000", "\u2028", "\r", "\v", "\f", "ä"]) {
      const line = `1 2 0:1 /r${name} /m${name}x rw shared:1 - nfs host${name}:/x rw,a=${name}`
      assert.deepStrictEqual(
        parseMountInfo(`${line}\n${line}\n`),
        Array.from({ length: 2 }, () => ({
          id: "1",
          parent: "2",
          root: `/r${name}`,
          mountpoint: `/m${name}x`,
          type: "nfs",
          options: ["rw", `a=${name}`]
        }))
      )
    }
    // a source that is empty, and an option with a blank that its file system does not escape
    assert.deepInclude(parseMountInfo("1 2 0:1 / /x rw - tmpfs  rw")[0], { type: "tmpfs", options: ["rw"] })
    assert.deepInclude(parseMountInfo("1 2 0:1 / /x rw - fuse x rw,a=b c")[0], {
      type: "fuse",
      options: ["rw", "a=b c"]
    })
  })

  it("leaves out what is no line of its form", () => {
    for (const text of ["", "\n", "1 2 3", "1 2 0:1 / /x rw", "- - - - - - -"]) {
      assert.deepStrictEqual(parseMountInfo(text), [])
    }
  })
})
