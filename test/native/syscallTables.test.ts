import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { type SyscallArch, syscallNumbers, X32_BIT } from "../../src/native/syscallTables.ts"

/** What a C header says, by preprocessing it; `undefined` where it is not installed. */
const headerOf = (file: string): ReadonlyMap<string, number> | undefined => {
  const path = ["/usr/include/x86_64-linux-gnu/", "/usr/include/"].map((root) => root + file).find(existsSync)
  if (path === undefined) return undefined
  const macros = execFileSync("cc", ["-E", "-dM", "-x", "c", "-"], { input: `#include "${path}"\n`, encoding: "utf8" })
  const found = macros.matchAll(/^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm)
  return new Map([...found].map(([, name, number]) => [name!, Number(number)]))
}

describe("syscallNumbers", () => {
  it("knows well-known numbers", () => {
    const known: ReadonlyArray<readonly [SyscallArch, string, number]> = [
      ["X86_64", "read", 0],
      ["X86_64", "execve", 59],
      ["X86_64", "seccomp", 317],
      ["X32", "execve", X32_BIT + 520],
      ["X86", "socketcall", 102],
      ["AARCH64", "execve", 221],
      ["AARCH64", "clone3", 435],
      ["ARM", "mmap2", 192],
      ["ARM", "set_tls", 0xf0005]
    ]
    for (const [arch, name, number] of known) {
      assert.strictEqual(syscallNumbers(arch).get(name), number, `${arch} ${name}`)
    }
  })

  it("gives calls since Linux 5.1 the same number everywhere", () => {
    const numbers = (["X86_64", "X86", "AARCH64", "ARM"] as const).map(syscallNumbers)
    for (const name of ["pidfd_send_signal", "openat2", "fchmodat2", "mseal", "listns"]) {
      assert.lengthOf(new Set(numbers.map((table) => table.get(name))), 1, name)
      assert.isDefined(numbers[0]!.get(name))
    }
  })

  it("stands in the order of the numbers", () => {
    for (const arch of ["X86_64", "X32", "X86", "AARCH64", "ARM"] as const) {
      const numbers = [...syscallNumbers(arch).values()]
      assert.deepStrictEqual(numbers, numbers.toSorted((a, b) => a - b), arch)
    }
  })

  it.each<[SyscallArch, string]>([["X86_64", "asm/unistd_64.h"], ["X86", "asm/unistd_32.h"]])(
    "agrees with this system's header for %s",
    (arch, file) => {
      const header = process.arch === "x64" ? headerOf(file) : undefined
      const numbers = syscallNumbers(arch)
      for (const [name, number] of header ?? []) assert.strictEqual(numbers.get(name), number, name)
    }
  )
})
