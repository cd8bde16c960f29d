/** Static ELF executables for runfx's machine code. @see elf(5) */

/** The supported machines, by Node's names. */
export type Architecture = "x64" | "arm64"

/** Machine code that `scripts/assemble.mjs` has compiled. */
export interface Code<Entry extends string> {
  readonly compiler: string
  /** The offsets of the entry points. */
  readonly entries: Readonly<Record<Entry, number>>
  readonly base64: string
}

/** `MFD_EXEC` of `linux/memfd.h`. Since Linux 6.3, a memory file can't be executed without it if `vm.memfd_noexec` is 1. */
export const MFD_EXEC = 0x10

/** The machine's ELF number, and its largest page size, to which segments are aligned. */
const machines = { x64: { number: 62, page: 0x1000 }, arm64: { number: 183, page: 0x10000 } } as const

const base = 0x400000
const headerSize = 64
const programHeaderSize = 56
const PT_LOAD = 1
const PT_GNU_STACK = 0x6474e551
const [PF_X, PF_W, PF_R] = [1, 2, 4] as const

/** The offset of the content in an executable. */
export const contentAt = headerSize + 2 * programHeaderSize

/**
 * Makes an executable with one segment, which is readable and executable. The stack is not executable.
 *
 * @param entry the offset in the content at which the program starts
 */
export const executable = (machine: Architecture, content: Uint8Array, entry: number): Uint8Array => {
  const { number, page } = machines[machine]
  const image = new Uint8Array(contentAt + content.length)
  const view = new DataView(image.buffer)
  // ELF, 64 bits, little-endian, version 1
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true) // ET_EXEC
  view.setUint16(18, number, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, BigInt(base + contentAt + entry), true)
  view.setBigUint64(32, BigInt(headerSize), true)
  view.setUint16(52, headerSize, true)
  view.setUint16(54, programHeaderSize, true)
  view.setUint16(56, 2, true)

  view.setUint32(headerSize, PT_LOAD, true)
  view.setUint32(headerSize + 4, PF_R | PF_X, true)
  view.setBigUint64(headerSize + 16, BigInt(base), true)
  view.setBigUint64(headerSize + 24, BigInt(base), true)
  view.setBigUint64(headerSize + 32, BigInt(image.length), true)
  view.setBigUint64(headerSize + 40, BigInt(image.length), true)
  view.setBigUint64(headerSize + 48, BigInt(page), true)

  view.setUint32(headerSize + programHeaderSize, PT_GNU_STACK, true)
  view.setUint32(headerSize + programHeaderSize + 4, PF_R | PF_W, true)
  view.setBigUint64(headerSize + programHeaderSize + 48, 16n, true)

  image.set(content, contentAt)
  return image
}

/** The machine that one of our executables is for; `undefined` for any other file. */
export const architectureOf = (image: Uint8Array): Architecture | undefined => {
  if (image.length < contentAt) return undefined
  const number = new DataView(image.buffer, image.byteOffset).getUint16(18, true)
  return (["x64", "arm64"] as const).find((machine) => machines[machine].number === number)
}
