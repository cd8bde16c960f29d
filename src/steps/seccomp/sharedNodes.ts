/**
 * Makes the nodes of a filter's program so that equal ones are one: what several calls have in common, such as a rule with
 * several names, is then in the program once.
 *
 * @category seccomp
 * @since 0.2.0
 */
import * as Bpf from "../../native/bpf.ts"

/** Makes nodes; an equal node is the same one. */
export interface Nodes {
  readonly ret: typeof Bpf.ret
  readonly load: typeof Bpf.load
  readonly and: typeof Bpf.and
  readonly branch: typeof Bpf.branch
  /** How many there are. */
  readonly count: () => number
}

/** A maker of nodes for one program. */
export const sharedNodes = (): Nodes => {
  const made = new Map<string, Bpf.Node>()
  const numbers = new Map<Bpf.Node, number>()
  const number = (node: Bpf.Node): number => {
    const known = numbers.get(node) ?? numbers.size
    numbers.set(node, known)
    return known
  }
  const once = (key: string, make: () => Bpf.Node): Bpf.Node => {
    const node = made.get(key) ?? make()
    made.set(key, node)
    return node
  }
  return {
    ret: (value) => once(`return ${value}`, () => Bpf.ret(value)),
    load: (offset, next) => once(`load ${offset} ${number(next)}`, () => Bpf.load(offset, next)),
    and: (mask, next) => once(`and ${mask} ${number(next)}`, () => Bpf.and(mask, next)),
    branch: (test, value, yes, no) =>
      once(`branch ${test} ${value} ${number(yes)} ${number(no)}`, () => Bpf.branch(test, value, yes, no)),
    count: () => made.size
  }
}
