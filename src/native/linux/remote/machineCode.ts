/** The code of `server.*.S`: as functions for the client, and as the program of a server. */
import * as process from "node:process"
import { MAP, PROT } from "../../constants.ts"
import { executable, type Machine } from "../../elf.ts"
import type { Library, Word } from "../../koffi.ts"
import { numbersFor } from "../../syscalls.ts"
import { code } from "./code.ts"

/** What is there instead of a result: the server has gone, or has not answered yet. */
export const status = { gone: -5000, unanswered: -5001 } as const

/** The functions of the client; each gives a result as the kernel does, or a {@link status}. */
export interface MachineCode {
  readonly wake: (seat: number) => Word
  readonly answer: (seat: number, own: number) => Word
  readonly spawn: (flags: number, family: number) => Word
  readonly thread: (flags: number, seat: number, stack: number) => Word
}

const mine = () => code[process.arch as Machine]

/** Loads the functions. Throws where memory can't be had, or not be made executable. */
export const load = (library: Library): MachineCode => {
  const { entries, hex } = mine()
  const bytes = Buffer.from(hex, "hex")
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
    wake: library.functionAt(address + entries.wake, 1),
    answer: library.functionAt(address + entries.answer, 2),
    spawn: library.functionAt(address + entries.spawn, 2),
    thread: library.functionAt(address + entries.thread, 3)
  }
}

/** The program that a server executes: an ELF file. It finds the memory of the first family at an address. */
export const program = (arena: number): Uint8Array => {
  const { entries, hex } = mine()
  const code = Buffer.from(hex, "hex")
  code.writeBigUInt64LE(BigInt(arena), entries.arena)
  return executable(process.arch as Machine, code, entries.start)
}
