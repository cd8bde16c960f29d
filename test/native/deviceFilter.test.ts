import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type DeviceAccess, runDeviceFilter } from "../../src/model/bpfInterpreter.ts"
import { compileDeviceFilter, type Rule } from "../../src/native/deviceFilter.ts"

/** `+c 1:3 rw` allows, `-…` denies; `*` is any. */
const rule = (text: string): Rule => {
  const [sign, type, numbers, access = ""] = [text[0], text[1], ...text.slice(3).split(" ")]
  const [major, minor] = numbers!.split(":").map((part) => part === "*" ? null : Number(part)) as [
    number | null,
    number | null
  ]
  return { allow: sign === "+", type: type as Rule["type"], major, minor, access }
}
const asks = (text: string): DeviceAccess => {
  const [type, numbers, access = ""] = text.split(" ")
  const [major, minor] = numbers!.split(":").map(Number)
  return { type: type as "b" | "c", major: major!, minor: minor!, access }
}
const grants = (rules: ReadonlyArray<string>, access: string): boolean =>
  runDeviceFilter(compileDeviceFilter(rules.map(rule)), asks(access))

describe("compileDeviceFilter", () => {
  it("refuses what no rule names", () => {
    assert.isFalse(grants([], "c 1:3 r"))
    assert.isFalse(grants(["+c 1:3 rwm"], "c 1:5 r"))
    assert.isFalse(grants(["+c 1:3 rwm"], "b 1:3 r"))
    assert.isTrue(grants(["+c 1:3 rwm"], "c 1:3 r"))
  })

  it("lets a later rule override an earlier one", () => {
    assert.isTrue(grants(["-a *:* rwm", "+c 1:3 r"], "c 1:3 r"))
    assert.isFalse(grants(["+c 1:3 r", "-a *:* rwm"], "c 1:3 r"))
    assert.isFalse(grants(["+c *:* m", "-c 1:3 m"], "c 1:3 m"))
    assert.isTrue(grants(["+c *:* m", "-c 1:3 m"], "c 1:4 m"))
  })

  it("takes rules for one device together", () => {
    assert.isTrue(grants(["+c 1:3 r", "+c 1:3 w"], "c 1:3 rw"))
    assert.isTrue(grants(["+c *:3 r", "+c 1:* w"], "c 1:3 rw"))
    assert.isFalse(grants(["+c 1:3 r", "+c 1:3 w"], "c 1:3 rwm"))
    assert.isFalse(grants(["+c 1:3 rwm", "-c 1:3 w"], "c 1:3 rw"))
    assert.isTrue(grants(["+c 1:3 rwm", "-c 1:3 w"], "c 1:3 r"))
  })

  it("takes no access letters for all", () => {
    assert.isTrue(grants(["+c 1:3"], "c 1:3 rwm"))
    assert.isFalse(grants(["+a *:*", "-a *:*"], "c 1:3 r"))
  })

  it("forgets what stands before a rule that names everything", () => {
    const long = compileDeviceFilter([..."x".repeat(50)].map(() => rule("-c 1:3 r")).concat(rule("+a *:* rwm")))
    assert.deepStrictEqual(long, compileDeviceFilter([rule("+a *:* rwm")]))
  })

  it("leaves out numbers that no device has", () => {
    assert.deepStrictEqual(compileDeviceFilter([rule("+c 4096:1 r"), rule("+c 1:1048576 r")]), compileDeviceFilter([]))
  })

  it("agrees with a direct evaluation of random rules", () => {
    const number = fc.constantFrom(0, 1, 3, 255, 4095)
    const letters = fc.subarray(["r", "w", "m"]).map((list) => list.join(""))
    const rules = fc.array(
      fc.record<Rule>({
        allow: fc.boolean(),
        type: fc.constantFrom("a", "b", "c"),
        major: fc.option(number),
        minor: fc.option(number),
        access: letters
      }),
      { maxLength: 20 }
    )
    const access = fc.record<DeviceAccess>({
      type: fc.constantFrom("b", "c"),
      major: number,
      minor: number,
      access: fc.subarray(["r", "w", "m"], { minLength: 1 }).map((list) => list.join(""))
    })
    const evaluate = (rules: ReadonlyArray<Rule>, { access, major, minor, type }: DeviceAccess): boolean =>
      [...access].every((letter) =>
        rules.findLast((rule) =>
          (rule.type === "a" || rule.type === type) && (rule.major ?? major) === major &&
          (rule.minor ?? minor) === minor && (rule.access === "" || rule.access.includes(letter))
        )?.allow ?? false
      )
    fc.assert(
      fc.property(rules, fc.array(access, { minLength: 10, maxLength: 30 }), (rules, accesses) => {
        const program = compileDeviceFilter(rules)
        for (const one of accesses) assert.strictEqual(runDeviceFilter(program, one), evaluate(rules, one))
      }),
      { numRuns: 500 }
    )
  })
})
