/** The steps of the root file system on a scripted kernel: their calls, their order, their errors. */
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Container } from "../../../src/config/Container.ts"
import type * as Step from "../../../src/engine/Step.ts"
import { MAGIC, MS, S } from "../../../src/native/constants.ts"
import type { Call } from "../../../src/native/Kernel.ts"
import type { CgroupManager } from "../../../src/steps/cgroup/Manager.ts"
import { maskPaths } from "../../../src/steps/maskPaths.ts"
import { readonlyPaths } from "../../../src/steps/readonlyPaths.ts"
import { remountReadonly } from "../../../src/steps/remountReadonly.ts"
import { bindRoot } from "../../../src/steps/rootfs/bindRoot.ts"
import { createDevices } from "../../../src/steps/rootfs/createDevices.ts"
import { createWorkingDirectory } from "../../../src/steps/rootfs/createWorkingDirectory.ts"
import { enterRoot } from "../../../src/steps/rootfs/enterRoot.ts"
import { UnmappedIdError } from "../../../src/steps/rootfs/errors.ts"
import {
  InRoot,
  type Kept,
  Mounted,
  MountsContained,
  Ownership,
  PathsCovered,
  PathsReadonly,
  RootHandle,
  RootSealed
} from "../../../src/steps/rootfs/facts.ts"
import { linkDevices } from "../../../src/steps/rootfs/linkDevices.ts"
import { mountFilesystems } from "../../../src/steps/rootfs/mountFilesystems.ts"
import { ownershipInside } from "../../../src/steps/rootfs/ownershipInside.ts"
import { ownershipOutside } from "../../../src/steps/rootfs/ownershipOutside.ts"
import { reopenDevNull } from "../../../src/steps/rootfs/reopenDevNull.ts"
import { setRootPropagation } from "../../../src/steps/rootfs/setRootPropagation.ts"
import { setDomainname } from "../../../src/steps/setDomainname.ts"
import { setHostname } from "../../../src/steps/setHostname.ts"
import { sysctlPath, writeSysctl } from "../../../src/steps/writeSysctl.ts"
import { bindMount, device, mount } from "../../support/contained.ts"
import { and, fail, succeed, withInit } from "../../support/steps.ts"

const mnt = [{ type: "mnt" }] as const

const given = (
  container: Partial<Container> = {},
  facts: { readonly contained?: boolean; readonly outside?: boolean; readonly cgroup?: CgroupManager } = {}
) => {
  const inside = facts.outside === true
    ? { outside: true, uid: (id: number) => Effect.succeed(1000 + id), gid: (id: number) => Effect.succeed(2000 + id) }
    : { outside: false, uid: Effect.succeed, gid: Effect.succeed }
  let context: Context.Context<never> = withInit({
    container: { namespaces: mnt, ...container },
    ...(facts.cgroup === undefined ? {} : { cgroup: facts.cgroup })
  })
  context = and(context, Ownership, inside)
  context = and(context, MountsContained, { contained: facts.contained ?? true })
  context = and(context, RootHandle, { fd: 9 })
  context = and(context, InRoot, { fd: 9 })
  context = and(context, RootSealed, { kept: [] })
  context = and(context, PathsReadonly, { kept: [] })
  context = and(context, PathsCovered, { kept: [], cover: undefined })
  return and(context, Mounted, { kept: [], readonlyLater: [{ destination: "/dev", fd: 8 }] })
}

const directory = {
  mode: S.IFDIR | 0o755,
  ino: 2n,
  mountId: 70n,
  mountRoot: true,
  rdev: { major: 0, minor: 0 },
  dev: { major: 0, minor: 1 }
}
const nullDevice = { ...directory, mode: S.IFCHR | 0o666, rdev: { major: 1, minor: 3 }, mountRoot: false }

/** Opens everything, as descriptors from 20 on; all is a directory, except that some calls answer otherwise. */
const opens = (answers: Partial<Record<Call["_tag"], (call: never) => unknown>> = {}) => {
  let next = 20
  const opening = new Set(["openat2", "openat", "open_tree", "fsopen", "fsmount"])
  return (call: Call): unknown => {
    const answer = (answers[call._tag] as ((call: Call) => unknown) | undefined)?.(call)
    if (answer !== undefined) return answer
    if (opening.has(call._tag)) return next++
    if (call._tag === "statx") return { ...directory, ino: BigInt(call.dirfd) }
    if (call._tag === "fstatfs") return { type: 0xef53, flags: 0 }
    if (call._tag === "umask") return 0o22
    return undefined
  }
}

