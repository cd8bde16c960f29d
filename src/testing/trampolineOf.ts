/**
 * Reads what an exec trampoline was made for, so that the model kernel can do what its machine code would do.
 *
 * The layout is that of `native/trampoline.ts`; what was read is checked by making the trampoline once more, so that
 * anything else, also a trampoline of a later layout, is not taken for one.
 */
import type { Machine } from "../native/elf.ts"
import { type Options, trampoline } from "../native/trampoline.ts"

/** Where the parts stand, by machine: bytes from the start of the code. */
const layouts: Readonly<
  Record<Machine, { readonly elf: number; readonly channel: number; readonly flags: number; readonly load: number }>
> = {
  // the immediate of `mov edi, channel`; that of `mov esi, flags`; the length of the code that loads a filter
  x64: { elf: 62, channel: 15, flags: 47, load: 27 },
  // the first of the two instructions that set x0; that set x1
  arm64: { elf: 183, channel: 16, flags: 64, load: 40 }
}

const entry = 64 + 2 * 56

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

/** The options of a trampoline; `undefined` for any other file. */
export const trampolineOf = (image: Uint8Array): Options | undefined => {
  if (image.length < entry + 64) return undefined
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const machine = view.getUint16(18, true) === layouts.x64.elf ? "x64" : "arm64"
  const layout = layouts[machine]
  const number = (at: number): number => {
    if (machine === "x64") return view.getUint32(entry + at, true)
    // movz and movk hold 16 bits each
    const half = (offset: number): number => view.getUint32(entry + offset, true) >>> 5 & 0xffff
    return half(at) | half(at + 4) << 16
  }
  const bare = trampoline(machine, { channel: 0, path: "" }).length - 1
  for (const load of [0, layout.load]) {
    const nameAt = bare + load
    const end = image.indexOf(0, nameAt)
    if (end < 0) continue
    const path = new TextDecoder().decode(image.subarray(nameAt, end))
    const sockFprogAt = end + 1 + 7 & ~7
    const options: Options = {
      channel: number(layout.channel),
      path,
      ...load === 0 ? {} : { filter: { flags: number(layout.flags), program: image.slice(sockFprogAt + 16) } }
    }
    if (sameBytes(image, trampoline(machine, options))) return options
  }
  return undefined
}
