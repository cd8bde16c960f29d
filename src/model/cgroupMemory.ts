/** The values that the files of the memory and huge page controllers accept. @see cgroup-v1/memory.rst, hugetlb.rst */
import { hugePages } from "./cgroupFiles.ts"
import { membersOf } from "./cgroupTree.ts"
import { type Rule, valueOf } from "./cgroupWrite.ts"
import { refuse } from "./Machine.ts"
import { amount as memparse } from "./numbers.ts"

const page = 4096n

/** `PAGE_COUNTER_MAX`, in bytes. */
export const unlimitedMemory = 9223372036854771712n

/** An amount of memory, in whole pages; `unlimited` is the word for no limit (`page_counter_memparse`). */
export const amount = (text: string, unlimited: string): bigint => {
  if (text === unlimited) return unlimitedMemory
  const { rest, value } = memparse(text)
  if (rest !== "") return refuse("EINVAL")
  return value > unlimitedMemory ? unlimitedMemory : value - value % page
}

/** The limits of version 1: memory, and memory with swap (`mem_cgroup_resize_max`). */
export const limitMemory1: Rule = ({ group, hierarchy, m, name, text }) => {
  // EINVAL: the root has no limit
  if (group.path === "/") refuse("EINVAL")
  const value = amount(text, "-1")
  const isMemory = name === "memory.limit_in_bytes"
  const other = isMemory ? "memory.memsw.limit_in_bytes" : "memory.limit_in_bytes"
  const limit = BigInt(valueOf(hierarchy, group, other))
  // EINVAL: the limit of memory would exceed that of memory and swap (mem_cgroup_resize_max)
  if (isMemory ? value > limit : value < limit) refuse("EINVAL")
  // EBUSY: more is in use, and can't be reclaimed
  if (value === 0n && membersOf(m, hierarchy.id, group.path).length > 0) m.unmodelled("how much memory is in use")
  return String(value)
}

/** Files of huge pages. A limit is in whole pages, and the highest one is shown as the word; a write to a counter resets it. */
export const hugePage: Rule = ({ hierarchy: { version }, name, text }) => {
  if (/\.(?:failcnt|max_usage_in_bytes)$/.test(name)) return undefined
  const size = hugePages[name.split(".")[1] ?? ""] ?? page
  const whole = (value: bigint): bigint => value - value % size
  const value = whole(amount(text, version === 1 ? "-1" : "max"))
  return version === 2 && value === whole(unlimitedMemory) ? "max" : String(value)
}
