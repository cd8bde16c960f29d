/** What the states of containers tell of: processes and cgroups of the machine, which a plan of prune looks at. */
import { readdirSync, readlinkSync } from "node:fs"
import type { State } from "../steps/state/State.ts"

/** What a plan needs of the machine's containers. */
export interface LookedAt {
  /** Processes by pid. */
  readonly processes: ReadonlyArray<number>
  /** Directories of cgroups. */
  readonly groups: ReadonlyArray<string>
  /** What processes are, by pid. */
  readonly names: ReadonlyMap<number, string>
}

const ownNamespace = (): string | undefined => {
  try {
    return readlinkSync("/proc/self/ns/pid")
  } catch {
    return undefined
  }
}

/** All processes that `/proc` shows: one that another pid namespace has numbered is searched among them. */
const everybody = (): ReadonlyArray<number> => readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)

/** What these states tell of. */
export const lookedAt = (states: ReadonlyArray<State>): LookedAt => {
  const names = new Map<number, string>()
  const name = (pid: number | undefined, what: string): void => {
    if (pid !== undefined && !names.has(pid)) names.set(pid, what)
  }
  const here = ownNamespace()
  const isOwn = ({ numbering }: State): boolean => numbering === undefined || numbering.pidNamespace === here
  for (const { hidden, id, init, runner } of states.filter(isOwn)) {
    name(init?.pid ?? hidden?.pid, `init of ${id}`)
    name(runner?.pid, `runtime of ${id}`)
    name(runner?.thread?.pid, `thread of the runtime of ${id}`)
  }
  return {
    processes: states.every(isOwn) ? [...names.keys()] : [...new Set([...names.keys(), ...everybody()])],
    groups: [...new Set(states.flatMap(({ cgroup }) => Object.values(cgroup?.paths ?? {})))],
    names
  }
}
