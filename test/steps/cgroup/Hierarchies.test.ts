import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { detect, type Hierarchies, hierarchiesOf, parseProcCgroup } from "../../../src/steps/cgroup/Hierarchies.ts"
import { groups, plan } from "../../../src/steps/cgroup/Manager.ts"
import { parseMountInfo } from "../../../src/steps/proc/mountinfo.ts"
import { scripted } from "../../support/scripted.ts"

const find = (mountinfo: string, cgroup: string) =>
  hierarchiesOf(parseMountInfo(mountinfo), parseProcCgroup(cgroup)).map(({ keys, mountpoint, own }) => [
    keys.join(),
    mountpoint,
    own
  ])

describe("hierarchiesOf", () => {
  it("finds v1 hierarchies with their controllers, named ones too, and cgroup2 beside them", () => {
    assert.deepStrictEqual(
      find(
        [
          "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
          "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct",
          "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
          "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate"
        ].join("\n"),
        "5:cpu,cpuacct:/user.slice\n1:name=systemd:/a:b\n0::/x\n"
      ),
      [
        ["cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/user.slice"],
        ["name=systemd", "/sys/fs/cgroup/systemd", "/a:b"],
        ["unified", "/sys/fs/cgroup/unified", "/x"]
      ]
    )
  })

  it("takes a host with cgroup2 at /sys/fs/cgroup for a v2 host, whatever else is mounted somewhere", () => {
    assert.deepStrictEqual(
      find(
        "50 1 0:60 / /opt/net_cls rw - cgroup cgroup rw,net_cls\n41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        "1:net_cls:/\n0::/user.slice"
      ),
      [["unified", "/sys/fs/cgroup", "/user.slice"]]
    )
  })

  it("takes what was mounted last on a point, the usual place before others, and each hierarchy once", () => {
    assert.deepStrictEqual(
      find(
        [
          "30 1 0:29 / /mnt/cpu rw - cgroup cgroup rw,cpu",
          "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
          "33 31 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
          "34 31 0:31 / /sys/fs/cgroup/pids rw - tmpfs tmpfs rw"
        ].join("\n"),
        "2:cpu:/\n3:pids:/"
      ),
      [["cpu", "/sys/fs/cgroup/cpu", "/"]]
    )
  })

  it("finds none that another mount hides", () => {
    const cpu = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
    const below = [
      "1 0 8:1 / / rw - ext4 /dev/vda rw",
      "20 1 0:20 / /sys rw - sysfs sysfs rw",
      "31 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw"
    ]
    const found = [["cpu", "/sys/fs/cgroup/cpu", "/"]]
    const cases = [
      [[...below, cpu], found],
      // on the mount that holds it, above the place where that is
      [[...below, cpu, "50 20 0:50 / /sys/fs rw - tmpfs tmpfs rw"], []],
      // on the very mount that holds it
      [[...below, cpu, "50 31 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw"], []],
      // on a mount further up, by one that holds another tmpfs in its place
      [[...below, cpu, "50 20 0:50 / /sys rw - sysfs sysfs rw", "51 50 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw"], []],
      [[...below, cpu, "50 20 0:50 / /sys/fs/bpf rw - bpf bpf rw"], found]
    ] as const
    for (const [lines, expected] of cases) assert.deepStrictEqual(find(lines.join("\n"), "2:cpu:/"), expected as never)
  })

  it("sees its own group relative to what is mounted: a part of a hierarchy, or the outside of a namespace", () => {
    const mount = (root: string) => `32 31 0:29 ${root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw`
    assert.deepStrictEqual(find(mount("/docker/x"), "0::/docker/x/y"), [["unified", "/sys/fs/cgroup", "/y"]])
    assert.deepStrictEqual(find(mount("/docker/x"), "0::/docker/x"), [["unified", "/sys/fs/cgroup", "/"]])
    assert.deepStrictEqual(find(mount("/docker/x"), "0::/docker/xy"), [["unified", "/sys/fs/cgroup", "/"]])
    assert.deepStrictEqual(find(mount("/"), "0::/../z"), [["unified", "/sys/fs/cgroup", "/"]])
  })

  it("tells where the own group is not below what is mounted", () => {
    const isBelow = (root: string, own: string) =>
      hierarchiesOf(
        parseMountInfo(`41 31 0:38 ${root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw`),
        parseProcCgroup(`0::${own}`)
      )[0]!.isBelow
    for (const [root, own] of [["/", "/"], ["/", "/a"], ["/a", "/a"], ["/a", "/a/b"]] as const) {
      assert.isTrue(isBelow(root, own))
    }
    for (const [root, own] of [["/a", "/"], ["/a", "/ab"], ["/", "/../a"]] as const) assert.isFalse(isBelow(root, own))
  })

  it("reads escaped names", () => {
    assert.deepStrictEqual(parseMountInfo("32 31 0:29 / /a\\040b rw - cgroup cgroup rw,cpu")[0]!.mountpoint, "/a b")
  })

  it("reads nothing into what is no mount table", () => {
    assert.deepStrictEqual(parseMountInfo("\n - \n1 2 3\nx - y\n"), [])
  })
})

