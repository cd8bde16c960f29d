import { assert, describe, it } from "@effect/vitest"
import type { User } from "../../src/config/Container.ts"
import { S } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { Environment } from "../../src/steps/init/facts.ts"
import { setupUser } from "../../src/steps/setupUser.ts"
import { procSelf } from "../support/procSelf.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const context = (
  user: User,
  env: ReadonlyArray<readonly [string, string]> = [],
  container: Parameters<typeof withInit>[0] = {}
) => and(withInit({ ...container, process: { user } }), Environment, { entries: env, path: undefined })

const ids = (uid: number, gid: number, ...additionalGids: ReadonlyArray<number>): User => ({
  _tag: "Ids",
  uid,
  gid,
  additionalGids
})
const named = (spec: string, ...additionalGids: ReadonlyArray<number>): User => ({
  _tag: "Named",
  spec,
  additionalGids
})

const passwd = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:100::/home/bob:/bin/sh\n"
const group = "users:x:100:\nadm:x:4:bob\n"

interface Host {
  readonly files?: Readonly<Record<string, string | { readonly mode: number }>>
  /** What stdio is. */
  readonly stdio?: { readonly mode: number; readonly major?: number; readonly uid?: number }
  readonly answer?: (call: Call) => unknown
}

const host = ({ answer, files = { "/etc/passwd": passwd, "/etc/group": group }, stdio }: Host = {}) => {
  let open: string | { readonly mode: number } = ""
  return (call: Call): unknown => {
    const given = answer?.(call)
    if (given !== undefined) return given
    switch (call._tag) {
      case "openat2": {
        const file = files[call.path]
        if (file === undefined) return "ENOENT"
        open = file
        return 30
      }
      case "statx":
        if (call.dirfd === 30) return { mode: typeof open === "string" ? S.IFREG : open.mode }
        return {
          mode: stdio?.mode ?? S.IFREG,
          rdev: { major: stdio?.major ?? 0, minor: 0 },
          uid: stdio?.uid ?? 0,
          gid: 5
        }
      case "read": {
        const text = typeof open === "string" ? open : ""
        open = ""
        return Buffer.from(text)
      }
      case "getresuid":
      case "getresgid":
        return { real: 0, effective: 0, saved: 0 }
      default:
        return undefined
    }
  }
}

const changes = (trace: ReadonlyArray<string>): ReadonlyArray<string> =>
  trace.filter((call) => /^(set|fchown)/.test(call))

