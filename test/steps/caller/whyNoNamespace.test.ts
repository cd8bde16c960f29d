import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ModelKernel from "../../../src/model/ModelKernel.ts"
import { seed } from "../../../src/model/Seed.ts"
import { CLONE } from "../../../src/native/constants.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import { type Call, Kernel, sys, SyscallError } from "../../../src/native/Kernel.ts"
import { initialUserNamespace } from "../../../src/steps/caller/authority.ts"
import { refusalCalls, whyNoNamespace } from "../../../src/steps/caller/whyNoNamespace.ts"
import { capabilities } from "../../support/callers.ts"
import { scripted } from "../../support/scripted.ts"

const usual: Readonly<Record<string, string>> = {
  "/proc/self/mountinfo": "22 1 0:20 / / rw - ext4 /dev/vda rw\n",
  "/proc/self/uid_map": "0 0 4294967295\n",
  "/proc/self/gid_map": "0 0 4294967295\n",
  "/proc/self/status": "Name:\tnode\nSeccomp:\t0\n"
}

/** What is said of a refusal on a host with these files below /proc, to a caller with these capabilities. */
const said = (
  code: Errno,
  flags: number,
  files: Readonly<Record<string, string>> = {},
  held = 0n,
  missing: ReadonlyArray<string> = []
): string | undefined => {
  let unread = ""
  const all = { ...usual, ...files }
  const { calls, kernel } = scripted((call) => {
    switch (call._tag) {
      case "getresuid":
      case "getresgid":
        return { real: 1000, effective: 1000, saved: 1000 }
      case "capget":
        return { effective: held, permitted: held, inheritable: 0n }
      case "statx":
        return missing.some((type) => call.path.endsWith(`/${type}`)) ? "ENOENT" : { ino: initialUserNamespace }
      case "openat":
        unread = all[call.path] ?? ""
        return all[call.path] === undefined ? "ENOENT" : 9
      case "read": {
        const text = unread
        unread = ""
        return Buffer.from(text)
      }
      default:
        return undefined
    }
  })
  const reason = new SyscallError({ call: { _tag: "clone", flags }, code })
  const error = Effect.runSync(Effect.provideService(whyNoNamespace(reason, flags), Kernel, kernel))
  for (const { _tag } of calls) assert.include(refusalCalls, _tag as Call["_tag"] & (typeof refusalCalls)[number])
  assert.strictEqual(error.message, reason.message, "the call and its errno are told as they are")
  return error.advice
}

const user = CLONE.NEWUSER | CLONE.NEWNS

describe("a namespace that the kernel does not make", () => {
  it("without a user namespace takes CAP_SYS_ADMIN, and who has it is not told to get it", () => {
    assert.include(said("EPERM", CLONE.NEWNS), "give the container a user namespace")
    // root without it, as in a container, is root already
    assert.notInclude(said("EPERM", CLONE.NEWNS), "root")
    const advice = said("EPERM", CLONE.NEWNS, {}, capabilities("SYS_ADMIN"))
    assert.notInclude(advice, "CAP_SYS_ADMIN")
    assert.include(advice, "security module")
  })

  it("with a user namespace is never told to get one", () => {
    for (const held of [0n, capabilities("SYS_ADMIN")]) {
      assert.notInclude(said("EPERM", user, {}, held), "give the container a user namespace")
    }
  })

  it("in a chroot is told so", () => {
    const advice = said("EPERM", user, { "/proc/self/mountinfo": "22 1 0:20 / /proc rw - proc proc rw\n" })
    assert.include(advice, "chroot")
  })

  it("for an id without a mapping is told so", () => {
    assert.include(said("EPERM", user, { "/proc/self/uid_map": "0 1000 1\n" }), "uid 1000 or gid 1000 is not mapped")
  })

  it("by the distribution's switches is told so, with the sysctl", () => {
    const debian = { "/proc/sys/kernel/unprivileged_userns_clone": "0\n" }
    const ubuntu = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" }
    assert.include(said("EPERM", user, debian), "sysctl kernel.unprivileged_userns_clone is 0")
    assert.include(said("EPERM", user, ubuntu), "kernel.apparmor_restrict_unprivileged_userns is 1")
    assert.notInclude(said("EPERM", user, debian, capabilities("SYS_ADMIN")), "sysctl", "they are for others")
  })

  it("by a filter around the runtime is told so", () => {
    const advice = said("EPERM", user, { "/proc/self/status": "Seccomp:\t2\n" })
    assert.include(advice, "seccomp filter around the runtime")
    assert.include(said("EPERM", user), "security module")
  })

  it("by a limit is told which, and by 0 that there may be none", () => {
    const limits = { "/proc/sys/user/max_user_namespaces": "0\n", "/proc/sys/user/max_mnt_namespaces": "100\n" }
    assert.include(said("ENOSPC", user, limits), "sysctl user.max_user_namespaces is 0")
    const reached = said("ENOSPC", user, { ...limits, "/proc/sys/user/max_user_namespaces": "7\n" })
    assert.include(reached, "user.max_user_namespaces (7)")
    assert.include(reached, "user.max_mnt_namespaces (100)")
    assert.notInclude(reached, "max_net")
  })

  it("that this kernel does not have is named", () => {
    assert.include(said("EINVAL", CLONE.NEWTIME | CLONE.NEWNS, {}, 0n, ["time"]), "no time namespaces")
    assert.notInclude(said("EINVAL", CLONE.NEWNS), "namespaces")
  })

  it("is told as it is where nothing can be looked up", () => {
    const reason = new SyscallError({ call: { _tag: "clone", flags: user }, code: "EPERM" })
    const { kernel } = scripted(() => "EIO")
    const error = Effect.runSync(Effect.provideService(whyNoNamespace(reason, user), Kernel, kernel))
    assert.strictEqual(error.message, reason.message)
    assert.strictEqual(error.advice, reason.advice)
  })

  it("in a chroot of the model kernel is told so", () => {
    const files = { "/jail/proc": { directory: true } }
    const model = ModelKernel.make(seed({ uid: 0, files }))
    const program = Effect.gen(function*() {
      yield* sys.mount({ source: "proc", target: "/jail/proc", type: "proc", flags: 0, data: null })
      yield* sys.chroot({ path: "/jail" })
      yield* sys.chdir({ path: "/" })
      const reason = yield* Effect.flip(sys.unshare({ flags: CLONE.NEWUSER }))
      return yield* whyNoNamespace(reason, CLONE.NEWUSER)
    })
    assert.include(Effect.runSync(Effect.provide(program, model.layer)).advice, "chroot")
  })
})
