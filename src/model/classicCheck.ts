/**
 * The kernel's checks of a classic BPF program before seccomp(2) accepts it.
 *
 * @see net/core/filter.c (`bpf_check_classic`), kernel/seccomp.c (`seccomp_check_filter`)
 */
import { MAX_INSTRUCTIONS } from "../native/bpf.ts"
import { classic } from "./bpfInterpreter.ts"

/** One instruction, as `struct sock_filter` has it. */
interface Instruction {
  readonly code: number
  readonly yes: number
  readonly no: number
  readonly k: number
}

/** The instructions of a program. */
const decode = (program: Uint8Array): ReadonlyArray<Instruction> => {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  return Array.from({ length: Math.floor(program.length / 8) }, (_, index) => ({
    code: view.getUint16(index * 8, true),
    yes: view.getUint8(index * 8 + 2),
    no: view.getUint8(index * 8 + 3),
    k: view.getUint32(index * 8 + 4, true)
  }))
}

/** `sizeof(struct seccomp_data)`. */
const dataSize = 64
/** `BPF_MEMWORDS`. */
const memoryWords = 16

const divisions: ReadonlySet<number> = new Set([classic.divide])
const shifts: ReadonlySet<number> = new Set([classic.shiftLeft, classic.shiftRight])
const memory: ReadonlySet<number> = new Set([
  classic.loadMemory,
  classic.loadIndexMemory,
  classic.store,
  classic.storeIndex
])
const known: ReadonlySet<number> = new Set(Object.values(classic))

const isBranch = (code: number): boolean => (code & 7) === 5 && code !== classic.jump
const isReturn = (code: number): boolean => code === classic.return || code === classic.returnAccumulator

/** Whether one instruction may be where it is. */
const isAllowed = ({ code, k, no, yes }: Instruction, at: number, length: number): boolean => {
  // unknown operations, and those that seccomp does not allow (bytes, halves, indirect loads, remainders)
  if (!known.has(code)) return false
  if (divisions.has(code) && k === 0) return false
  if (shifts.has(code) && k >= 32) return false
  if (memory.has(code) && k >= memoryWords) return false
  // a jump must stay in the program
  if (code === classic.jump && k >= length - at - 1) return false
  if (isBranch(code) && (at + yes + 1 >= length || at + no + 1 >= length)) return false
  // loads must be of whole words of `struct seccomp_data`
  return code !== classic.load || (k < dataSize && k % 4 === 0)
}

/** Whether every word of memory is written on each path to where it is read (`check_load_and_stores`). */
const readsWhatIsWritten = (instructions: ReadonlyArray<Instruction>): boolean => {
  /** The words that are written on every path to an instruction, as bits. */
  const masks = instructions.map(() => 0xffff)
  let valid = 0
  for (const [at, { code, k, no, yes }] of instructions.entries()) {
    valid &= masks[at]!
    const flow = (target: number): void => void (masks[target]! &= valid)
    if (code === classic.store || code === classic.storeIndex) valid |= 1 << k
    else if (code === classic.loadMemory || code === classic.loadIndexMemory) {
      if ((valid & 1 << k) === 0) return false
    } else if (code === classic.jump) {
      flow(at + 1 + k)
      valid = 0xffff
    } else if (isBranch(code)) {
      flow(at + 1 + yes)
      flow(at + 1 + no)
      valid = 0xffff
    }
  }
  return true
}

/** Whether seccomp(2) accepts a program; otherwise it returns EINVAL. */
export const isSeccompProgram = (program: Uint8Array): boolean => {
  const instructions = decode(program)
  // 1 to 4096 instructions (BPF_MAXINSNS), the last one a return
  return program.length % 8 === 0 && instructions.length > 0 && instructions.length <= MAX_INSTRUCTIONS &&
    instructions.every((one, at) => isAllowed(one, at, instructions.length)) &&
    isReturn(instructions.at(-1)!.code) && readsWhatIsWritten(instructions)
}
