/** Data that nobody can change, and documents that are remembered as such. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { decode, decodeLibcontainer, decodeOci } from "../../src/config/Config.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { hasContent, immutable, isImmutable } from "../../src/engine/immutable.ts"

const spec = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })

describe("immutable data", () => {
  it("is a copy with the same content, of which no part can be changed", () => {
    const copy = immutable(spec)!
    assert.deepStrictEqual(copy, spec)
    assert.isFalse(Object.isFrozen(spec))
    for (
      const change of [() => Object.assign(copy.process, { args: [] }), () => Array.prototype.pop.call(copy.mounts)]
    ) {
      assert.throws(change, TypeError)
    }
    assert.strictEqual(immutable(copy), copy)
    assert.strictEqual(immutable({ ...copy, hostname: "web" })!.mounts, copy.mounts)
    assert.isTrue(isImmutable(copy.process.args))
    assert.isTrue(isImmutable(copy))
    assert.isFalse(isImmutable(Object.freeze({ ...spec })))
  })

  it("keeps a key that is no ordinary one", () => {
    const annotations = JSON.parse(`{"__proto__": "a"}`) as object
    assert.deepStrictEqual(Object.entries(immutable(annotations)!), [["__proto__", "a"]])
  })

  const circle: { inner?: object } = {}
  circle.inner = { circle }
  it.each<[name: string, value: object]>([
    ["a secret", { env: [Redacted.make("A=b")] }],
    ["a function", { create: () => {} }],
    ["an object of a class", { when: new Date(0) }],
    ["an object without a prototype", { annotations: Object.create(null) }],
    ["a value that is computed", {
      get args() {
        return ["a"]
      }
    }],
    ["a property that is not listed", Object.defineProperty({}, "args", { value: [] })],
    ["a symbol for a key", { [Symbol.iterator]: 1 }],
    ["a hole", { args: Array(1) }],
    ["a list with a property", { args: Object.assign(["a"], { more: 1 }) }],
    ["a list of a class", { args: new (class extends Array {})() }],
    ["no end", circle]
  ])("is not made of what has %s", (_, value) => {
    assert.isUndefined(immutable(value))
  })

  it("has the content of another value only if all of it is the same", () => {
    const same = (one: object, other: object) => hasContent(one, immutable(other)!)
    assert.isTrue(same(structuredClone(spec), spec))
    const changes: ReadonlyArray<object> = [
      { ...spec, hostname: "web" },
      { ...spec, hostname: undefined },
      { ...spec, process: { ...spec.process, args: ["/bin/server", "-v"] } },
      { ...spec, process: { ...spec.process, args: { 0: "/bin/server" } } },
      { ...spec, mounts: spec.mounts.slice(1) },
      { ...spec, rootfs: { ...[..."/srv/web"] } },
      { ...spec, annotations: Redacted.make("a") }
    ]
    for (const changed of changes) assert.isFalse(same(changed, spec))
    assert.isFalse(same({ a: undefined, c: 1 }, { a: undefined, b: 1 }))
    assert.isFalse(same({ a: undefined }, { b: undefined }))
    assert.isFalse(same({ a: 0 }, { a: -0 }))
    assert.isFalse(same({ a: 1 }, { a: 1n }))
  })
})

describe("a document that is decoded again", () => {
  const document = (mark: string) => ({ ociVersion: "1.2.0", root: { path: "r" }, process: { args: [mark], cwd: "/" } })
  const text = (mark: string) => JSON.stringify(document(mark))
  const read = (mark: string, bundle = "/b", args?: ReadonlyArray<string>) =>
    Result.getOrThrow(decode(text(mark), bundle, args === undefined ? {} : { args }))

  it("is the same object from the second time on, which nobody can change", () => {
    const [first, second, third] = [read("again"), read("again"), read("again")]
    assert.isFalse(isImmutable(first))
    assert.isTrue(isImmutable(second.container))
    assert.strictEqual(third, second)
    assert.deepStrictEqual(second, first)
    assert.throws(() => Object.assign(second.container.process, { args: [] }), TypeError)
  })

  it("is another one in another bundle, with other overrides, or in another function", () => {
    const found = [read("else"), read("else", "/c"), read("else", "/c", ["a"]), read("else", "/c", ["a"])]
    assert.deepStrictEqual(found.map((one) => one.container.rootfs), ["/b/r", "/c/r", "/c/r", "/c/r"])
    assert.strictEqual(new Set(found).size, 4)
    const bare = JSON.stringify({ rootfs: "/srv", args: ["a"] })
    for (let time = 0; time < 3; time++) {
      assert.isTrue(Result.isFailure(decodeOci(bare, "/b")))
      assert.deepStrictEqual(Result.getOrThrow(decodeLibcontainer(bare, { args: ["b"] })).process.args, ["b"])
      assert.deepStrictEqual(Result.getOrThrow(decodeLibcontainer(bare)).process.args, ["a"])
    }
  })

  it("is refused each time if it is wrong", () => {
    const wrong = () => decode(text("a").replace("\"/\"", "\"x\""), "/b")
    const [first, ...others] = [wrong(), wrong(), wrong()]
    for (const other of others) assert.deepStrictEqual(other, first)
    assert.isTrue(Result.isFailure(first!))
  })

  it("is forgotten after eight others, or if it is very long", () => {
    const known = [read("old"), read("old")][1]
    for (let index = 0; index < 8; index++) read(`other${index}`)
    assert.notStrictEqual(read("old"), known)
    const long = "x".repeat(1 << 18)
    for (let time = 0; time < 3; time++) assert.isFalse(isImmutable(read(long)))
  })
})
