/** What is told of a host, by what the host says. */
import { assert, describe, it } from "@effect/vitest"
import { processesIn } from "../../src/sandbox/probe.ts"

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
