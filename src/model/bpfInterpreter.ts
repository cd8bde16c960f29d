/**
 * Interprets programs of the kernel's two filter machines, as far as runfx uses them: for tests, and for loaded filters on
 * the model.
 */
import { code, ebpf } from "../native/bpf.ts"

/** The view that a seccomp filter has of a system call: `struct seccomp_data` of `linux/seccomp.h`. */
export interface SyscallData {
  /** The number, as 32 unsigned bits. */
  readonly nr: number
  /** `AUDIT_ARCH_*`. */
  readonly arch: number
  /** Six arguments of 64 bits; a missing one is 0. `undefined` is an address, which only the real machine knows. */
  readonly args: ReadonlyArray<bigint | undefined>
}

/** Thrown if a program reads an address. */
export class UnknownWord extends Error {
  override readonly name = "UnknownWord"
}

/** The operations of classic BPF that seccomp(2) takes, of `linux/bpf_common.h`. `…X`: with the index register. */
export const classic = {
  load: code.load,
  loadLength: 0x80,
  loadImmediate: 0x00,
  loadMemory: 0x60,
  loadIndexLength: 0x81,
  loadIndexImmediate: 0x01,
  loadIndexMemory: 0x61,
  store: 0x02,
  storeIndex: 0x03,
  toIndex: 0x07,
  fromIndex: 0x87,
  add: 0x04,
  addX: 0x0c,
  subtract: 0x14,
  subtractX: 0x1c,
  multiply: 0x24,
  multiplyX: 0x2c,
  divide: 0x34,
  divideX: 0x3c,
  or: 0x44,
  orX: 0x4c,
  and: code.and,
  andX: 0x5c,
  shiftLeft: 0x64,
  shiftLeftX: 0x6c,
  shiftRight: 0x74,
  shiftRightX: 0x7c,
  negate: 0x84,
  xor: 0xa4,
  xorX: 0xac,
  jump: code.jump,
  equal: code.branch["=="],
  equalX: 0x1d,
  greater: code.branch[">"],
  greaterX: 0x2d,
  atLeast: code.branch[">="],
  atLeastX: 0x3d,
  hasBits: code.branch["&"],
  hasBitsX: 0x4d,
  return: code.return,
  returnAccumulator: 0x16
} as const

/** `struct seccomp_data`: number, architecture, instruction pointer, six arguments. */
const layOut = ({ arch, args, nr }: SyscallData): DataView => {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, nr, true)
  data.setUint32(4, arch, true)
  for (const [index, value] of args.entries()) {
    if (value !== undefined) data.setBigUint64(16 + 8 * index, value, true)
  }
  return data
}

/** Whether a word is part of an address: the instruction pointer, or an argument without a value. */
const isUnknown = ({ args }: SyscallData, offset: number): boolean =>
  offset >= 8 && (offset < 16 || (offset - 16 >> 3 < args.length && args[offset - 16 >> 3] === undefined))

/** The accumulator after an arithmetic instruction; `undefined` for a division by zero, which ends the program with 0. */
const arithmetic = (operation: number, accumulator: number, operand: number): number | undefined => {
  switch (operation & 0xf0) {
    case 0x00:
      return accumulator + operand >>> 0
    case 0x10:
      return accumulator - operand >>> 0
    case 0x20:
      return Math.imul(accumulator, operand) >>> 0
    case 0x30:
      return operand === 0 ? undefined : Math.floor(accumulator / operand)
    case 0x40:
      return (accumulator | operand) >>> 0
    case 0x50:
      return (accumulator & operand) >>> 0
    case 0x60:
      return accumulator << (operand & 31) >>> 0
    case 0x70:
      return accumulator >>> (operand & 31)
    case 0x80:
      return -accumulator >>> 0
    default:
      return (accumulator ^ operand) >>> 0
  }
}

const compare = (operation: number, accumulator: number, operand: number): boolean => {
  switch (operation & 0xf0) {
    case 0x10:
      return accumulator === operand
    case 0x20:
      return accumulator > operand
    case 0x30:
      return accumulator >= operand
    default:
      return (accumulator & operand) !== 0
  }
}

const knownOperations: ReadonlySet<number> = new Set(Object.values(classic))

/**
 * Runs a classic BPF program on a system call, and returns its result (`SECCOMP_RET_*`, unsigned).
 *
 * Throws if the kernel would have refused to load the program: an unknown instruction, an end without a return.
 */