describe("plan", () => {
  const v1: Hierarchies = {
    version: "v1",
    hierarchies: [
      { keys: ["cpu", "cpuacct"], mountpoint: "/c/cpu", own: "/", isBelow: true },
      { keys: ["memory"], mountpoint: "/c/memory", own: "/mine", isBelow: true }
    ]
  }
  const v2: Hierarchies = {
    version: "v2",
    hierarchies: [{ keys: ["unified"], mountpoint: "/c", own: "/a/b", isBelow: true }]
  }
  const paths = (hierarchies: Hierarchies, path?: string) =>
    Effect.map(plan(hierarchies, { id: "x", path }), (manager) => groups(manager).map((group) => group.path))

  it.effect("puts a path below the roots, a relative one below the own group", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* paths(v1, "/p//q/"), ["/c/cpu/p/q", "/c/memory/p/q"])
      assert.deepStrictEqual(yield* paths(v1, "p"), ["/c/cpu/p", "/c/memory/mine/p"])
      assert.deepStrictEqual(yield* paths(v1), ["/c/cpu/runfx-x", "/c/memory/mine/runfx-x"])
    }))

  it.effect("goes beside the own group in v2, since that holds processes", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* paths(v2, "/p"), ["/c/p"])
      assert.deepStrictEqual(yield* paths(v2, "p"), ["/c/a/p"])
    }))

  it.effect("refuses to leave the hierarchy, or to be its root", () =>
    Effect.gen(function*() {
      for (const path of ["/", "", ".", "..", "a/../../b", "/..", "a\nb"]) {
        assert.strictEqual((yield* Effect.flip(plan(v2, { id: "x", path })))._tag, "CgroupPathInvalid", path)
      }
    }))

  it("never leaves the hierarchy", () => {
    fc.assert(fc.property(fc.array(fc.constantFrom(".", "..", "/", "a", "b:c")), (parts) => {
      const result = Effect.runSync(Effect.result(paths(v1, parts.join(""))))
      if (result._tag === "Failure") return
      for (const found of result.success) assert.match(found, /^\/c\/(cpu|memory)(\/(?!\.\.?(\/|$))[^/]+)+$/)
    }))
  })
})

/** What is detected on a host with these two files. */
const detected = (mounts: string, own: string) => {
  let unread = ""
  const { layer } = scripted((call) => {
    if (call._tag === "openat") {
      unread = call.path.endsWith("mountinfo") ? mounts : own
      return 5
    }
    if (call._tag !== "read") return undefined
    const bytes = Buffer.from(unread)
    unread = ""
    return bytes
  })
  return Effect.map(
    Effect.provide(detect, layer),
    ({ hierarchies }) => hierarchies.map(({ keys, mountpoint, own }) => [keys.join(), mountpoint, own])
  )
}

describe("detect", () => {
  it.effect("sees a mount, and a move to another cgroup, that came after the last look", () =>
    Effect.gen(function*() {
      const cpu = "32 1 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      const pids = "33 1 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
      assert.deepStrictEqual(yield* detected(cpu, "2:cpu:/a\n"), [["cpu", "/sys/fs/cgroup/cpu", "/a"]])
      assert.deepStrictEqual(yield* detected(cpu, "2:cpu:/a\n"), [["cpu", "/sys/fs/cgroup/cpu", "/a"]])
      assert.deepStrictEqual(yield* detected(cpu, "2:cpu:/b\n"), [["cpu", "/sys/fs/cgroup/cpu", "/b"]])
      assert.deepStrictEqual(yield* detected(cpu + pids, "2:cpu:/b\n3:pids:/\n"), [
        ["cpu", "/sys/fs/cgroup/cpu", "/b"],
        ["pids", "/sys/fs/cgroup/pids", "/"]
      ])
    }))
})
