/** Ids, capabilities and keys. */
import * as c from "../constants.ts"
import { Refused } from "../Refused.ts"
import type { Ids } from "../results.ts"
import type { Block } from "./Block.ts"
import { cap_user_data, cap_user_header } from "./structs.ts"
import { type Handlers, type Syscalls } from "./Syscalls.ts"

/** `NGROUPS_MAX` */
const mostGroups = 65_536

/** The handlers of the calls about ids, capabilities and keys. */
export const credentials = ({ call, memory, numbers }: Syscalls) => {
  const ids = (number: number): Ids => {
    const block = memory.block(12)
    call(number, block.address, block.address + 4, block.address + 8)
    return { real: block.u32(0), effective: block.u32(4), saved: block.u32(8) }
  }

  const capabilityHeader = (pid: number): Block => {
    const header = memory.zeroed(cap_user_header.size)
    header.set(cap_user_header.fields.version, c.LINUX_CAPABILITY.VERSION_3)
    header.set(cap_user_header.fields.pid, pid)
    return header
  }

  return {
    getresuid: () => ids(numbers.getresuid),
    getresgid: () => ids(numbers.getresgid),
    getgroups: () => {
      const count = call(numbers.getgroups, 0, 0)
      if (!(count >= 0 && count <= mostGroups)) throw new Refused("EIO", `${count} groups are more than the kernel has`)
      const block = memory.block(count * 4)
      call(numbers.getgroups, count, block.address)
      return Array.from({ length: count }, (_, index) => block.u32(index * 4))
    },
    setresuid: ({ ruid, euid, suid }) => void call(numbers.setresuid, ruid, euid, suid),
    setresgid: ({ rgid, egid, sgid }) => void call(numbers.setresgid, rgid, egid, sgid),
    setgroups: ({ groups }) =>
      // an address behind all that is written belongs to nobody, and could not be copied
      void call(numbers.setgroups, groups.length, groups.length === 0 ? 0 : memory.ints(groups)),
    capget: ({ pid }) => {
      const data = memory.zeroed(cap_user_data.size * 2)
      call(numbers.capget, capabilityHeader(pid).address, data.address)
      const { effective, permitted, inheritable } = cap_user_data.fields
      const both = (field: typeof effective): bigint =>
        BigInt(data.get(field)) | BigInt(data.get(field, cap_user_data.size)) << 32n
      return { effective: both(effective), permitted: both(permitted), inheritable: both(inheritable) }
    },
    capset: (sets) => {
      const data = memory.zeroed(cap_user_data.size * 2)
      for (const name of ["effective", "permitted", "inheritable"] as const) {
        data.set(cap_user_data.fields[name], Number(BigInt.asUintN(32, sets[name])))
        data.set(cap_user_data.fields[name], Number(BigInt.asUintN(32, sets[name] >> 32n)), cap_user_data.size)
      }
      call(numbers.capset, capabilityHeader(0).address, data.address)
    },
    keyctl: ({ operation, arg2, arg3 }) =>
      call(numbers.keyctl, operation, typeof arg2 === "string" ? memory.text(arg2) : arg2 ?? 0, arg3)
  } satisfies Partial<Handlers>
}
