/** Constants, layouts and numbers against the system's C headers. */
import { assert, describe, it } from "@effect/vitest"
import * as constants from "../../src/native/constants.ts"
import * as structs from "../../src/native/linux/structs.ts"
import { table } from "../../src/native/linux/syscallNumbers.ts"
import { evaluate, noCompiler } from "../support/cHeaders.ts"

const reason = noCompiler()
if (reason !== undefined) console.log(`skipped: ${reason}`)

/** What must stand before a header that can't be included alone. */
const before: Readonly<Record<string, ReadonlyArray<string>>> = {
  "asm/signal.h": ["stddef.h"],
  // which defines OPEN_TREE_CLOEXEC as O_CLOEXEC
  "linux/mount.h": ["fcntl.h"]
}

const including = (header: string): ReadonlyArray<string> => [...before[header] ?? [], header]

describe.skipIf(reason !== undefined)("constants.ts", () => {
  const unknown: Array<string> = []
  for (const header of new Set(constants.all.map((family) => family.header))) {
    it(header, () => {
      const expected = new Map(
        constants.all.filter((family) => family.header === header).flatMap(({ prefix, values }) =>
          Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value] as const)
        )
      )
      const found = evaluate(including(header), [...expected.keys()])
      assert.isAbove(found.size, 0)
      for (const [name, value] of expected) {
        const inC = found.get(name)
        if (inC === undefined) unknown.push(name)
        // a constant that C gives as a negative int may stand here as its bits
        else assert.strictEqual(BigInt.asUintN(32, inC), BigInt.asUintN(32, BigInt(value)), name)
      }
    })
  }
  it("knows all but the newest names", () => {
    if (unknown.length > 0) console.log(`not in this system's headers: ${unknown.join(" ")}`)
    assert.isBelow(unknown.length, 5)
  })
})

/** Structures of which only the first part is used. */
const parts = new Set(["struct sched_attr", "union bpf_attr"])

describe.skipIf(reason !== undefined)("structs.ts", () => {
  for (const { type, header, size, fields } of structs.all) {
    it(type, () => {
      const places = Object.entries(fields)
      const found = evaluate(including(header), [
        `sizeof(${type})`,
        ...places.flatMap(([name]) => [`offsetof(${type}, ${name})`, `sizeof(((${type} *)0)->${name})`])
      ])
      const inC = Number(found.get(`sizeof(${type})`))
      if (parts.has(type)) assert.isAtLeast(inC, size)
      else assert.strictEqual(inC, size)
      for (const [name, place] of places) {
        assert.strictEqual(Number(found.get(`offsetof(${type}, ${name})`)), place.at, `offset of ${name}`)
        const sizeInC = Number(found.get(`sizeof(((${type} *)0)->${name})`))
        // of a set of flags only the lower half may be used
        if (name === "stx_attributes") assert.isAtLeast(sizeInC, place.size)
        else assert.strictEqual(sizeInC, place.size, `size of ${name}`)
      }
    })
  }
})

describe.skipIf(reason !== undefined)("syscalls.ts", () => {
  const names = Object.keys(table) as Array<keyof typeof table>
  const check = (headers: ReadonlyArray<string>, column: 0 | 1): void => {
    const found = evaluate(headers, names.map((name) => `__NR_${name}`))
    for (const name of names) assert.strictEqual(found.get(`__NR_${name}`), BigInt(table[name][column]), name)
  }
  it("x86-64", () => check(["asm/unistd_64.h"], 0))
  it("arm64", () =>
    check(
      [
        "#define __ARCH_WANT_RENAMEAT",
        "#define __ARCH_WANT_NEW_STAT",
        "#define __ARCH_WANT_SET_GET_RLIMIT",
        "asm-generic/unistd.h"
      ],
      1
    ))
})
