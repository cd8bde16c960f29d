import { assert, describe, it } from "@effect/vitest"
import { MAGIC, S } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { openConsole } from "../../src/steps/openConsole.ts"
import { openConsoleForExec } from "../../src/steps/openConsoleForExec.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const context = withInit({
  consoleSocket: 9,
  container: { namespaces: [{ type: "mnt" }] },
  process: { terminal: true, consoleSize: { rows: 24, columns: 80 } }
})

interface Host {
  readonly devpts?: number
  readonly ptmx?: { readonly mode: number; readonly rdev: { readonly major: number; readonly minor: number } }
  readonly console?: string | { readonly mode: number }
}

const multiplexer = { mode: S.IFCHR | 0o666, rdev: { major: 5, minor: 2 } }

/** The root is 20, /dev/pts 21, the master 22, the terminal 23, its mount 24, /dev/console 25. */
const host =
  ({ console = { mode: S.IFREG }, devpts = MAGIC.DEVPTS_SUPER_MAGIC, ptmx = multiplexer }: Host = {}) =>
  (call: Call): unknown => {
    switch (call._tag) {
      case "openat":
        return 20
      case "openat2":
        if (call.path === "/dev/pts") return 21
        return call.path === "ptmx" ? 22 : typeof console === "string" ? console : 25
      case "fstatfs":
        return { type: devpts, flags: 0 }
      case "statx":
        return call.dirfd === 22 ? ptmx : console
      case "ioctl":
        return 23
      case "open_tree":
        return 24
      default:
        return undefined
    }
  }

const open = [
  "openat(AT_FDCWD, \"/\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00)",
  "openat2(20, \"/dev/pts\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS|RESOLVE_NO_MAGICLINKS)",
  "fstatfs(21)",
  "openat2(21, \"ptmx\", O_RDWR|O_CLOEXEC|O_NOCTTY, 00, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS|RESOLVE_NO_XDEV)",
  "statx(22, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
  "close(21)",
  "ioctl_sptlck(22, 0)",
  `ioctl(22, TIOCGPTPEER, ${0o2000402})`,
  "ioctl_swinsz(22, 24, 80)"
]

const bind = [
  "open_tree(23, \"\", OPEN_TREE_CLOEXEC|OPEN_TREE_CLONE|AT_EMPTY_PATH)",
  "openat2(20, \"/dev/console\", O_PATH|O_CLOEXEC, 00, RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS|RESOLVE_NO_MAGICLINKS)",
  "statx(25, \"\", AT_EMPTY_PATH, STATX_MNT_ID|STATX_BASIC_STATS)",
  "move_mount(24, \"\", 25, \"\", MOVE_MOUNT_T_EMPTY_PATH|MOVE_MOUNT_F_EMPTY_PATH)",
  "close(25)",
  "close(24)"
]

const use = [
  "sendmsg(9, \"/dev/ptmx\", [22], MSG_NOSIGNAL)",
  "close(9)",
  "dup3(23, 0, O_RDONLY)",
  "dup3(23, 1, O_RDONLY)",
  "dup3(23, 2, O_RDONLY)",
  "ioctl(23, TIOCSCTTY, 0)",
  "close(23)",
  "close(22)",
  "close(20)"
]

describe("openConsole", () => {
  it("does nothing without a terminal", () => {
    assert.deepStrictEqual(succeed(openConsole, withInit()).trace, [])
    assert.deepStrictEqual(succeed(openConsoleForExec, withInit()).trace, [])
  })

  it("makes a terminal, binds it on /dev/console, sends the master away and takes the other side for stdio", () => {
    assert.deepStrictEqual(succeed(openConsole, context, host()).trace, [...open, ...bind, ...use])
  })

  it("leaves /dev/console alone for exec", () => {
    assert.deepStrictEqual(succeed(openConsoleForExec, context, host()).trace, [...open, ...use])
  })

  it("leaves /dev/console alone where it is the host's", () => {
    const { trace } = succeed(openConsole, withInit({ consoleSocket: 9, process: { terminal: true } }), host())
    assert.isFalse(trace.some((call) => call.startsWith("move_mount")))
  })

  it("refuses what is no devpts", () => {
    const { message, trace } = fail(openConsole, context, host({ devpts: MAGIC.TMPFS_MAGIC }))
    assert.strictEqual(message, "terminal: /dev/pts is not a devpts")
    assert.deepStrictEqual(trace, [...open.slice(0, 3), "close(21)", "close(20)"])
  })

  it("refuses what is no multiplexer", () => {
    const { message, trace } = fail(
      openConsole,
      context,
      host({ ptmx: { ...multiplexer, rdev: { major: 1, minor: 3 } } })
    )
    assert.include(message, "/dev/pts/ptmx is not the multiplexer")
    assert.deepStrictEqual(trace.slice(-3), ["close(22)", "close(21)", "close(20)"])
  })

  it("refuses a /dev/console that leads elsewhere, and never binds on it (CVE-2025-52565)", () => {
    const link = fail(openConsole, context, host({ console: "ELOOP" }))
    assert.strictEqual(link.code, "ELOOP")
    const directory = fail(openConsole, context, host({ console: { mode: S.IFDIR } }))
    assert.include(directory.message, "/dev/console is neither a file nor a character device")
    for (const { trace } of [link, directory]) assert.isFalse(trace.some((call) => call.startsWith("move_mount")))
  })

  it("needs a socket to send the terminal to", () => {
    const { tag, trace } = fail(openConsole, withInit({ process: { terminal: true } }), host())
    assert.strictEqual(tag, "ConsoleError")
    assert.deepStrictEqual(trace, [])
  })
})
