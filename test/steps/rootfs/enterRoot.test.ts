/** The way into the root on a scripted kernel: propagation, the bind of the root, the pivot, the null device. */
import { assert, describe, it } from "@effect/vitest"
import { MAGIC, MS } from "../../../src/native/constants.ts"
import { reopenDevNullForExec } from "../../../src/steps/reopenDevNullForExec.ts"
import { bindRoot } from "../../../src/steps/rootfs/bindRoot.ts"
import { enterRoot } from "../../../src/steps/rootfs/enterRoot.ts"
import { reopenDevNull } from "../../../src/steps/rootfs/reopenDevNull.ts"
import { setRootPropagation } from "../../../src/steps/rootfs/setRootPropagation.ts"
import { directory, given, nullDevice, opens } from "../../support/rootfsSteps.ts"
import { fail, succeed } from "../../support/steps.ts"

describe("the steps of the root file system", () => {
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

  it.each([reopenDevNull, reopenDevNullForExec])(
    "$name: only for the null device, and only by the null device",
    (step) => {
      const stdio = (image: object, ...states: ReadonlyArray<object | "EBADF">) =>
        opens({ statx: (call: { readonly dirfd: number }) => call.dirfd > 2 ? image : states[call.dirfd] })
      const none = succeed(step, given(), stdio(nullDevice, directory, directory, "EBADF")).trace
      assert.strictEqual(none.length, 3)
      const some = succeed(step, given(), stdio(nullDevice, nullDevice, "EBADF", nullDevice)).trace
      assert.deepStrictEqual(some.filter((line) => line.startsWith("dup3")), [
        "dup3(21, 0, O_RDONLY)",
        "dup3(21, 2, O_RDONLY)"
      ])
      const fake = fail(step, given(), stdio({ ...nullDevice, rdev: { major: 1, minor: 1 } }, nullDevice))
      assert.strictEqual(fake.tag, "NotNullDeviceError")
      assert.isFalse(fake.trace.some((line) => line.includes("O_RDWR")), "what is there was opened")
    }
  )
})
