/**
 * The memory that programs take, as their test says, and what becomes of those that take more than their groups have.
 *
 * No page is modelled: a process has a number of bytes, which end with it or with its program. There is no swap.
 *
 * @see the kernel's admin-guide/cgroup-v2.rst (memory), cgroup-v1/memory.rst, mm/oom_kill.c, mm/memcontrol.c
 */
import { SIG } from "../native/constants.ts"
import { amount } from "./cgroupMemory.ts"
import { keyOf, pathsUp, within } from "./cgroupTree.ts"
import { valueOf } from "./cgroupWrite.ts"
import { force } from "./ending.ts"
import type { Machine } from "./Machine.ts"
import type { Cgroup, Hierarchy, Process } from "./State.ts"

const page = 4096n

/** Whose memory counts for a group: that of its own processes, and of those below it. */
const membersOf = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Process> =>
  m.processes.values().filter(({ cgroups, memory, status }) =>
    memory !== undefined && status === "running" && within(cgroups.get(hierarchy) ?? "/", path)
  )

/** How many bytes are in use in a group, as its files tell. */
export const memoryIn = (m: Machine, hierarchy: number, path: string): bigint =>
  membersOf(m, hierarchy, path).reduce((sum, { memory = 0n }) => sum + memory, 0n)

/** The most of version 1, which version 2 has only in newer kernels. */
const notePeak = (m: Machine, hierarchy: Hierarchy, group: Cgroup, used: bigint): void => {
  const name = "memory.max_usage_in_bytes"
  if (hierarchy.version === 2 || BigInt(valueOf(hierarchy, group, name)) >= used) return
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, values: new Map(group.values).set(name, String(used)) })
}

const addOne = (m: Machine, hierarchy: Hierarchy, path: string, file: string, keys: ReadonlyArray<string>): void =>
  m.cgroups.update(keyOf(hierarchy.id, path), (group) => ({
    ...group,
    values: new Map(group.values).set(
      file,
      valueOf(hierarchy, group, file).split("\n").map((line) => {
        const [key = "", count] = line.split(" ")
        return keys.includes(key) ? `${key} ${Number(count) + 1}` : line
      }).join("\n")
    )
  }))

/** Counts a process that is ended, for its own group; of version 2, for all above it as well (`memcg_memory_event`). */
const count = (m: Machine, hierarchy: Hierarchy, path: string): void => {
  if (hierarchy.version === 1) return addOne(m, hierarchy, path, "memory.oom_control", ["oom_kill"])
  // the root has no such file
  for (const up of pathsUp(path).filter((one) => one !== "/")) addOne(m, hierarchy, up, "memory.events", ["oom_kill"])
}

/** How bad it is to keep a process: what it uses, and for each point of its score a thousandth of all (`oom_badness`). */
const badness = ({ memory = 0n, oomScoreAdj }: Process, all: bigint): bigint =>
  memory + BigInt(oomScoreAdj) * all / 1000n

/** Ends processes until a group has no more than it may (`mem_cgroup_out_of_memory`). */
const enforce = (m: Machine, hierarchy: Hierarchy, path: string, limit: bigint): void => {
  const group = m.cgroups.need(keyOf(hierarchy.id, path))
  while (memoryIn(m, hierarchy.id, path) > limit) {
    const spares = hierarchy.version === 1
      ? valueOf(hierarchy, group, "memory.oom_control").includes("oom_kill_disable 1")
      : valueOf(hierarchy, group, "memory.oom.group") === "1"
    if (spares) m.unmodelled("memory that is used up, of a group that says what happens then")
    const [worst] = membersOf(m, hierarchy.id, path)
      .filter(({ oomScoreAdj }) => oomScoreAdj > -1000)
      .toSorted((a, b) => Number(badness(b, limit) - badness(a, limit)))
    if (worst === undefined) return m.unmodelled("memory that is used up by processes that may not be ended")
    if (hierarchy.version === 2) addOne(m, hierarchy, path, "memory.events", ["max", "oom"])
    count(m, hierarchy, worst.cgroups.get(hierarchy.id) ?? "/")
    force(m, worst.pid, SIG.KILL)
  }
}

/** Has the caller use so many bytes more. If that is more than its groups may, somebody of them is ended. */
export const useMemory = (m: Machine, bytes: bigint): void => {
  m.change({ memory: (m.self.memory ?? 0n) + (bytes + page - 1n) / page * page })
  const { cgroups } = m.self
  for (const hierarchy of m.hierarchies.values()) {
    if (!hierarchy.controllers.includes("memory")) continue
    const own = cgroups.get(hierarchy.id) ?? "/"
    // the nearest limit is met first
    for (const path of pathsUp(own).filter((one) => one !== "/")) {
      const group = m.cgroups.need(keyOf(hierarchy.id, path))
      const [name, unlimited] = hierarchy.version === 1 ? ["memory.limit_in_bytes", "-1"] : ["memory.max", "max"]
      const limit = amount(valueOf(hierarchy, group, name), unlimited)
      const used = memoryIn(m, hierarchy.id, path)
      notePeak(m, hierarchy, group, used < limit ? used : limit)
      enforce(m, hierarchy, path, limit)
    }
  }
}
