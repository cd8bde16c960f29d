/** The machine code of our own: what was compiled is what its source says, and it serves on each machine. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { type Architecture, executable } from "../../../src/native/elf.ts"
import { code } from "../../../src/native/linux/rpc/code.ts"
import { code as guard } from "../../../src/native/linux/rpc/guardCode.ts"
import { entry, expected, head, mailbox, number, sizes, state } from "../../../src/native/linux/rpc/layout.ts"
import { numbersFor } from "../../../src/native/linux/syscallNumbers.ts"
import { code as reaper } from "../../../src/native/reaperCode.ts"
import { code as trampoline } from "../../../src/native/trampolineCode.ts"
import { until } from "../../support/until.ts"

const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** What an expression comes to with what `scripts/assemble.mjs` exports. */
const assembled = (expression: string): unknown => {
  const script = `import * as a from "./scripts/assemble.mjs"; console.log(JSON.stringify(await ${expression}))`
  const command = ["--input-type=module", "-e", script]
  return JSON.parse(execFileSync(process.execPath, command, { cwd: repository, encoding: "utf8" }))
}

const machines = ["x64", "arm64"] as const

describe("the machine code", () => {
  it("has the layout of its memory from layout.ts", () => {
    const header = fs.readFileSync(path.join(repository, "src/native/linux/rpc/layout.h"), "utf8")
    assert.strictEqual(assembled("a.layoutHeader()"), header)
  })

  for (const machine of machines) {
    const gcc = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" }[machine]
    const version = spawnSync(gcc, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0]
    const isSame = version === code[machine].compiler
    if (!isSame) console.log(`the code of ${machine} is not compared: ${code[machine].compiler} is not here`)
    it.skipIf(!isSame)(`of ${machine} is what its source says`, () => {
      for (
        const [source, { [machine]: { entries, base64 } }] of [
          ["linux/rpc/server.c", code],
          ["linux/rpc/guard.c", guard],
          ["trampoline.c", trampoline],
          ["reaper.c", reaper]
        ] as const
      ) {
        assert.deepStrictEqual(assembled(`a.compile("${source}", "${machine}")`), { entries, base64 })
      }
    })
  }
})

const qemu = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].find((file) => fs.existsSync(file))

/** An entry of a list. */
interface Entry {
  readonly number: number
  readonly arguments?: ReadonlyArray<bigint>
  readonly expected?: number
  readonly wanted?: bigint
  readonly skip?: bigint
  readonly skipOn?: ReadonlyArray<bigint>
}

/** A server of a machine, and its memory, which is a file. */
const serverOf = (machine: Architecture) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-machine-code-"))
  const [file, program] = [path.join(directory, "memory"), path.join(directory, "program")]
  const address = 0x10_0000_0000
  const size = sizes.head + 0x2000
  const memory = fs.openSync(file, "w+")
  fs.ftruncateSync(memory, size)
  const at = sizes.head
  const write = (offset: number, value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt.asIntN(64, value))
    fs.writeSync(memory, bytes, 0, 8, offset)
  }
  const read = (offset: number) => {
    const bytes = Buffer.alloc(8)
    fs.readSync(memory, bytes, 0, 8, offset)
    return bytes
  }
  const write32 = (offset: number, value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value >>> 0)
    fs.writeSync(memory, bytes, 0, 4, offset)
  }
  write(head.mailbox, BigInt(address + at))
  write32(head.image, 99)
  fs.writeSync(memory, "runfx-init", head.name)
  write32(at + mailbox.link, 0xffff_ffff)
  // it looks at its word again without being woken
  write(at + mailbox.serverTimeout + 8, 1_000_000n)
  write(at + mailbox.robust, BigInt(address + at + mailbox.robustEntry))
  write(at + mailbox.robustEntry, BigInt(address + at + mailbox.robust))
  write32(at + mailbox.state, state.asked)

  const { entries, base64 } = code[machine]
  const bytes = Buffer.from(base64, "base64")
  bytes.writeBigUInt64LE(BigInt(address), entries.shared)
  bytes.writeBigUInt64LE(BigInt(size), entries.shared + 8)
  bytes.writeBigUInt64LE(3n, entries.shared + 16)
  fs.writeFileSync(program, executable(machine, bytes, entries.start), { mode: 0o755 })
  const [command, ...args] = machine === process.arch ? [program] : [qemu!, program]
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "inherit", memory] })
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  let output = ""
  child.stdout!.on("data", (data) => output += data)

  const answered = async (): Promise<bigint> => {
    await until(() => (read(at + mailbox.state).readUInt32LE() & state.asked) === 0 || child.exitCode !== null)
    return read(at + mailbox.result).readBigInt64LE()
  }
  /** Where in the memory there is room. */
  const room = at + 0x1000
  return {
    child,
    ended,
    answered,
    output: () => output,
    put: (text: string) => {
      fs.writeSync(memory, text, room)
      return BigInt(address + room)
    },
    /** A list of calls, behind the text. */
    list: (entries: ReadonlyArray<Entry>) => {
      const start = room + 0x100
      for (const [index, one] of entries.entries()) {
        const from = start + index * sizes.entry
        write(from + entry.number, BigInt(one.number))
        one.arguments?.forEach((value, argument) => write(from + entry.arguments + argument * 8, value))
        write(from + entry.expected, BigInt(one.expected ?? 0))
        write(from + entry.wanted, one.wanted ?? 0n)
        write(from + entry.skip, one.skip ?? 0n)
        one.skipOn?.forEach((value, which) => write(from + entry.skipOn + which * 8, value))
      }
      const result = (index: number) => read(start + index * sizes.entry + entry.result).readBigInt64LE()
      return { address: BigInt(address + start), results: () => entries.map((_, index) => result(index)) }
    },
    ask: (number: number, ...args: ReadonlyArray<bigint>) => {
      write(at + mailbox.number, BigInt(number))
      args.forEach((value, index) => write(at + mailbox.arguments + index * 8, value))
      const thread = read(at + mailbox.state).readUInt32LE()
      write32(at + mailbox.state, (thread | state.asked) >>> 0)
    },
    close: () => {
      child.kill("SIGKILL")
      fs.closeSync(memory)
      fs.rmSync(directory, { recursive: true })
    }
  }
}

