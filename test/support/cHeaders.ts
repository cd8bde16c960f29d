/** Asks the system's C compiler for what its headers say. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Why nothing can be compiled here; `undefined` where it can. */
export const noCompiler = (): string | undefined => {
  const probe = spawnSync("cc", ["-xc", "-fsyntax-only", "-"], { input: "#include <linux/mount.h>\n" })
  if (probe.error !== undefined) return `no C compiler: ${probe.error.message}`
  return probe.status === 0 ? undefined : "the kernel's headers are not installed"
}

const source = (headers: ReadonlyArray<string>, expressions: ReadonlyArray<string>): string =>
  [
    "#define _GNU_SOURCE 1",
    "#include <stddef.h>",
    ...headers.map((header) => header.startsWith("#") ? header : `#include <${header}>`),
    "int printf(const char *, ...);",
    "int main(void) {",
    // one line each, so that the compiler's messages say which one it does not know
    ...expressions.map((expression) => `  printf("%lld\\n", (long long)(${expression}));`),
    "  return 0;",
    "}"
  ].join("\n")

/** Values of C expressions; those that the headers do not know are left out. */
export const evaluate = (
  headers: ReadonlyArray<string>,
  expressions: ReadonlyArray<string>
): ReadonlyMap<string, bigint> => {
  const directory = mkdtempSync(join(tmpdir(), "runfx-c-"))
  try {
    const program = join(directory, "program")
    const compile = (known: ReadonlyArray<string>) =>
      spawnSync("cc", ["-xc", "-w", "-fmax-errors=0", "-o", program, "-"], {
        input: source(headers, known),
        encoding: "utf8"
      })
    const offset = source(headers, []).split("\n").indexOf("int main(void) {") + 2
    let known = expressions
    let result = compile(known)
    // the first use of an unknown name is reported once: names are used once each, but a type is used often
    for (let round = 0; result.status !== 0 && round < 20; round++) {
      const bad = new Set(
        [...result.stderr.matchAll(/^<stdin>:(\d+):\d+: error/gm)].map((match) => Number(match[1]) - offset)
      )
      if (bad.size === 0) break
      known = known.filter((_, index) => !bad.has(index))
      result = compile(known)
    }
    if (result.status !== 0) throw new Error(`cc: ${result.stderr}`)
    const values = execFileSync(program, { encoding: "utf8" }).trim().split("\n").filter((line) => line !== "")
    return new Map(known.map((expression, index) => [expression, BigInt(values[index]!)]))
  } finally {
    rmSync(directory, { recursive: true })
  }
}
