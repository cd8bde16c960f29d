/** Edits of pipelines: what they make, and what they refuse. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { header, journal, Name, Size } from "../support/pipelines.ts"

describe("edits", () => {
  const { step } = journal()
  const abc = Pipeline.make(header, step("a"), step("b"), step("c"))
  const names = (pipeline: Pipeline.Any) => pipeline.steps.map(({ name }) => name).join(" ")

  it("put, replace and take out by name, and leave the original alone", () => {
    assert.strictEqual(names(Pipeline.insertBefore(abc, "b", step("x"))), "a x b c")
    assert.strictEqual(names(Pipeline.insertAfter(abc, "c", step("x"))), "a b c x")
    assert.strictEqual(names(Pipeline.replace(abc, "b", step("x"))), "a x c")
    assert.strictEqual(names(Pipeline.replace(abc, "b", step("b"))), "a b c")
    assert.strictEqual(names(Pipeline.remove(abc, "a")), "b c")
    assert.strictEqual(names(Pipeline.append(abc, step("x"))), "a b c x")
    assert.strictEqual(names(Pipeline.insertAllBefore(abc, "b", [step("x"), step("y")])), "a x y b c")
    assert.strictEqual(names(Pipeline.insertAllAfter(abc, "b", [step("x"), step("y")])), "a b x y c")
    assert.strictEqual(names(abc), "a b c")
  })

  it("move and exchange", () => {
    assert.strictEqual(names(Pipeline.move(abc, "a", { after: "b" })), "b a c")
    assert.strictEqual(names(Pipeline.move(abc, "c", { before: "a" })), "c a b")
    assert.strictEqual(names(Pipeline.move(abc, "b", { after: "b" })), "a b c")
    assert.strictEqual(names(Pipeline.swap(abc, "a", "c")), "c b a")
    assert.strictEqual(names(Pipeline.swap(abc, "a", "a")), "a b c")
  })

  it("are values that are applied later, one after the other, to every pipeline that has the steps", () => {
    const edit = Pipeline.compose(
      Pipeline.insertAfter("a", step("x")),
      Pipeline.when(true, Pipeline.remove("b")),
      Pipeline.when(false, Pipeline.remove("a"))
    )
    assert.strictEqual(names(edit(abc)), "a x c")
    assert.strictEqual(names(abc.pipe(edit, Pipeline.append(step("z")))), "a x c z")
    assert.strictEqual(names(edit(Pipeline.make(header, step("b"), step("a")))), "a x")
    assert.deepStrictEqual(edit.changes.map(({ _tag }) => _tag), ["After", "When", "When"])
  })

  it("concat takes what both take, but for what the first one provides to the second", () => {
    const giver = Step.make("giver", {
      doc: "",
      calls: [],
      provides: Name,
      reversal: "harmless",
      run: Effect.succeed("")
    })
    const first = Pipeline.make({ ...header, inputs: [Size] }, giver)
    const second = Pipeline.make({ ...header, name: "second", inputs: [Name, Size] }, step("x"))
    const both = Pipeline.concat(first, second)
    assert.strictEqual(names(both), "giver x")
    assert.strictEqual(both.name, "box")
    assert.deepStrictEqual(both.inputs.map(({ key }) => key), ["Size"])
    assert.deepStrictEqual(second.pipe(Pipeline.concat(first)).inputs.map(({ key }) => key), ["Name", "Size"])
  })

  it("refuse a name that is not there, naming those that are", () => {
    // an untyped caller
    const name: string = "z"
    assert.throws(() => Pipeline.remove(abc, name as "a"), "there is no step \"z\"; there are a, b, c")
    const typo: string = "setHostnam"
    assert.throws(
      () => Pipeline.remove(Pipeline.make(header, step("setHostname")), typo as "setHostname"),
      "there is no step \"setHostnam\": did you mean \"setHostname\"?"
    )
  })

  it("describe gives plain data", () => {
    const described = Pipeline.describe(abc)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(described[0])), {
      name: "a",
      doc: "a",
      calls: [],
      requires: [],
      reversal: "compensated"
    })
  })
})
