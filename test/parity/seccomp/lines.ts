/** Words for the scenarios here. */
import * as Bpf from "../../../src/native/bpf.ts"
import { PR, SECCOMP } from "../../../src/native/constants.ts"
import { syscallNumbers } from "../../../src/native/syscallTables.ts"
import { type Line } from "../../support/parityLines.ts"
import { line, prctl } from "../../support/vocabulary.ts"

export const isArm = process.arch === "arm64"
export const numbers = syscallNumbers(isArm ? "AARCH64" : "X86_64")

/** Instructions, each as operation, jumps and operand. */
export const program = (...instructions: ReadonlyArray<readonly [number, number, number, number]>): Uint8Array => {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [at, [operation, yes, no, k]] of instructions.entries()) {
    view.setUint16(at * 8, operation, true)
    view.setUint8(at * 8 + 2, yes)
    view.setUint8(at * 8 + 3, no)
    view.setUint32(at * 8 + 4, k, true)
  }
  return bytes
}

export const [killProcess, killThread, trap, errno, notify, trace, log, allow] = [
  0x80000000,
  0,
  0x30000,
  0x50000,
  0x7fc00000,
  0x7ff00000,
  0x7ffc0000,
  0x7fff0000
] as const

export const [EPERM, EACCES, ENOENT, ENOSPC] = [1, 13, 2, 28] as const
export const allowAll = [Bpf.code.return, 0, 0, allow] as const

export const load = (filter: Uint8Array, flags = 0): Line =>
  line("seccomp", { operation: SECCOMP.SET_MODE_FILTER, flags, program: filter })

export const noNewPrivileges = prctl(PR.SET_NO_NEW_PRIVS, 1)
