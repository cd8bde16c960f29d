import { assert, describe, it } from "@effect/vitest"
import type { NamespaceType } from "../../../src/config/Container.ts"
import { CLONE } from "../../../src/native/constants.ts"
import { namespacePlan } from "../../../src/steps/parent/namespacePlan.ts"

const made = (type: NamespaceType) => ({ type })
const joined = (type: NamespaceType) => ({ type, path: `/run/ns/${type}` })

describe("namespacePlan", () => {
  it("makes what is new in one clone, but for the cgroup namespace", () => {
    const { clone, joins, unshare } = namespacePlan([made("pid"), made("mnt"), made("cgroup"), made("user")])
    assert.strictEqual(clone, CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWUSER)
    assert.strictEqual(unshare, CLONE.NEWCGROUP)
    assert.deepStrictEqual(joins, [])
  })

  // the first process of a pid namespace can't fork with the same parent once more
  it.each(
    [
      [joined("time")],
      [made("time")],
      [joined("pid")],
      [joined("user")]
    ] as const
  )("leaves what is new to the init where that forks once more, or enters another user namespace: %o", (other) => {
    const { clone, unshare } = namespacePlan([other, ...other.type === "pid" ? [] : [made("pid")], made("net")])
    assert.strictEqual(clone, 0)
    assert.isTrue((unshare & CLONE.NEWNET) !== 0)
    assert.strictEqual((unshare & CLONE.NEWPID) !== 0, other.type !== "pid")
  })
})
