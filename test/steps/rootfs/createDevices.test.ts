/** Devices and their links on a scripted kernel: what is made, bound, kept and refused. */
import { assert, describe, it } from "@effect/vitest"
import { S } from "../../../src/native/constants.ts"
import type { Call } from "../../../src/native/Kernel.ts"
import { createDevices } from "../../../src/steps/rootfs/createDevices.ts"
import { type Kept, Mounted } from "../../../src/steps/rootfs/facts.ts"
import { linkDevices } from "../../../src/steps/rootfs/linkDevices.ts"
import { bindMount, device } from "../../support/contained.ts"
import { directory, given, mnt, nullDevice, opens } from "../../support/rootfsSteps.ts"
import { and, fail, succeed } from "../../support/steps.ts"

describe("the steps of the root file system", () => {
  it("createDevices: below the mount on /dev by its handle; without one, by no link", () => {
    const node = { ...directory, mode: S.IFCHR | 0o666, rdev: { major: 10, minor: 200 } }
    const opened = (kept: ReadonlyArray<Kept>, path = "/dev/net/tun") =>
      succeed(
        createDevices,
        and(given({ devices: [device(path, 10, 200)] }), Mounted, { kept, readonlyLater: [] }),
        opens({ statx: () => node })
      ).trace.find((line) => line.startsWith("openat2("))
    assert.strictEqual(
      opened([{ destination: "/dev", fd: 7, fresh: true }]),
      "openat2(7, \"/net\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)"
    )
    assert.match(opened([])!, /^openat2\(9, "\/dev\/net", .*RESOLVE_NO_SYMLINKS/)
    assert.match(opened([], "/opt/tun")!, /^openat2\(9, "\/opt", .*RESOLVE_NO_SYMLINKS/)
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
})