describe("setupUser", () => {
  it("sets groups, group and user, in this order", () => {
    const { trace, value } = succeed(setupUser, context(ids(1000, 100, 4, 27)), host())
    assert.deepStrictEqual(value, { uid: 1000, gid: 100, groups: [4, 27], home: "/home/bob" })
    assert.deepStrictEqual(changes(trace), [
      "setgroups([4, 27])",
      "setresgid(100, 100, 100)",
      "setresuid(1000, 1000, 1000)"
    ])
  })

  it("reads no file for numbers where HOME is set", () => {
    const { trace, value } = succeed(setupUser, context(ids(1, 1), [["HOME", "/h"]]), host())
    assert.deepStrictEqual(value, { uid: 1, gid: 1, groups: [], home: "/h" })
    assert.isFalse(trace.some((call) => call.startsWith("openat2")))
  })

  it("has a home even where the files are missing or odd", () => {
    for (const files of [{}, { "/etc/passwd": { mode: S.IFIFO } }, { "/etc/passwd": "bob:x:1000" }]) {
      assert.deepInclude(succeed(setupUser, context(ids(1, 1)), host({ files })).value, { home: "/" })
    }
  })

  it("looks names up in the container's files, without following magic links or blocking", () => {
    const { trace, value } = succeed(setupUser, context(named("bob", 27, 4)), host())
    assert.deepStrictEqual(value, { uid: 1000, gid: 100, groups: [4, 27], home: "/home/bob" })
    assert.include(
      trace,
      "openat2(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY, 00, RESOLVE_NO_MAGICLINKS)"
    )
  })

  it("fails for a name that is not there, before anything is changed", () => {
    const { message, tag, trace } = fail(setupUser, context(named("eve")), host())
    assert.strictEqual(tag, "UserError")
    assert.strictEqual(message, "Unable to find user eve")
    assert.deepStrictEqual(changes(trace), [])
  })

  it("refuses to look a name up in what is no regular file, or too large", () => {
    const odd = fail(setupUser, context(named("bob")), host({ files: { "/etc/passwd": { mode: S.IFIFO } } }))
    assert.strictEqual(odd.message, "can't look up the user in the container's /etc/passwd: it is not a regular file")
    const circular = fail(
      setupUser,
      context(named("bob")),
      host({ answer: ({ _tag }) => _tag === "openat2" ? "ELOOP" : undefined })
    )
    assert.match(circular.message, /container's \/etc\/passwd: it can't be opened: openat2\(.*ELOOP/)
    assert.include(circular.advice, "by numbers (1000:1000)")
    const endless = fail(
      setupUser,
      context(named("bob")),
      host({ answer: ({ _tag }) => _tag === "read" ? Buffer.alloc(65536) : undefined })
    )
    assert.include(endless.message, "is larger than 4194304 bytes")
  })

  it("gives pipes, sockets and terminals of stdio to the user, and nothing else", () => {
    const given = (stdio: Required<Host>["stdio"]) =>
      changes(succeed(setupUser, context(ids(7, 7), [["HOME", "/"]]), host({ stdio })).trace).slice(0, -3)
    const all = [0, 1, 2].map((fd) => `fchownat(${fd}, "", 7, -1, AT_EMPTY_PATH)`)
    assert.deepStrictEqual(given({ mode: S.IFIFO }), all)
    assert.deepStrictEqual(given({ mode: S.IFSOCK }), all)
    assert.deepStrictEqual(given({ mode: S.IFCHR, major: 136 }), all)
    assert.deepStrictEqual(given({ mode: S.IFCHR, major: 1 }), [])
    assert.deepStrictEqual(given({ mode: S.IFREG }), [])
    assert.deepStrictEqual(given({ mode: S.IFIFO, uid: 7 }), [])
  })

  it("goes on where stdio can't be given away or is closed", () => {
    for (const code of ["EPERM", "EROFS", "EINVAL"]) {
      succeed(
        setupUser,
        context(ids(7, 7)),
        host({
          stdio: { mode: S.IFIFO },
          answer: ({ _tag }) => _tag === "fchownat" ? code : undefined
        })
      )
    }
    succeed(
      setupUser,
      context(ids(7, 7)),
      host({
        answer: (call) => call._tag === "statx" && call.dirfd < 3 ? "EBADF" : undefined
      })
    )
  })

  it("names the id that is not mapped", () => {
    const refuse = (name: string) => host({ answer: ({ _tag }) => _tag === name ? "EINVAL" : undefined })
    const gid = fail(setupUser, context(ids(7, 8)), refuse("setresgid"))
    assert.strictEqual(gid.message, "can't change to gid 8: it is not mapped in the container's user namespace")
    const uid = fail(setupUser, context(ids(7, 8)), refuse("setresuid"))
    assert.strictEqual(uid.message, "can't change to uid 7: it is not mapped in the container's user namespace")
    const mapped = { container: { gidMappings: [{ containerId: 0, hostId: 0, size: 10 }] } }
    const groups = fail(setupUser, context(ids(7, 8, 3, 50), [], mapped), refuse("setgroups"))
    assert.strictEqual(groups.message, "can't change to gid 50: it is not mapped in the container's user namespace")
  })

  it("goes without groups where the namespace denies them, unless some are configured", () => {
    const proc = procSelf({ setgroups: "deny\n" })
    const denied = host({
      files: {},
      answer: (call) => {
        if (call._tag === "setgroups") return "EPERM"
        return call._tag === "openat2" && call.path.startsWith("/etc") || call._tag === "statx" ? undefined : proc(call)
      }
    })
    succeed(setupUser, context(ids(0, 0)), denied)
    const { tag } = fail(setupUser, context(ids(0, 0, 4)), denied)
    assert.strictEqual(tag, "GroupsDenied")
  })
})