export const runSeccomp = (program: Uint8Array, call: SyscallData): number => {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const data = layOut(call)
  const memory: Array<number> = []
  let [accumulator, index] = [0, 0]
  for (let at = 0; at * 8 < program.length; at++) {
    const operation = view.getUint16(at * 8, true)
    const [yes, no, k] = [view.getUint8(at * 8 + 2), view.getUint8(at * 8 + 3), view.getUint32(at * 8 + 4, true)]
    switch (operation) {
      // first what compiled filters consist of
      case classic.load:
        if (isUnknown(call, k)) throw new UnknownWord(`the word at ${k} is part of an address`)
        accumulator = data.getUint32(k, true)
        continue
      case classic.equal:
        at += accumulator === k ? yes : no
        continue
      case classic.greater:
        at += accumulator > k ? yes : no
        continue
      case classic.atLeast:
        at += accumulator >= k ? yes : no
        continue
      case classic.hasBits:
        at += (accumulator & k) === 0 ? no : yes
        continue
      case classic.jump:
        at += k
        continue
      case classic.return:
        return k
      case classic.loadLength:
        accumulator = 64
        continue
      case classic.loadImmediate:
        accumulator = k
        continue
      case classic.loadMemory:
        accumulator = memory[k] ?? 0
        continue
      case classic.loadIndexLength:
        index = 64
        continue
      case classic.loadIndexImmediate:
        index = k
        continue
      case classic.loadIndexMemory:
        index = memory[k] ?? 0
        continue
      case classic.store:
        memory[k] = accumulator
        continue
      case classic.storeIndex:
        memory[k] = index
        continue
      case classic.toIndex:
        index = accumulator
        continue
      case classic.fromIndex:
        accumulator = index
        continue
      case classic.returnAccumulator:
        return accumulator
    }
    if (!knownOperations.has(operation)) {
      throw new Error(`instruction ${at}: unknown operation 0x${operation.toString(16)}`)
    }
    // the others compute or compare; the class is in the lowest bits
    const operand = (operation & 8) === 0 ? k : index
    if ((operation & 7) === 5) at += compare(operation, accumulator, operand) ? yes : no
    else {
      const result = arithmetic(operation, accumulator, operand)
      if (result === undefined) return 0
      accumulator = result
    }
  }
  throw new Error("the program ended without a return")
}

/** The view that a device program has of an access: `struct bpf_cgroup_dev_ctx` of `linux/bpf.h`. */
export interface DeviceAccess {
  readonly type: "b" | "c"
  readonly major: number
  readonly minor: number
  /** Some of `r`, `w`, `m`. */
  readonly access: string
}

/** Runs a device program over an access: whether it is granted. Throws as {@link runSeccomp}. */
export const runDeviceFilter = (program: Uint8Array, access: DeviceAccess): boolean => {
  const bits = [...access.access].reduce((sum, letter) => sum | { m: 1, r: 2, w: 4 }[letter as "m" | "r" | "w"], 0)
  const context = [bits << 16 | { b: 1, c: 2 }[access.type], access.major, access.minor]
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const registers: Array<number> = Array.from({ length: 11 }, () => 0)
  for (let at = 0; at * 8 < program.length; at++) {
    const operation = view.getUint8(at * 8)
    const [dst, src] = [view.getUint8(at * 8 + 1) & 15, view.getUint8(at * 8 + 1) >> 4]
    const [offset, immediate] = [view.getInt16(at * 8 + 2, true), view.getInt32(at * 8 + 4, true)]
    const value = registers[dst]!
    switch (operation) {
      case ebpf.loadWord:
        registers[dst] = context[offset / 4]!
        break
      case ebpf.move:
        registers[dst] = immediate >>> 0
        break
      case ebpf.moveRegister:
        registers[dst] = registers[src]!
        break
      case ebpf.and:
        registers[dst] = (value & immediate) >>> 0
        break
      case ebpf.shiftRight:
        registers[dst] = value >>> immediate
        break
      case ebpf.jumpIfEqual:
        at += value === immediate ? offset : 0
        break
      case ebpf.jumpIfNotEqual:
        at += value === immediate ? 0 : offset
        break
      case ebpf.exit:
        return registers[0] !== 0
      default:
        throw new Error(`instruction ${at}: unknown operation 0x${operation.toString(16)}`)
    }
  }
  throw new Error("the program ended without an exit")
}
