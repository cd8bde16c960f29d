import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { runSeccomp } from "../../src/model/bpfInterpreter.ts"
import { and, assemble, branch, encode, load, type Node, ret, type Test } from "../../src/native/bpf.ts"

const word = (view: DataView, index: number): string =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((at) => view.getUint8(index * 8 + at).toString(16).padStart(2, "0")).join(" ")

describe("assemble", () => {
  it("writes struct sock_filter", () => {
    const shared = ret(0x7fff0000)
    const program = assemble(
      load(4, branch("==", 0xc000003e, load(0, branch(">=", 0x53, ret(0x50001), shared)), shared))
    )
    const view = new DataView(program.buffer)
    assert.deepStrictEqual(Array.from({ length: program.length / 8 }, (_, index) => word(view, index)), [
      "20 00 00 00 04 00 00 00",
      "15 00 00 02 3e 00 00 c0",
      "20 00 00 00 00 00 00 00",
      "35 00 01 00 53 00 00 00",
      "06 00 00 00 00 00 ff 7f",
      "06 00 00 00 01 00 05 00"
    ])
  })

  it("puts a jump between where one is too short", () => {
    const [one, two] = [ret(1), ret(2)]
    for (let length = 245; length < 265; length++) {
      let chain = branch("==", 9, one, two)
      for (let index = 0; index < length; index++) chain = load(0, chain)
      // both ends of the last branch lie behind the chain
      const program = assemble(load(0, branch("==", 9, chain, load(0, branch("==", 7, one, two)))))
      assert.deepStrictEqual([7, 8, 9].map((nr) => runSeccomp(program, { nr, arch: 0, args: [] })), [1, 2, 1])
    }
  })

  it("agrees with the graph, however far its jumps reach", () => {
    /** What a graph gives, where every load gives `input`. */
    const evaluate = (root: Node, input: number): number => {
      let accumulator = 0
      let node = root
      while (node._tag !== "Return") {
        if (node._tag === "Load") accumulator = input
        if (node._tag === "And") accumulator = (accumulator & node.mask) >>> 0
        if (node._tag !== "Branch") {
          node = node.next
          continue
        }
        const { no, test, value, yes } = node
        const holds = {
          "==": accumulator === value,
          ">": accumulator > value,
          ">=": accumulator >= value,
          "&": (accumulator & value) !== 0
        }[test]
        node = holds ? yes : no
      }
      return node.value
    }
    // nodes that lead to any node made before them: much sharing, jumps of every length
    const seed = fc.record({
      kind: fc.constantFrom("load", "and", "branch", "branch", "branch"),
      value: fc.integer({ min: 0, max: 40 }),
      test: fc.constantFrom<Test>("==", ">", ">=", "&"),
      to: fc.array(fc.nat(), { minLength: 2, maxLength: 2 })
    })
    fc.assert(
      fc.property(fc.array(seed, { minLength: 1, maxLength: 1500, size: "max" }), (seeds) => {
        const nodes: Array<Node> = [ret(1), ret(2), ret(3)]
        for (const { kind, test, to, value } of seeds) {
          const [first, second] = to.map((index) => nodes[nodes.length - 1 - index % Math.min(nodes.length, 400)]!)
          nodes.push(
            kind === "load"
              ? load(0, first!)
              : kind === "and"
              ? and(value, first!)
              : branch(test, value, first!, second!)
          )
        }
        const root = load(0, nodes.at(-1)!)
        const program = assemble(root)
        for (const nr of [0, 1, 7, 20, 39, 41]) {
          assert.strictEqual(runSeccomp(program, { nr, arch: 0, args: [] }), evaluate(root, nr))
        }
      }),
      { numRuns: 100 }
    )
  })
})

describe("encode", () => {
  it("writes struct bpf_insn", () => {
    const bytes = encode([{ code: 0x61, dst: 2, src: 1, offset: -4, immediate: -1 }])
    assert.deepStrictEqual([...bytes], [0x61, 0x12, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff])
  })
})
