/**
 * The kernel's two filter machines, as far as runfx's programs use them: for tests, and for a model kernel that must say
 * what a loaded filter does.
 */
import { code, ebpf } from "../native/bpf.ts"

/** What a seccomp filter sees of a system call: `struct seccomp_data` of `linux/seccomp.h`. */
export interface SyscallData {
  /** The number, as 32 unsigned bits. */
  readonly nr: number
  /** `AUDIT_ARCH_*`. */
  readonly arch: number
  /** Six arguments of 64 bits; what is left out is 0. */
  readonly args: ReadonlyArray<bigint>
}

/**
 * Runs a classic BPF program over a system call and gives what it returns (`SECCOMP_RET_*`, unsigned).
 *
 * Throws where the kernel would have refused to load the program: an unknown instruction, a jump out of the program, an
 * end without a return.
 */
export const runSeccomp = (program: Uint8Array, call: SyscallData): number => {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, call.nr, true)
  data.setUint32(4, call.arch, true)
  for (const [index, value] of call.args.entries()) data.setBigUint64(16 + 8 * index, value, true)

  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  let accumulator = 0
  for (let at = 0; at * 8 < program.length; at++) {
    const operation = view.getUint16(at * 8, true)
    const [yes, no, k] = [view.getUint8(at * 8 + 2), view.getUint8(at * 8 + 3), view.getUint32(at * 8 + 4, true)]
    switch (operation) {
      case code.load:
        accumulator = data.getUint32(k, true)
        break
      case code.and:
        accumulator = (accumulator & k) >>> 0
        break
      case code.jump:
        at += k
        break
      case code.return:
        return k
      case code.branch["=="]:
        at += accumulator === k ? yes : no
        break
      case code.branch[">"]:
        at += accumulator > k ? yes : no
        break
      case code.branch[">="]:
        at += accumulator >= k ? yes : no
        break
      case code.branch["&"]:
        at += (accumulator & k) === 0 ? no : yes
        break
      default:
        throw new Error(`instruction ${at}: unknown operation 0x${operation.toString(16)}`)
    }
  }
  throw new Error("the program ended without a return")
}

/** What a device program sees of an access: `struct bpf_cgroup_dev_ctx` of `linux/bpf.h`. */
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
