import { assert, describe, it } from "@effect/vitest"
import { hierarchiesOf, parseCgroups, parseMountInfo } from "../../../src/steps/rootfs/mountinfo.ts"

const info = String.raw`22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 254:0 /a\040b /mnt/with\040space\134 ro - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
const cgroups = `9:name=systemd:/init
4:memory:/docker/1/inner
3:freezer:/
2:cpu,cpuacct:/a:b
0::/unified/path
`

describe("mountinfo", () => {
  it("parses lines with and without optional fields, and escapes", () => {
    const mounts = parseMountInfo(info)
    assert.strictEqual(mounts.length, 7)
    assert.deepStrictEqual(mounts[1], {
      id: 27,
      parent: 1,
      root: "/",
      mountpoint: "/",
      type: "ext4",
      options: ["rw", "discard"]
    })
    assert.deepInclude(mounts[2], { root: "/a b", mountpoint: "/mnt/with space\\" })
  })

  it("leaves out what is no line of its form", () => {
    for (const text of ["", "\n", "1 2 3", "1 2 0:1 / /x rw", "- - - - - - -"]) {
      assert.deepStrictEqual(parseMountInfo(text), [])
    }
  })

  it("parses the places of a process", () => {
    assert.deepStrictEqual(parseCgroups(cgroups), [
      { controllers: ["name=systemd"], path: "/init" },
      { controllers: ["memory"], path: "/docker/1/inner" },
      { controllers: ["freezer"], path: "/" },
      { controllers: ["cpu", "cpuacct"], path: "/a:b" },
      { controllers: [], path: "/unified/path" }
    ])
  })

  it("finds the hierarchies that are mounted, and the own cgroup in each", () => {
    const { v1, v2 } = hierarchiesOf(parseMountInfo(info), parseCgroups(cgroups))
    assert.deepStrictEqual(v1.map(({ name, own }) => [name, own]), [
      ["systemd", "/sys/fs/cgroup/systemd/init"],
      // the mount shows a part of the hierarchy only
      ["memory", "/sys/fs/cgroup/memory/inner"],
      ["cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a:b"]
    ])
    assert.deepStrictEqual(v2, {
      mountpoint: "/sys/fs/cgroup/unified",
      own: "/sys/fs/cgroup/unified/unified/path"
    })
  })

  it("finds nothing where nothing is mounted", () => {
    assert.deepStrictEqual(hierarchiesOf([], parseCgroups(cgroups)), { v1: [], v2: undefined })
  })
})
