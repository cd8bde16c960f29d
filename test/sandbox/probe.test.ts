/** What is told of a host, by what the host says. */
import { assert, describe, it } from "@effect/vitest"
import { numbers } from "../../src/config/capabilities.ts"
import { processesIn } from "../../src/sandbox/probe.ts"

import { isReadOnly, remedyOf } from "../../src/sandbox/probe/cgroups.ts"
import { onlyOwn } from "../../src/sandbox/probe/ids.ts"

const mounted = (options: string) =>
  `21 1 0:20 / /sys rw - sysfs sysfs rw\n22 1 0:21 / /proc rw,nosuid shared:13 - proc proc ${options}\n`

describe("whether a caller sees the processes of its sandboxes", () => {
  it.each(["rw", "rw,hidepid=off", "rw,hidepid=0", "rw,hidepid=1", "rw,hidepid=noaccess"])("does, of %s", (options) => {
    assert.isTrue(processesIn(mounted(options), false).ok)
  })
  it.each(["rw,hidepid=2", "rw,gid=5,hidepid=invisible", "rw,hidepid=ptraceable,subset=pid"])(
    "does not, of %s, unless it is root",
    (options) => {
      const { found, ok, remedy } = processesIn(mounted(options), false)
      assert.isFalse(ok)
      assert.match(found, /^\/proc hides them \(hidepid=/)
      assert.match(remedy!, /remount,hidepid=0 \/proc/)
      assert.isTrue(processesIn(mounted(options), true).ok)
    }
  )
  it("looks at no other mount", () => {
    assert.isTrue(processesIn("22 1 0:21 / /srv/proc rw - proc proc rw,hidepid=2\n", false).ok)
  })
})

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
