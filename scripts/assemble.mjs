// Writes src/native/linux/remote/code.ts from the assembly beside it. Needs GNU as, nm and objcopy for both machines
// (packages binutils, binutils-aarch64-linux-gnu).
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL("../src/native/linux/remote/", import.meta.url))

/** The code of a machine, and where its entry points are. */
export const assemble = (machine) => {
  const prefix = machine === "x64" ? "x86_64-linux-gnu-" : "aarch64-linux-gnu-"
  const directory = mkdtempSync(join(tmpdir(), "assemble-"))
  try {
    const object = join(directory, "code.o")
    const binary = join(directory, "code.bin")
    const tool = (name, ...args) => execFileSync(prefix + name, args, { encoding: "utf8" })
    tool("as", join(here, `server.${machine}.S`), "-o", object)
    tool("objcopy", "-O", "binary", "-j", ".text", object, binary)
    const symbols = Object.fromEntries(
      tool("nm", object).trim().split("\n").map((line) => line.split(/\s+/)).map((
        [at, , name]
      ) => [name, parseInt(at, 16)])
    )
    const { answer, arena, spawn, start, thread, wake } = symbols
    return { entries: { wake, answer, spawn, start, thread, arena }, hex: readFileSync(binary).toString("hex") }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = (machine) => {
    const { entries, hex } = assemble(machine)
    const lines = hex.match(/.{1,96}/g).map((line) => `      "${line}"`)
    return `  ${machine}: {
    entries: { ${Object.entries(entries).map(([name, at]) => `${name}: ${at}`).join(", ")} },
    hex: [
${lines.join(",\n")}
    ].join("")
  }`
  }
  writeFileSync(
    join(here, "code.ts"),
    `/**
 * The machine code of server.x64.S and server.arm64.S, assembled by \`node scripts/assemble.mjs\`; a test holds it to them.
 */

/** The code of a machine, and where in it the entry points are. */
export interface Code {
  readonly entries: Readonly<Record<"wake" | "answer" | "spawn" | "start" | "thread" | "arena", number>>
  readonly hex: string
}

/** By the machine's name as Node has it. */
export const code: { readonly [machine in "x64" | "arm64"]: Code } = {
${text("x64")},
${text("arm64")}
}
`
  )
}
