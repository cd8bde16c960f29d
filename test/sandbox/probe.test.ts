/** What is told of a host, by what the host says. */
import { assert, describe, it } from "@effect/vitest"
import { numbers } from "../../src/config/capabilities.ts"
import { isReadOnly, remedyOf } from "../../src/sandbox/probe/cgroups.ts"
import { onlyOwn } from "../../src/sandbox/probe/ids.ts"

describe("what to do about ids and cgroups is what this caller can do", () => {
  const user = { uid: 1000, gid: 1000, capabilities: 0n, initial: true }
  it.each([
    ["a user", onlyOwn(user, false), "a line as \"1000:100000:65536\" in /etc/subuid"],
    ["one whose programs gain nothing", onlyOwn(user, true), "start without no_new_privs"],
    [
      "root of a namespace with one id",
      onlyOwn({
        ...user,
        capabilities: [numbers.SETUID, numbers.SETGID, numbers.SETFCAP].reduce((all, n) => all | 1n << BigInt(n), 0n)
      }, false),
      "start in a user namespace with more ids"
    ]
  ])("of %s", (_, { ok, remedy }, expected) => {
    assert.isFalse(ok)
    assert.include(remedy, expected)
  })
  it.each([
    ["of a container", remedyOf("EROFS", "/sys/fs/cgroup", false), "--privileged"],
    ["of a host with systemd", remedyOf("EACCES", "/sys/fs/cgroup", true), "systemd-run --user"],
    ["of another host", remedyOf("EACCES", "/sys/fs/cgroup", false), "have root make a cgroup in /sys/fs/cgroup "]
  ])("%s", (_, remedy, expected) => assert.include(remedy, expected))
})

it("looks whether cgroups are mounted read-only, whoever may write them", () => {
  const table = (how: string) =>
    `1 0 0:1 / / ro - ext4 a rw\n2 1 0:2 / /sys/fs/cgroup ${how},nosuid - cgroup2 b rw\n3 1 0:3 / /sys ro - sysfs c rw\n`
  assert.isTrue(isReadOnly("/sys/fs/cgroup/a", table("ro")))
  assert.isFalse(isReadOnly("/sys/fs/cgroup", table("rw")))
})
