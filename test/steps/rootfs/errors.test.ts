import { assert, describe, it } from "@effect/vitest"
import type { Errno } from "../../../src/native/Errno.ts"
import { SyscallError } from "../../../src/native/Kernel.ts"
import { type Doing, MountError, RootChangedError } from "../../../src/steps/rootfs/errors.ts"

const failed = (what: Doing, code: Errno, type = "tmpfs") =>
  new MountError({
    destination: "/place",
    source: "/source",
    type,
    what,
    reason: new SyscallError({ call: { _tag: "fsopen", type, flags: 0 }, code })
  })

/** What the kernel says to each part of a mount, as far as a user can do something about it. */
const told: Readonly<Record<string, ReadonlyArray<Errno>>> = {
  "open the source": ["ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EINVAL", "ENAMETOOLONG", "EPERM", "EMFILE"],
  "resolve the target": [
    "ELOOP",
    "ENOTDIR",
    "EROFS",
    "EACCES",
    "EPERM",
    "EOVERFLOW",
    "ENOSPC",
    "EDQUOT",
    "ENAMETOOLONG"
  ],
  "open the file system": ["ENODEV", "EPERM", "ENOMEM", "EMFILE"],
  "option size=x": ["EINVAL", "ENOENT", "EPERM"],
  "option gid=5": ["EINVAL", "EPERM"],
  "create the file system": ["ENOENT", "ENOTBLK", "ENXIO", "EACCES", "EINVAL", "EPERM", "EBUSY"],
  "set the attributes": ["EPERM", "ENOMEM"],
  remount: ["ENOENT", "EINVAL", "EPERM"],
  "copy up": ["ENOSPC", "EPERM", "EINVAL", "EACCES", "EXDEV", "ELOOP"],
  attach: ["EINVAL", "ENOTDIR", "ENOSPC", "EPERM"]
}

describe("errors of mounts", () => {
  it("name the mount, the call and the errno, and say what to do", () => {
    for (const [what, codes] of Object.entries(told)) {
      for (const code of codes) {
        for (const type of ["tmpfs", "bind", "proc", "sysfs"]) {
          const { advice, message } = failed(what as Doing, code, type)
          assert.isString(advice, `${what}: ${code}`)
          const named = type === "bind" ? "bind /source on /place" : `mount ${type} on /place`
          assert.isTrue(message.startsWith(`${named}: ${what}: fsopen(`) && message.includes(code), message)
        }
      }
    }
  })

  it("give no advice where they know none", () => {
    assert.isUndefined(failed("attach", "EIO").advice)
  })

  it("say of an id that is refused that it is not mapped", () => {
    assert.include(failed("option gid=5", "EINVAL", "devpts").advice, "/proc/self/gid_map")
    assert.include(failed("option uid=7", "EINVAL").advice, "/proc/self/uid_map")
  })

  it("never tell to take what is there already", () => {
    assert.match(failed("create the file system", "EPERM", "proc").advice ?? "", /bind \/proc from the host/)
    assert.match(new RootChangedError({ path: "/proc", found: "is gone" }).advice, /no other process/)
  })
})
