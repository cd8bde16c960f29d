/** Limits and scheduling. */
import { allProcessors, mostProcessors } from "../processors.ts"
import { invalid } from "../Refused.ts"
import type { Block } from "./Block.ts"
import { rlimit64, sched_attr } from "./structs.ts"
import { type Handlers, type Syscalls } from "./Syscalls.ts"

/** Room for all processors. */
const cpusetSize = mostProcessors / 8
/** Room for 1024 memory nodes, the most that Linux can be built for. */
const nodesetSize = 128

/** The handlers of the calls about limits and scheduling. */
export const scheduling = ({ call, memory, numbers }: Syscalls) => {
  const bitset = (size: number, what: string, members: ReadonlyArray<number>): Block => {
    const bits = new Uint8Array(size)
    if (members === allProcessors()) bits.fill(0xff)
    else {
      for (const member of members) {
        if (!(member >= 0 && member < size * 8)) throw invalid(`there is no ${what} ${member}`)
        bits[member >> 3]! |= 1 << (member & 7)
      }
    }
    const set = memory.zeroed(size)
    set.setBytes(0, bits)
    return set
  }

  return {
    prlimit64: ({ pid, resource, limit }) => {
      const before = memory.zeroed(rlimit64.size)
      const { rlim_cur, rlim_max } = rlimit64.fields
      let address = 0
      if (limit !== null) {
        const wanted = memory.zeroed(rlimit64.size)
        wanted.set(rlim_cur, limit.soft)
        wanted.set(rlim_max, limit.hard)
        address = wanted.address
      }
      call(numbers.prlimit64, pid, resource, address, before.address)
      return { soft: before.get(rlim_cur), hard: before.get(rlim_max) }
    },
    sched_getaffinity: ({ pid }) => {
      const set = memory.zeroed(cpusetSize)
      return set.bits(call(numbers.sched_getaffinity, pid, cpusetSize, set.address))
    },
    sched_setaffinity: ({ pid, cpus }) =>
      void call(numbers.sched_setaffinity, pid, cpusetSize, bitset(cpusetSize, "processor", cpus).address),
    sched_setattr: ({ pid, attributes }) => {
      const block = memory.zeroed(sched_attr.size)
      const fields = sched_attr.fields
      block.set(fields.size, sched_attr.size)
      block.set(fields.sched_policy, attributes.policy)
      block.set(fields.sched_flags, attributes.flags)
      block.set(fields.sched_nice, attributes.nice)
      block.set(fields.sched_priority, attributes.priority)
      block.set(fields.sched_runtime, attributes.runtime)
      block.set(fields.sched_deadline, attributes.deadline)
      block.set(fields.sched_period, attributes.period)
      call(numbers.sched_setattr, pid, block.address, 0)
    },
    ioprio_set: ({ which, who, ioprio }) => void call(numbers.ioprio_set, which, who, ioprio),
    personality: ({ persona }) => call(numbers.personality, persona),
    set_mempolicy: ({ mode, nodes }) =>
      // the kernel subtracts one from the number of bits
      void (nodes.length === 0
        ? call(numbers.set_mempolicy, mode, 0, 0)
        : call(numbers.set_mempolicy, mode, bitset(nodesetSize, "memory node", nodes).address, nodesetSize * 8 + 1))
  } satisfies Partial<Handlers>
}
