/**
 * Compiles the machine code of our own, and writes what came out beside its source; and the layout of the server's
 * memory for the compiler, `layout.h`. Needs gcc for both machines (Debian: gcc, gcc-x86-64-linux-gnu or gcc-aarch64-linux-gnu).
 */
import { transformSync } from "esbuild"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const native = fileURLToPath(new URL("../src/native/", import.meta.url))
const rpc = join(native, "linux/rpc/")

/**
 * What is compiled: the source, and the names that TypeScript needs the places of.
 *
 * @satisfies {Readonly<Record<string, { to: string, names: readonly string[] }>>}
 */
export const sources = {
  "linux/rpc/server.c": { to: "linux/rpc/code.ts", names: ["spawn", "watch", "start", "shared"] },
  "linux/rpc/guard.c": { to: "linux/rpc/guardCode.ts", names: ["start"] },
  "reaper.c": { to: "reaperCode.ts", names: ["start", "parameters"] },
  "trampoline.c": { to: "trampolineCode.ts", names: ["start", "parameters"] }
}

const compilers = {
  x64: { prefix: "x86_64-linux-gnu-", flags: ["-fpie", "-fcf-protection=none"] },
  arm64: { prefix: "aarch64-linux-gnu-", flags: ["-fno-pie", "-mcmodel=tiny", "-mno-outline-atomics"] }
}

const flags = [
  ..."-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -nostdlib -static -mgeneral-regs-only -fno-stack-protector"
    .split(" "),
  ..."-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fno-jump-tables -fno-strict-aliasing".split(
    " "
  )
]

/** `layout.h`, as `layout.ts` has it. */
export const layoutHeader = async () => {
  const { code } = transformSync(readFileSync(join(rpc, "layout.ts"), "utf8"), { loader: "ts", format: "esm" })
  const { header } = await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`)
  return header()
}

/**
 * The compiler of a machine, by name and version: another one may write other code for the same source.
 *
 * @param {keyof typeof compilers} machine
 */
export const compilerOf = (machine) =>
  execFileSync(`${compilers[machine].prefix}gcc`, ["--version"], { encoding: "utf8" }).split("\n")[0]

/**
 * The code of a source for a machine, and where in it the entry points are.
 *
 * @param {keyof typeof sources} source
 * @param {keyof typeof compilers} machine
 */
export const compile = (source, machine) => {
  const { flags: own, prefix } = compilers[machine]
  const directory = mkdtempSync(join(tmpdir(), "assemble-"))
  try {
    /**
     * @param {string} name
     * @param {readonly string[]} args
     */
    const tool = (name, ...args) => execFileSync(prefix + name, args, { encoding: "utf8" })
    const [linked, binary] = [join(directory, "code.elf"), join(directory, "code.bin")]
    const link = `-Wl,-T,${join(native, "code.ld")},--build-id=none,-e,0,--no-warn-rwx-segments`
    tool("gcc", ...flags, ...own, "-no-pie", link, "-o", linked, join(native, source))
    tool("objcopy", "-O", "binary", "-j", ".text", linked, binary)
    const symbols = new Map(
      tool("nm", linked).trim().split("\n").map((line) => {
        const [at, , name] = line.split(/\s+/)
        return [name, parseInt(at ?? "", 16)]
      })
    )
    const entries = Object.fromEntries(sources[source].names.map((name) => [name, symbols.get(name)]))
    return { entries, base64: readFileSync(binary).toString("base64") }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** @param {keyof typeof sources} source */
const moduleOf = (source) => {
  const names = sources[source].names.map((name) => `"${name}"`).join(" | ")
  /** @param {keyof typeof compilers} machine */
  const text = (machine) => {
    const { entries, base64 } = compile(source, machine)
    return `  ${machine}: {
    compiler: "${compilerOf(machine)}",
    entries: { ${Object.entries(entries).map(([name, at]) => `${name}: ${at}`).join(", ")} },
    base64: [
${(base64.match(/.{1,96}/g) ?? []).map((line) => `      "${line}"`).join(",\n")}
    ].join("")
  }`
  }
  return `/** The machine code of \`${
    source.split("/").at(-1)
  }\`, compiled by \`node scripts/assemble.mjs\`; a test holds it to that. */
import type { Architecture, Code } from "${source.includes("/") ? "../../elf.ts" : "./elf.ts"}"

/** By the machine's name as Node has it. */
export const code: Readonly<Record<Architecture, Code<${names}>>> = {
${text("x64")},
${text("arm64")}
}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(rpc, "layout.h"), await layoutHeader())
  for (const source of /** @type {(keyof typeof sources)[]} */ (Object.keys(sources))) {
    writeFileSync(join(native, sources[source].to), moduleOf(source))
  }
}
