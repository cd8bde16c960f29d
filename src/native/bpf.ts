/**
 * Programs for the kernel's two filter machines: classic BPF, which seccomp(2) runs, and eBPF, which cgroup v2 runs for
 * devices.
 *
 * A classic program is written as a graph of nodes, and {@link assemble} lays it out. Nodes may be shared: each is laid out
 * once. A conditional jump reaches 255 instructions; if the target is farther away, an unconditional jump is inserted.
 *
 * **Example** (Refuse mkdir(2) on x86-64)
 *
 * ```ts
 * const allow = ret(0x7fff0000)
 * const program = assemble(load(0, branch("==", 83, ret(0x00050001), allow)))
 * ```
 *
 * @see bpf(2), seccomp(2), the kernel's Documentation/networking/filter.rst and Documentation/bpf/standardization/
 */

// -- classic BPF ------------------------------------------------------------------------------------------------------

/** The comparison of the accumulator with a constant; `&` is "has any of these bits". All are unsigned. */
export type Test = "==" | ">" | ">=" | "&"

/** A node of a classic program: an instruction and the nodes that may follow. The only register is the 32-bit accumulator. */
export type Node =
  | { readonly _tag: "Return"; readonly value: number }
  | { readonly _tag: "Load"; readonly offset: number; readonly next: Node }
  | { readonly _tag: "And"; readonly mask: number; readonly next: Node }
  | { readonly _tag: "Branch"; readonly test: Test; readonly value: number; readonly yes: Node; readonly no: Node }

/** Ends the program with a value. */
export const ret = (value: number): Node => ({ _tag: "Return", value })

/** Loads 32 bits of the input into the accumulator. `offset` is in bytes. */
export const load = (offset: number, next: Node): Node => ({ _tag: "Load", offset, next })

/** Clears the bits of the accumulator that are not in the mask. */
export const and = (mask: number, next: Node): Node => ({ _tag: "And", mask, next })

/** Compares the accumulator with a constant. */
export const branch = (test: Test, value: number, yes: Node, no: Node): Node => ({
  _tag: "Branch",
  test,
  value,
  yes,
  no
})

/** The operation codes that {@link assemble} uses, of `linux/bpf_common.h`. */
export const code = {
  /** `BPF_LD | BPF_W | BPF_ABS` */
  load: 0x20,
  /** `BPF_ALU | BPF_AND | BPF_K` */
  and: 0x54,
  /** `BPF_JMP | BPF_JA` */
  jump: 0x05,
  /** `BPF_RET | BPF_K` */
  return: 0x06,
  /** `BPF_JMP | BPF_JEQ`, `BPF_JGT`, `BPF_JGE`, `BPF_JSET`, each with `BPF_K` */
  branch: { "==": 0x15, ">": 0x25, ">=": 0x35, "&": 0x45 }
} as const

/** The most instructions that the kernel accepts in one classic program (`BPF_MAXINSNS`). */
export const MAX_INSTRUCTIONS = 4096

interface Classic {
  readonly code: number
  readonly yes: number
  readonly no: number
  readonly k: number
}

/** Lays a graph out as `struct sock_filter` instructions, 8 bytes each, little-endian. */
export const assemble = (root: Node): Uint8Array => {
  // Jumps go forward only, so the program is built from its end: a node is placed once all nodes that it leads to are
  // placed. `reversed[0]` is the last instruction.
  const reversed: Array<Classic> = []
  const places = new Map<Node, number>()

  const put = (instruction: Classic): void => void reversed.push(instruction)
  const distance = (node: Node): number => reversed.length - places.get(node)! - 1
  const jumpTo = (node: Node): void => {
    put({ code: code.jump, yes: 0, no: 0, k: distance(node) })
    places.set(node, reversed.length - 1)
  }
  const bringNear = (node: Node): void => {
    // one less than the reach, since a jump for the other side may be inserted between
    if (distance(node) > 254) jumpTo(node)
  }
  const follow = (node: Node): void => {
    place(node)
    if (distance(node) !== 0) jumpTo(node)
  }
  const place = (node: Node): void => {
    if (places.has(node)) return
    switch (node._tag) {
      case "Return":
        put({ code: code.return, yes: 0, no: 0, k: node.value })
        break
      case "Load":
        follow(node.next)
        put({ code: code.load, yes: 0, no: 0, k: node.offset })
        break
      case "And":
        follow(node.next)
        put({ code: code.and, yes: 0, no: 0, k: node.mask })
        break
      case "Branch":
        place(node.yes)
        place(node.no)
        bringNear(node.yes)
        bringNear(node.no)
        put({ code: code.branch[node.test], yes: distance(node.yes), no: distance(node.no), k: node.value })
    }
    places.set(node, reversed.length - 1)
  }
  place(root)

  const bytes = new Uint8Array(reversed.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, instruction] of reversed.toReversed().entries()) {
    view.setUint16(index * 8, instruction.code, true)
    view.setUint8(index * 8 + 2, instruction.yes)
    view.setUint8(index * 8 + 3, instruction.no)
    view.setUint32(index * 8 + 4, instruction.k >>> 0, true)
  }
  return bytes
}

// -- eBPF -------------------------------------------------------------------------------------------------------------

/** One eBPF instruction. Registers are 0 to 10; `offset` counts instructions (jumps) or bytes (loads). */
export interface Instruction {
  readonly code: number
  readonly dst?: number
  readonly src?: number
  readonly offset?: number
  readonly immediate?: number
}

/** The operation codes that runfx uses, of `linux/bpf.h`. */
export const ebpf = {
  /** `BPF_LDX | BPF_MEM | BPF_W`: dst = 32 bits at src + offset */
  loadWord: 0x61,
  /** `BPF_ALU | BPF_MOV | BPF_K`: dst = immediate */
  move: 0xb4,
  /** `BPF_ALU | BPF_MOV | BPF_X`: dst = src */
  moveRegister: 0xbc,
  /** `BPF_ALU | BPF_AND | BPF_K` */
  and: 0x54,
  /** `BPF_ALU | BPF_RSH | BPF_K` */
  shiftRight: 0x74,
  /** `BPF_JMP | BPF_JEQ | BPF_K` */
  jumpIfEqual: 0x15,
  /** `BPF_JMP | BPF_JNE | BPF_K` */
  jumpIfNotEqual: 0x55,
  /** `BPF_JMP | BPF_EXIT`: returns r0 */
  exit: 0x95
} as const

/** Encodes eBPF instructions, 8 bytes each, little-endian. */
export const encode = (instructions: ReadonlyArray<Instruction>): Uint8Array => {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, { code: operation, dst = 0, immediate = 0, offset = 0, src = 0 }] of instructions.entries()) {
    view.setUint8(index * 8, operation)
    view.setUint8(index * 8 + 1, src << 4 | dst)
    view.setInt16(index * 8 + 2, offset, true)
    view.setInt32(index * 8 + 4, immediate, true)
  }
  return bytes
}