describe("the steps of the root file system", () => {
  it("make no call where the configuration asks for nothing", () => {
    const idle: ReadonlyArray<Step.Any> = [
      ownershipInside,
      ownershipOutside,
      mountFilesystems,
      createDevices,
      createWorkingDirectory,
      setHostname,
      setDomainname,
      writeSysctl,
      readonlyPaths,
      maskPaths
    ]
    for (const step of idle) assert.deepStrictEqual(succeed(step, given()).trace, [], step.name)
    const without = given({ namespaces: [] }, { contained: false })
    assert.deepStrictEqual(succeed(setRootPropagation, without), { value: { contained: false }, trace: [] })
  })

  it("give ids as they are inside, and the host's outside", () => {
    const ids = (step: Step.Any, container: Partial<Container>) =>
      succeed(step, given(container)).value as Ownership["Service"]
    const mapped = {
      namespaces: [{ type: "user" }] as const,
      uidMappings: [{ containerId: 0, hostId: 1000, size: 10 }],
      gidMappings: [{ containerId: 5, hostId: 2000, size: 1 }]
    }
    assert.strictEqual(Effect.runSync(ids(ownershipInside, mapped).uid(3)), 3)
    const outside = ids(ownershipOutside, mapped)
    assert.isTrue(outside.outside)
    assert.strictEqual(Effect.runSync(outside.uid(3)), 1003)
    assert.strictEqual(Effect.runSync(outside.gid(5)), 2000)
    // what is root's is whose who stands for root
    assert.strictEqual(Effect.runSync(outside.gid(0)), 2000)
    assert.deepStrictEqual(Effect.runSync(Effect.flip(outside.gid(7))), new UnmappedIdError({ kind: "gid", id: 7 }))
  })

  it("setRootPropagation: slave, and the parent mount of the root private", () => {
    const stat = [{ ...directory, mountRoot: false }, { ...directory, mountRoot: true }]
    const { trace, value } = succeed(setRootPropagation, given(), opens({ statx: () => stat.shift() }))
    assert.deepStrictEqual(value, { contained: true })
    assert.deepStrictEqual(trace, [
      "openat2(AT_FDCWD, \"/\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, 0)",
      "mount_setattr(20, \"\", AT_RECURSIVE|AT_EMPTY_PATH, 0, 0, MS_SLAVE, -1)",
      "close(20)",
      "openat2(AT_FDCWD, \"/rootfs\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_NO_SYMLINKS)",
      "statx(21, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
      "openat(21, \"..\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00)",
      "close(21)",
      "statx(22, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
      "mount_setattr(22, \"\", AT_EMPTY_PATH, 0, 0, MS_PRIVATE, -1)",
      "close(22)"
    ])
  })

  it("bindRoot: on itself, by handle; without a mount namespace only opened", () => {
    const { trace, value } = succeed(bindRoot, given(), opens())
    assert.deepStrictEqual(value, { fd: 21 })
    assert.deepStrictEqual(trace.slice(1, 3), [
      "open_tree(20, \"\", OPEN_TREE_CLOEXEC|OPEN_TREE_CLONE|AT_RECURSIVE|AT_EMPTY_PATH)",
      "move_mount(21, \"\", 20, \"\", MOVE_MOUNT_T_EMPTY_PATH|MOVE_MOUNT_F_EMPTY_PATH)"
    ])
    assert.strictEqual(trace.at(-1), "close(20)")
    assert.strictEqual(succeed(bindRoot, given({}, { contained: false }), opens()).trace.length, 1)
  })

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

  it("createDevices: below the mount on /dev by its handle; without one, by no link", () => {
    const devices = [device("/dev/net/tun", 10, 200)]
    const node = { ...directory, mode: S.IFCHR | 0o666, rdev: { major: 10, minor: 200 } }
    const opened = (kept: ReadonlyArray<Kept>) =>
      succeed(
        createDevices,
        and(given({ devices }), Mounted, { kept, readonlyLater: [] }),
        opens({ statx: () => node })
      ).trace.find((line) => line.startsWith("openat2("))
    assert.strictEqual(
      opened([{ destination: "/dev", fd: 7, fresh: true }]),
      "openat2(7, \"/net\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)"
    )
    assert.match(opened([])!, /^openat2\(9, "\/dev\/net", .*RESOLVE_NO_SYMLINKS/)
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

  it("createDevices: makes, looks, and gives away; binds from the host where mknod is refused", () => {
    const char = { statx: () => nullDevice }
    const made = succeed(
      createDevices,
      given({ devices: [device("/dev/null", 1, 3, { uid: 4, gid: 5 })] }),
      opens(char)
    )
    assert.deepStrictEqual(made.trace.slice(2, -2), [
      "mknodat(20, \"null\", 020666, 1, 3)",
      "openat2(20, \"null\", O_PATH|O_CLOEXEC|O_NOFOLLOW, 00, RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS)",
      "statx(21, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
      "fchownat(21, \"\", 4, 5, AT_EMPTY_PATH)",
      "close(21)"
    ])
    const looks = [nullDevice, { ...nullDevice, mode: S.IFREG | 0o600 }]
    const bound = succeed(
      createDevices,
      given({ devices: [device("/dev/null", 1, 3)] }),
      opens({
        mknodat: (call: Call & { readonly mode: number }) =>
          (call.mode & S.IFCHR) === S.IFCHR && (call.mode & S.IFMT) === S.IFCHR ? "EPERM" : undefined,
        statx: () => looks.shift()
      })
    )
    assert.include(bound.trace, "move_mount(23, \"\", 22, \"\", MOVE_MOUNT_T_EMPTY_PATH|MOVE_MOUNT_F_EMPTY_PATH)")
  })

  it("createDevices: refuses another node in its place, and another node on the host", () => {
    const other = { ...nullDevice, rdev: { major: 1, minor: 1 } }
    const existing = fail(
      createDevices,
      given({ devices: [device("/dev/null", 1, 3)] }),
      opens({ mknodat: () => "EEXIST", statx: () => other })
    )
    assert.match(existing.message, /device \/dev\/null: what is there already is not character device 1:3/)
    const user = { namespaces: [...mnt, { type: "user" }] as const }
    const host = fail(
      createDevices,
      given({ ...user, devices: [device("/dev/null", 1, 3)] }),
      opens({ statx: () => other })
    )
    assert.match(host.message, /the host's \/dev\/null is not character device 1:3/)
    const none = fail(
      createDevices,
      given({ ...user, devices: [device("/dev/odd", 1, 3)] }),
      opens({ openat2: (call: { readonly path: string }) => call.path === "/dev/odd" ? "ENOENT" : undefined })
    )
    assert.match(none.message, /the host has no \/dev\/odd/)
  })

  it("createDevices and linkDevices: leave a /dev alone that the user binds", () => {
    const context = given({ devices: [device("/dev/null", 1, 3)], mounts: [bindMount("/dev", "/dev/")] })
    assert.deepStrictEqual(succeed(createDevices, context).trace, [])
    assert.deepStrictEqual(succeed(linkDevices, context).trace, [])
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

  it("linkDevices: gives its links away by handle, and nothing that has taken their place", () => {
    const answers = (mode: number) =>
      opens({
        openat2: (call: { readonly path: string }) => call.path === "/proc/kcore" ? "ENOENT" : undefined,
        statx: () => ({ ...directory, mode })
      })
    const outside = given({}, { outside: true })
    const chowns = (mode: number) =>
      succeed(linkDevices, outside, answers(mode)).trace.filter((line) => line.startsWith("fchownat"))
    const made = chowns(S.IFLNK | 0o777)
    assert.strictEqual(made.length, 5)
    for (const line of made) assert.match(line, /^fchownat\(2\d, "", 1000, 2000, AT_EMPTY_PATH\)$/)
    assert.deepStrictEqual(chowns(S.IFREG | 0o4755), [])
    const inside = succeed(linkDevices, given(), answers(S.IFLNK | 0o777)).trace
    assert.isFalse(inside.some((line) => line.startsWith("fchownat")))
  })

  it("linkDevices: keeps what is there, but takes away a ptmx that leads to the host's terminals", () => {
    const present = (target: string) =>
      opens({
        symlinkat: (() => {
          let ptmx = 0
          return (call: { readonly path: string }) => call.path === "ptmx" && ptmx++ > 0 ? undefined : "EEXIST"
        })(),
        readlinkat: () => target,
        openat2: (call: { readonly path: string }) => call.path === "/proc/kcore" ? "ENOENT" : undefined
      })
    const right = succeed(linkDevices, given(), present("pts/ptmx")).trace
    assert.isFalse(right.some((line) => line.startsWith("unlinkat")))
    assert.strictEqual(right.at(-1), "close(20)")
    const node = succeed(linkDevices, given(), present("EINVAL")).trace
    assert.include(node, "unlinkat(20, \"ptmx\", 0)")
    const none = succeed(linkDevices, given(), opens({ openat2: () => "ENOENT" })).trace
    assert.strictEqual(none.length, 1)
  })

  it("enterRoot: pivots onto itself and detaches the old root", () => {
    const { trace, value } = succeed(enterRoot, given(), opens())
    assert.deepStrictEqual(value, { fd: 9 })
    assert.deepStrictEqual(trace, [
      "openat2(AT_FDCWD, \"/\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, 0)",
      "fchdir(9)",
      "pivot_root(\".\", \".\")",
      "fchdir(20)",
      "mount_setattr(20, \"\", AT_RECURSIVE|AT_EMPTY_PATH, 0, 0, MS_SLAVE, -1)",
      "umount2(\".\", MNT_DETACH)",
      "chdir(\"/\")",
      "close(20)",
      // not of the tree: the propagation that a mount's options ask for would be lost
      "mount_setattr(9, \"\", AT_EMPTY_PATH, 0, 0, MS_PRIVATE, -1)"
    ])
    const shared = succeed(enterRoot, given({ rootPropagation: MS.SHARED }), opens()).trace
    assert.strictEqual(shared.at(-1), "mount_setattr(9, \"\", AT_EMPTY_PATH, 0, 0, MS_SHARED, -1)")
  })

  it("enterRoot: never leaves the jail out", () => {
    const chroot = succeed(enterRoot, given({}, { contained: false })).trace
    assert.deepStrictEqual(chroot, ["fchdir(9)", "chroot(\".\")", "chdir(\"/\")"])
  })

  it("enterRoot: without pivot_root, takes away or covers full kernel file systems", () => {
    const info = `1 0 0:1 / / rw - ext4 x rw
2 1 0:2 / /proc rw - proc proc rw
3 1 0:3 / /sys rw - sysfs sysfs rw
4 1 0:2 /sys /bound rw - proc proc rw
5 1 0:4 / /rootfs/proc rw - proc proc rw
`
    // as it is then: one has gone, one is covered
    const after = info.replace(/^3 .*\n/m, "") + "6 2 0:9 / /proc rw - tmpfs none rw\n"
    const text = [info, "", after, ""].map((part) => Buffer.from(part))
    const { trace } = succeed(
      enterRoot,
      given({ noPivotRoot: true }),
      opens({
        read: () => text.shift(),
        fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }),
        umount2: (call: { readonly target: string }) => call.target === "/proc" ? "EINVAL" : undefined
      })
    )
    const unmounted = trace.filter((line) => line.startsWith("umount2("))
    assert.deepStrictEqual(unmounted, ["umount2(\"/sys\", MNT_DETACH)", "umount2(\"/proc\", MNT_DETACH)"])
    assert.strictEqual(trace.filter((line) => line === "fsopen(\"tmpfs\", FSOPEN_CLOEXEC)").length, 1)
    assert.deepStrictEqual(trace.slice(-5, -1), [
      "fchdir(9)",
      "move_mount(9, \"\", AT_FDCWD, \"/\", MOVE_MOUNT_F_EMPTY_PATH)",
      "chroot(\".\")",
      "chdir(\"/\")"
    ])
  })

  it("enterRoot: goes on with no full kernel file system to which no path leads", () => {
    const info = "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /a/proc rw - proc proc rw\n3 1 0:3 / /a rw - tmpfs x rw\n"
    const text = [info, "", info, ""].map((part) => Buffer.from(part))
    const answers = opens({
      read: () => text.shift(),
      fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 })
    })
    const hidden = fail(
      enterRoot,
      given({ noPivotRoot: true }),
      (call) => call._tag === "openat2" && call.path === "/a/proc" ? "ENOENT" : answers(call)
    )
    assert.strictEqual(hidden.tag, "HiddenHostMountError")
    assert.match(hidden.message, /^hide the host's proc on \/a\/proc: another mount is on top/)
    assert.isFalse(hidden.trace.some((line) => line.startsWith("chroot")))
  })

  it("enterRoot: names the host's file system that it can't hide, and what to do", () => {
    const hiding = (code: string) => {
      const text = [
        Buffer.from("1 0 0:1 / / rw - ext4 x rw\n3 1 0:3 / /far/sys rw - sysfs sysfs rw\n"),
        Buffer.alloc(0)
      ]
      const answers = opens({
        read: () => text.shift(),
        fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 })
      })
      return fail(
        enterRoot,
        given({ noPivotRoot: true }),
        (call) => call._tag === "openat2" && call.path === "/far/sys" ? code : answers(call)
      )
    }
    const away = hiding("EACCES")
    assert.strictEqual(away.tag, "HostMountError")
    assert.match(away.message, /^hide the host's sysfs on \/far\/sys: openat2\(.*EACCES/)
    assert.match(away.advice ?? "", /^leave out noPivotRoot, or unmount \/far\/sys: /)
    assert.notMatch(hiding("EIO").advice ?? "", /noPivotRoot/)
  })

  it("reopenDevNull: only where a descriptor is the null device, and only on the null device", () => {
    const stdio = (image: object, ...states: ReadonlyArray<object | "EBADF">) =>
      opens({ statx: (call: { readonly dirfd: number }) => call.dirfd > 2 ? image : states[call.dirfd] })
    const none = succeed(reopenDevNull, given(), stdio(nullDevice, directory, directory, "EBADF")).trace
    assert.strictEqual(none.length, 3)
    const some = succeed(reopenDevNull, given(), stdio(nullDevice, nullDevice, "EBADF", nullDevice)).trace
    assert.deepStrictEqual(some.filter((line) => line.startsWith("dup3")), [
      "dup3(21, 0, O_RDONLY)",
      "dup3(21, 2, O_RDONLY)"
    ])
    const fake = fail(reopenDevNull, given(), stdio({ ...nullDevice, rdev: { major: 1, minor: 1 } }, nullDevice))
    assert.strictEqual(fake.tag, "NotNullDeviceError")
    assert.isFalse(fake.trace.some((line) => line.includes("O_RDWR")), "what is there was opened")
  })

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

  it("maskPaths: one look at /dev/null and one tmpfs, closed at the end", () => {
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
    assert.strictEqual(count("close("), count("openat2(") + count("open_tree(") + count("fsopen(") + count("fsmount("))
  })

  it("writeSysctl: names to paths", () => {
    const cases = [
      ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
      ["net/ipv4/ip_forward", "net/ipv4/ip_forward"],
      ["net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"],
      ["net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"],
      ["", undefined],
      ["a..b", undefined],
      ["/a", undefined],
      ["../x", undefined],
      ["a/../../x", undefined],
      [".", undefined]
    ] as const
    for (const [key, path] of cases) assert.strictEqual(sysctlPath(key), path, key)
  })

  it("writeSysctl: one procfs for all, and the parameter in the error", () => {
    const sysctl = { "net.a": "1", "net.b": "2" }
    const proc = { fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }), write: () => 1 }
    const { trace } = succeed(writeSysctl, given({ sysctl }), opens(proc))
    assert.strictEqual(trace.filter((line) => line.startsWith("fsmount(")).length, 1)
    assert.deepStrictEqual(trace.filter((line) => line.startsWith("write(")), ["write(22, \"1\")", "write(23, \"2\")"])
    const failed = fail(writeSysctl, given({ sysctl }), opens({ ...proc, write: () => "EINVAL" }))
    assert.match(failed.message, /^sysctl net\.a=1: write/)
    const long = fail(
      writeSysctl,
      given({ sysctl: { "net.a": "x".repeat(5000) } }),
      opens({ ...proc, write: () => "EINVAL" })
    )
    assert.isBelow(long.message.length, 400)
    assert.strictEqual(failed.code, "EINVAL")
  })

  it("setHostname and setDomainname", () => {
    const names = given({ hostname: "box", domainname: "example" })
    assert.deepStrictEqual(succeed(setHostname, names).trace, ["sethostname(\"box\")"])
    assert.deepStrictEqual(succeed(setDomainname, names).trace, ["setdomainname(\"example\")"])
  })
})
