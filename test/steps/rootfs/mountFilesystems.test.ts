/** The mounts of a container on a scripted kernel: their calls, their order, their errors. */
import { assert, describe, it } from "@effect/vitest"
import type { Container } from "../../../src/config/Container.ts"
import { MAGIC, MS, S } from "../../../src/native/constants.ts"
import type { CgroupManager } from "../../../src/steps/cgroup/Manager.ts"
import { mountFilesystems } from "../../../src/steps/rootfs/mountFilesystems.ts"
import { bindMount, mount } from "../../support/contained.ts"
import { directory, given, mnt, opens } from "../../support/rootfsSteps.ts"
import { fail, succeed } from "../../support/steps.ts"

describe("the steps of the root file system", () => {
  it("mountFilesystems: one call an option, then attached to the handle", () => {
    const { trace, value } = succeed(
      mountFilesystems,
      given({ mounts: [mount("tmpfs", "/d", { flags: MS.RDONLY | MS.NOSUID, data: ["mode=755", "huge"] })] }),
      opens()
    )
    assert.deepStrictEqual(trace, [
      "statx(9, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
      "umask(00)",
      "openat2(9, \"/d\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)",
      "statx(20, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
      "fstatfs(20)",
      "fsopen(\"tmpfs\", FSOPEN_CLOEXEC)",
      "fsconfig(21, FSCONFIG_SET_STRING, \"source\", \"tmpfs\", 0)",
      "fsconfig(21, FSCONFIG_SET_STRING, \"mode\", \"755\", 0)",
      "fsconfig(21, FSCONFIG_SET_FLAG, \"huge\", NULL, 0)",
      "fsconfig(21, FSCONFIG_CMD_CREATE, NULL, NULL, 0)",
      "fsmount(21, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID)",
      "close(21)",
      "move_mount(22, \"\", 20, \"\", MOVE_MOUNT_T_EMPTY_PATH|MOVE_MOUNT_F_EMPTY_PATH)",
      "close(20)",
      "umask(022)"
    ])
    assert.deepStrictEqual(value, { kept: [], readonlyLater: [{ destination: "/d", fd: 22 }] })
  })

  it("mountFilesystems: a label goes to file systems that take one, and quoted to mount(2)", () => {
    const label = { mountLabel: "system_u:object_r:x:s0:c1,c2" }
    const option = "fsconfig(21, FSCONFIG_SET_STRING, \"context\", \"system_u:object_r:x:s0:c1,c2\", 0)"
    const traceOf = (container: Partial<Container>) =>
      succeed(mountFilesystems, given({ ...label, ...container }), opens({ statx: stat })).trace
    // the mount that is made is the one that is found
    const stat = (call: { readonly dirfd: number }) =>
      call.dirfd === 9 ? { ...directory, ino: 1n } : { ...directory, ino: 5n }
    assert.include(traceOf({ mounts: [mount("tmpfs", "/x")] }), option)
    assert.notInclude(traceOf({ mounts: [mount("sysfs", "/sys")] }).join("\n"), "context")
    const long = `lowerdir=${"/layer".repeat(60)}`
    assert.include(
      traceOf({ mounts: [mount("overlay", "/x", { data: [long] })] }).find((line) => line.startsWith("mount(")),
      "\"overlay\", \"/proc/self/fd/20\", \"overlay\", 0, \"lowerdir=/layer"
    )
  })

  it("mountFilesystems: a failure names the mount, what was done, and what to do, and leaves nothing open", () => {
    const bind = fail(
      mountFilesystems,
      given({ mounts: [bindMount("/src", "/data")] }),
      opens({ open_tree: () => "ENOENT" })
    )
    assert.strictEqual(bind.tag, "MountError")
    assert.strictEqual(bind.code, "ENOENT")
    assert.match(bind.message, /^bind \/src on \/data: open the source: open_tree\(.*ENOENT/)
    assert.match(bind.advice ?? "", /create \/src on the host/)

    const steps = ["openat2", "statx", "fstatfs", "fsopen", "fsconfig", "fsmount", "move_mount"] as const
    for (const refused of steps) {
      let skip = refused === "statx"
      const { message, trace } = fail(
        mountFilesystems,
        given({ mounts: [mount("tmpfs", "/x", { data: ["size=1k"] })] }),
        opens({ [refused]: () => skip ? void (skip = false) : "EIO" })
      )
      assert.match(message, /^mount tmpfs on \/x: /, refused)
      const opened = trace.filter((line) => /^(openat2|fsopen|fsmount)\(/.test(line) && !line.startsWith(`${refused}(`))
      assert.strictEqual(trace.filter((line) => line.startsWith("close(")).length, opened.length, refused)
    }
  })

  it("mountFilesystems: a tmpfs has the mode of the directory that it covers; where none was, anybody may write", () => {
    const modeOf = (made: boolean, data: ReadonlyArray<string> = []) => {
      let missing = made ? 2 : 0
      const { trace } = succeed(
        mountFilesystems,
        given({ mounts: [mount("tmpfs", "/x", { data })] }),
        opens({
          openat2: ({ path }: { readonly path: string }) => path === "/x" && missing-- > 0 ? "ENOENT" : undefined
        })
      )
      assert.strictEqual(trace.some((line) => line.startsWith("mkdirat(")), made)
      return /"mode", "(\d+)"/.exec(trace.join())?.[1]
    }
    assert.strictEqual(modeOf(false), "755")
    assert.strictEqual(modeOf(true), "1777")
    assert.strictEqual(modeOf(true, ["mode=700"]), "700")
  })

  it("mountFilesystems: the caller's procfs serves only where that is allowed and it is one", () => {
    const proc = mount("proc", "/proc", { flags: MS.NOSUID, orCallers: true })
    const refusing = (more: Parameters<typeof opens>[0] = {}) =>
      opens({
        fsmount: () => "EPERM",
        statx: ({ dirfd }: { readonly dirfd: number }) =>
          dirfd === 9 ? { ...directory, ino: 1n } : { ...directory, ino: 5n },
        fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }),
        ...more
      })
    const { trace, value } = succeed(mountFilesystems, given({ mounts: [proc] }), refusing())
    const tree = trace.findIndex((line) => line.startsWith("open_tree("))
    assert.strictEqual(
      trace[tree],
      "open_tree(AT_FDCWD, \"/proc\", OPEN_TREE_CLOEXEC|OPEN_TREE_CLONE|AT_RECURSIVE|AT_SYMLINK_NOFOLLOW)"
    )
    assert.include(trace.slice(tree).join("\n"), "MOUNT_ATTR_NOSUID, 0, 0, -1)\nmove_mount(")
    assert.lengthOf((value as { readonly kept: ReadonlyArray<unknown> }).kept, 1)
    for (
      const [mounts, answer] of [
        [[{ ...proc, orCallers: false }], refusing()],
        [[proc], refusing({ fsmount: () => "ENOMEM" })],
        [[proc], refusing({ open_tree: () => "EINVAL" })],
        [[{ ...proc, type: "sysfs", destination: "/sys" }], refusing({ fstatfs: () => ({ type: 1, flags: 0 }) })],
        [[mount("tmpfs", "/x", { orCallers: true })], refusing({ fstatfs: () => ({ type: 1, flags: 0 }) })]
      ] as const
    ) {
      assert.match(fail(mountFilesystems, given({ mounts }), answer).message, /create the file system: fsmount/)
    }
  })

  it("mountFilesystems: a place in a procfs is refused, however its path is written", () => {
    const { tag, message } = fail(
      mountFilesystems,
      given({ mounts: [mount("tmpfs", "/innocent")] }),
      opens({ fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }) })
    )
    assert.strictEqual(tag, "MountRefusedError")
    assert.match(message, /leads into \/proc/)
  })

  it("mountFilesystems: what was put at /proc in the meantime is noticed", () => {
    let looks = 0
    const { message } = fail(
      mountFilesystems,
      given({ mounts: [mount("proc", "/proc")] }),
      opens({ statx: () => ({ ...directory, ino: 50n + BigInt(looks), mountId: 70n + BigInt(looks++) }) })
    )
    assert.match(message, /another process put something else there/)
  })

  it("mountFilesystems: gives the container's root what a side-car makes, while it is attached nowhere", () => {
    const chowns = (type: string, namespaces: Container["namespaces"], flags = 0) => {
      const mounts = [{ ...bindMount("x", "/d"), type, flags }]
      const { trace } = succeed(mountFilesystems, given({ mounts, namespaces }, { outside: true }), opens())
      const given_ = trace.findIndex((line) => line.startsWith("fchownat"))
      if (given_ >= 0) assert.isBelow(given_, trace.findIndex((line) => line.startsWith("move_mount")))
      return trace.filter((line) => /^(fchownat|mount_setattr|fsmount)/.test(line))
    }
    assert.deepStrictEqual(chowns("devpts", mnt), [
      "fsmount(21, FSMOUNT_CLOEXEC, 0)",
      "fchownat(22, \"\", 1000, 2000, AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW)",
      "fchownat(22, \"ptmx\", 1000, 2000, AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW)"
    ])
    const readonly = chowns("mqueue", [...mnt, { type: "ipc" }], MS.RDONLY)
    assert.deepStrictEqual(readonly, [
      "fsmount(21, FSMOUNT_CLOEXEC, 0)",
      "fchownat(22, \"\", 1000, 2000, AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW)",
      "mount_setattr(22, \"\", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1)"
    ])
    // queues of the host, and of another container
    for (const others of [mnt, [...mnt, { type: "ipc", path: "/proc/7/ns/ipc" }] as const]) {
      assert.deepStrictEqual(chowns("mqueue", others), ["fsmount(21, FSMOUNT_CLOEXEC, 0)"])
    }
  })

  it("mountFilesystems: gives the container's root the links of controllers that share a hierarchy", () => {
    const text = [
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
      "",
      "2:cpu,cpuacct:/a\n",
      ""
    ].map((part) => Buffer.from(part))
    const mounts = [{ ...bindMount("cgroup", "/c"), type: "cgroup", flags: 0 }]
    const { trace } = succeed(
      mountFilesystems,
      given({ mounts, namespaces: [...mnt, { type: "pid" }] }, { outside: true }),
      opens({
        read: () => text.shift(),
        fstatfs: () => ({ type: text.length > 0 ? MAGIC.PROC_SUPER_MAGIC : 0xef53, flags: 0 }),
        // the root of a procfs is 1; whatever is looked at by itself is a link
        statx: () => ({
          ...directory,
          ino: text.length === 4 ? 1n : 3n,
          mode: text.length === 0 ? S.IFLNK : directory.mode
        })
      })
    )
    const links = trace.filter((line) => /^(symlinkat|fchownat)/.test(line))
    assert.deepStrictEqual(links.map((line) => line.replace(/\(\d+/, "(n").replace(/, \d+, "cpu/, ", n, \"cpu")), [
      "symlinkat(\"cpu,cpuacct\", n, \"cpu\")",
      "fchownat(n, \"\", 1000, 2000, AT_EMPTY_PATH)",
      "symlinkat(\"cpu,cpuacct\", n, \"cpuacct\")",
      "fchownat(n, \"\", 1000, 2000, AT_EMPTY_PATH)"
    ])
  })

  describe("mountFilesystems: the container's cgroups", () => {
    const mounts = [{ ...bindMount("cgroup", "/c"), type: "cgroup", flags: 0 }]
    const cgroup: CgroupManager = {
      version: "v1",
      paths: { cpu: "/c/cpu,cpuacct/x", cpuacct: "/c/cpu,cpuacct/x", memory: "/c/memory/x" },
      mountpoints: { cpu: "/c/cpu,cpuacct", cpuacct: "/c/cpu,cpuacct", memory: "/c/memory" },
      made: []
    }
    /** The host's /proc, whose files are these. */
    const proc = (...files: ReadonlyArray<string>) => {
      const left = files.flatMap((text) => [text, ""]).map((text) => Buffer.from(text))
      return {
        read: () => left.shift(),
        fstatfs: () => ({ type: left.length > 0 ? MAGIC.PROC_SUPER_MAGIC : 0xef53, flags: 0 }),
        statx: () => ({ ...directory, ino: left.length === files.length * 2 ? 1n : 3n })
      }
    }
    const info = "32 31 0:29 / /elsewhere/memory rw - cgroup cgroup rw,memory\n"
    const opened = (trace: ReadonlyArray<string>) => trace.filter((line) => line.startsWith("open_tree"))

    it("are those that the parent made, which it need not look for", () => {
      const { trace } = succeed(mountFilesystems, given({ mounts }, { cgroup }), opens())
      assert.deepStrictEqual(trace.filter((line) => line.includes("proc")), [])
      assert.deepStrictEqual(opened(trace).map((line) => line.split(", ")[1]), [
        "\"/c/cpu,cpuacct/x\"",
        "\"/c/memory/x\""
      ])
      const links = trace.filter((line) => line.startsWith("symlinkat"))
      assert.deepStrictEqual(links.map((line) => line.split(", ").at(-1)), ["\"cpu\")", "\"cpuacct\")"])
    })

    it("are looked for in a mount namespace that is joined, where they may be elsewhere", () => {
      const namespaces = [{ type: "mnt", path: "/proc/7/ns/mnt" }] as const
      const answers = opens(proc(info, "4:memory:/x\n"))
      const { trace } = succeed(mountFilesystems, given({ mounts, namespaces }, { cgroup }), answers)
      assert.deepStrictEqual(opened(trace).map((line) => line.split(", ")[1]), ["\"/elsewhere/memory/x\""])
    })

    it("need no path where they are mounted anew, and are refused where there is none", () => {
      const joined = { type: "mnt", path: "/proc/7/ns/mnt" } as const
      const anew = given({ mounts, namespaces: [joined, { type: "cgroup" }] }, { cgroup })
      const { trace } = succeed(mountFilesystems, anew, opens())
      assert.deepStrictEqual(opened(trace), [])
      assert.strictEqual(trace.filter((line) => line.startsWith("fsopen(\"cgroup\"")).length, 2)
      const refused = fail(mountFilesystems, given({ mounts, namespaces: [joined] }, { cgroup }), opens(proc("", "")))
      assert.include(refused.message, "no cgroup hierarchy is mounted in the mount namespace that is joined")
      assert.deepStrictEqual(refused.trace.filter((line) => line.startsWith("fsopen(\"cgroup")), [])
    })

    it("are not the host's where a process in its own namespace can't tell them, and none can be mounted", () => {
      const namespaces = [...mnt, { type: "cgroup" }] as const
      const answers = (files: object) =>
        opens({
          ...files,
          fsopen: (call: { readonly type: string }) => call.type === "cgroup" ? "EPERM" : undefined
        })
      const refused = fail(mountFilesystems, given({ mounts, namespaces }), answers(proc(info, "4:memory:/\n")))
      assert.strictEqual(refused.code, "EPERM")
      assert.deepStrictEqual(opened(refused.trace), [])
      // the parent can tell
      const { trace } = succeed(mountFilesystems, given({ mounts, namespaces }, { cgroup }), answers({}))
      assert.strictEqual(opened(trace).length, 2)
    })

    it("are not those of others where its own are outside of what is mounted", () => {
      const part = info.replace(" / ", " /part ")
      const answers = opens(proc(part, "4:memory:/other\n"))
      const { message, trace } = fail(mountFilesystems, given({ mounts }), answers)
      assert.match(message, /the own cgroup in memory is outside of what is mounted at \/elsewhere\/memory/)
      assert.deepStrictEqual(opened(trace), [])
    })
  })
})
