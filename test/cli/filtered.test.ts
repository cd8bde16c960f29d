import { assert, describe, it } from "@effect/vitest"
import { withFilter } from "../../src/cli/filtered.ts"

const under = (text: string): string => withFilter(text, () => true)

describe("an error under a seccomp filter", () => {
  it.each(["EPERM", "ENOSYS"])(
    "of %s says that the filter may refuse the call, after the step's own advice",
    (code) => {
      const text = `runfx: fsopen("proc", 0) = -1 ${code} (…)\n  what to do: …\n`
      assert.match(
        under(text),
        /^runfx: fsopen.*\n {2}what to do: …\n {2}or: a seccomp filter around the runtime refuses /
      )
      assert.strictEqual(withFilter(text, () => false), text)
    }
  )

  it.each([
    "runfx: statx(…) = -1 EPERM (…)\n  what to do: a seccomp filter or sandbox around the runtime forbids statx(2)\n",
    "runfx: mkdirat(…) = -1 ENOENT (…)\n"
  ])("says no more if it is said, or can't be: %s", (text) => {
    assert.strictEqual(under(text), text)
  })
})
