/** The code of `server.c`, as functions for the client and as the program of a server; and that of `guard.c`, as a program. */
import * as process from "node:process"
import { MAP, PROT } from "../../constants.ts"
import { type Architecture, executable } from "../../elf.ts"
import type { Library, Word } from "../koffi.ts"
import { numbersFor } from "../syscallNumbers.ts"
import { code } from "./code.ts"
import { code as guard } from "./guardCode.ts"

/** The functions that the client calls. Each returns what clone(2) returns. */
export interface MachineCode {
  readonly spawn: (flags: number, head: number) => Word
  readonly watch: (flags: number, watch: number, stack: number) => Word
}

const mine = () => code[process.arch as Architecture]

/** Loads the functions. Throws if memory can't be mapped or made executable. */
export const load = (library: Library): MachineCode => {
  const { entries, base64 } = mine()
  const bytes = Buffer.from(base64, "base64")
  const numbers = numbersFor(process.arch)
  const { errno, syscall } = library
  const must = (what: string, result: Word): number => {
    if (result === -1) throw new Error(`${what} for machine code failed with errno ${errno()}`)
    return Number(result)
  }
  const { READ, WRITE, EXEC } = PROT
  const flags = MAP.PRIVATE | MAP.ANONYMOUS
  const address = must("mmap", syscall(numbers.mmap, 0, bytes.length, READ | WRITE, flags, -1, 0))
  Buffer.from(library.memoryAt(address, bytes.length)).set(bytes)
  must("mprotect", syscall(numbers.mprotect, address, bytes.length, READ | EXEC, 0, 0, 0))
  return {
    spawn: library.functionAt(address + entries.spawn, 2),
    watch: library.functionAt(address + entries.watch, 3)
  }
}

/**
 * The program that a server executes: an ELF file.
 *
 * @param address of the group's memory
 * @param size of the group's memory, in bytes
 * @param descriptor of the group's memory file
 */
export const program = (address: number, size: number, descriptor: number): Uint8Array => {
  const { entries, base64 } = mine()
  const code = Buffer.from(base64, "base64")
  code.writeBigUInt64LE(BigInt(address), entries.shared)
  code.writeBigUInt64LE(BigInt(size), entries.shared + 8)
  code.writeBigUInt64LE(BigInt(descriptor), entries.shared + 16)
  return executable(process.arch as Architecture, code, entries.start)
}

/** The program of a guard: an ELF file. */
export const guardProgram = (): Uint8Array => {
  const architecture = process.arch as Architecture
  const { entries, base64 } = guard[architecture]
  return executable(architecture, Buffer.from(base64, "base64"), entries.start)
}