for (const machine of machines) {
  const missing = machine !== process.arch && (machine === "x64" || qemu === undefined)
  if (missing) console.log(`the server of ${machine} is not run: no qemu-aarch64 here (Debian: qemu-user-static)`)
  describe.skipIf(missing)(`the server of ${machine}`, () => {
    it("makes a list of calls, as far as each gives what it should", async () => {
      const server = serverOf(machine)
      try {
        await server.answered()
        const numbers = numbersFor(machine)
        const text = server.put("hello")
        const list = server.list([
          { number: numbers.getpid, expected: expected.success },
          { number: numbers.close, arguments: [-1n], expected: expected.anything },
          { number: number.check, arguments: [text, 0n, 0xffn, 0x68n, 1n] },
          { number: number.check, arguments: [text, text, 0xffffn, 0n, 1n] },
          { number: number.check, arguments: [text, 0n, 0xffn, 0n, 0n] },
          // EBADF: what depends on it is left out
          { number: numbers.close, arguments: [-1n], expected: expected.wanted, skip: 1n, skipOn: [-2n, -9n] },
          { number: numbers.exit_group, arguments: [1n], expected: expected.success },
          { number: numbers.write, arguments: [1n, text, 5n], expected: expected.wanted, wanted: 5n },
          { number: numbers.write, arguments: [1n, text, 1n], expected: expected.wanted, wanted: 2n },
          { number: numbers.exit_group, arguments: [1n], expected: expected.success }
        ])
        server.ask(number.list, list.address, 10n)
        assert.strictEqual(await server.answered(), 8n)
        assert.deepStrictEqual(list.results().slice(1, 2).concat(list.results().slice(5, 9)), [-9n, -9n, 0n, 5n, 1n])
        server.ask(number.list, list.address, 3n)
        assert.strictEqual(await server.answered(), 3n)
        server.ask(number.list, list.address, 0n)
        assert.strictEqual(await server.answered(), 0n)
        server.ask(numbers.exit_group, 0n)
        assert.strictEqual(await server.ended, 0)
        assert.strictEqual(server.output(), "helloh")
      } finally {
        server.close()
      }
    })

    it("makes the calls that it is asked for, and tells what they came to", async () => {
      const server = serverOf(machine)
      try {
        const listed = await server.answered()
        // qemu-user knows no robust lists
        if (machine === process.arch) assert.strictEqual(listed, 0n)
        const numbers = numbersFor(machine)
        server.ask(numbers.getpid)
        const pid = await server.answered()
        if (machine === process.arch) assert.strictEqual(pid, BigInt(server.child.pid!))
        else assert.isAbove(Number(pid), 1)
        server.ask(numbers.write, 1n, server.put("hello"), 5n)
        assert.strictEqual(await server.answered(), 5n)
        server.ask(numbers.close, 77n)
        assert.strictEqual(await server.answered(), -9n)
        server.ask(numbers.exit_group, 7n)
        assert.strictEqual(await server.ended, 7)
        assert.strictEqual(server.output(), "hello")
      } finally {
        server.close()
      }
    })
  })
}
