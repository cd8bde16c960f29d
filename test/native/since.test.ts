import { assert, it } from "@effect/vitest"
import { type Call, SyscallError } from "../../src/native/Kernel.ts"

const advice = (call: object, code: "ENOSYS" | "ENOENT" | "EPERM") =>
  new SyscallError({ call: call as Call, code }).advice

it("a call that is missing is named, with the Linux that has it and with who else may have taken it away", () => {
  const told = advice({ _tag: "mount_setattr" }, "ENOSYS")
  assert.include(told, "mount_setattr(2) is missing: Linux has it since 5.12")
  assert.include(told, "seccomp filter or sandbox around the runtime")
  for (const name of ["openat2", "fsopen", "fsmount", "move_mount", "open_tree", "pidfd_open", "statx", "faccessat2"]) {
    assert.match(advice({ _tag: name }, "ENOSYS")!, new RegExp(`^${name}\\(2\\) is missing: Linux has it since \\d`))
  }
  assert.include(advice({ _tag: "memfd_create" }, "ENOSYS"), "since 3.17")
  assert.include(advice({ _tag: "execveat" }, "ENOSYS"), "since 3.19")
  assert.include(advice({ _tag: "keyctl" }, "ENOSYS"), "built without it")
})

it("a call that the kernel forbids to nobody is forbidden by a filter", () => {
  assert.include(advice({ _tag: "statx" }, "EPERM"), "seccomp filter")
  assert.include(advice({ _tag: "mount" }, "EPERM"), "lacks a capability")
})

it("a process that does not find itself in /proc is told to mount one, and nobody else is", () => {
  assert.include(advice({ _tag: "openat", path: "/proc/self/mountinfo" }, "ENOENT"), "mount -t proc")
  for (const path of ["/proc/12/ns/mnt", "/etc/passwd"]) {
    assert.notInclude(advice({ _tag: "openat", path }, "ENOENT"), "mount -t proc")
  }
})
