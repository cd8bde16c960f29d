/** What the processes of one live kernel have in common. It is made together with the first process. */
import process from "node:process"
import type { Library } from "../koffi.ts"
import type { Handlers, Syscalls } from "../Syscalls.ts"
import { Guard } from "./Guard.ts"
import { load, type MachineCode } from "./machineCode.ts"
import { own } from "./ownCalls.ts"
import { SharedMemory } from "./SharedMemory.ts"
import { Spawner } from "./Spawner.ts"
import { Watcher } from "./Watcher.ts"

/** The parts. */
export interface Parts {
  /** How many processes can run at once. */
  readonly cores: number
  readonly code: MachineCode
  readonly shared: SharedMemory
  readonly spawner: Spawner
  readonly watcher: Watcher
  readonly guard: Guard
}

/** Makes them, with the handlers of this process. */
export const partsOf = (library: Library, machine: Syscalls, handlers: Handlers): Parts => {
  const make = own(machine, handlers)
  const code = load(library)
  const shared = new SharedMemory(library, machine, make)
  const spawner = new Spawner(machine, make, shared)
  const watcher = new Watcher(library, machine, make, code, spawner)
  const guard = new Guard({ library, machine, own: make, code, spawner, watcher })
  // what starts nothing does not load it
  const cores = process.getBuiltinModule("node:os").availableParallelism()
  return { cores, code, shared, spawner, watcher, guard }
}
