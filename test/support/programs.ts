/** The smallest programs, for scenarios that execute one: static, of one segment, without a library. */
import * as process from "node:process"
import { O } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "./parityLines.ts"
import { chown, line, open } from "./vocabulary.ts"

const arm64 = process.arch === "arm64"

const words = (...values: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.flatMap((value) => [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24 & 0xff])

/** pause(2), again and again; arm64 has ppoll(2) for it. */
const pauses = arm64
  ? words(0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa)
  : [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]

/** exit(2) with status 0. */
const exits = arm64 ? words(0xd2800000, 0xd2800ba8, 0xd4000001) : [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]

/** An ELF executable of some code; the fields that a scenario spoils can be given. @see elf(5) */
export const elf = (
  code: ReadonlyArray<number>,
  { interpreter, machine = arm64 ? 183 : 62, type = 2 }: {
    readonly type?: number
    readonly machine?: number
    readonly interpreter?: string
  } = {}
): Uint8Array => {
  const name = Buffer.from(interpreter === undefined ? "" : `${interpreter}\0`)
  const headers = interpreter === undefined ? 1 : 2
  const entry = 64 + headers * 56
  const image = new Uint8Array(entry + code.length + name.length)
  const view = new DataView(image.buffer)
  const base = 0x400000
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, type, true)
  view.setUint16(18, machine, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, BigInt(base + entry), true)
  view.setBigUint64(32, 64n, true)
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, headers, true)
  /** PT_LOAD, readable and executable. */
  view.setUint32(64, 1, true)
  view.setUint32(68, 5, true)
  view.setBigUint64(80, BigInt(base), true)
  view.setBigUint64(88, BigInt(base), true)
  view.setBigUint64(96, BigInt(image.length), true)
  view.setBigUint64(104, BigInt(image.length), true)
  view.setBigUint64(112, arm64 ? 0x10000n : 0x1000n, true)
  if (interpreter !== undefined) {
    // PT_INTERP
    view.setUint32(120, 3, true)
    view.setUint32(124, 4, true)
    view.setBigUint64(128, BigInt(entry + code.length), true)
    view.setBigUint64(152, BigInt(name.length), true)
    view.setBigUint64(160, BigInt(name.length), true)
  }
  image.set(code, entry)
  image.set(name, entry + code.length)
  return image
}

/** A program that waits for signals. */
export const sleeping = elf(pauses)
/** A program that ends at once, with status 0. */
export const ending = elf(exits)

/** Makes a file with content, mode and owner. */
export const file = (
  path: string,
  data: Uint8Array | string,
  mode = 0o755,
  [uid, gid]: readonly [number, number] = [0, 0]
): Scenario => [
  open(path, O.CREAT | O.WRONLY, "made", 0o600),
  line("write", { fd: "$made", data }),
  line("close", { fd: "$made" }),
  chown(path, uid, gid),
  line("fchmodat", { dirfd: cwd, path, mode })
]
