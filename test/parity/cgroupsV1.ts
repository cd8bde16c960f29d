/** Control groups of version 1, controller by controller; nothing on a machine that has none. */
import { existsSync } from "node:fs"
import { type Scenarios, union } from "../support/parityLines.ts"
import { core } from "./cgroupsV1/core.ts"
import { cpu } from "./cgroupsV1/cpu.ts"
import { cpuset } from "./cgroupsV1/cpuset.ts"
import { freezer } from "./cgroupsV1/freezer.ts"
import { memory } from "./cgroupsV1/memory.ts"
import { namespaces } from "./cgroupsV1/namespaces.ts"
import { pids } from "./cgroupsV1/processes.ts"
import { rights } from "./cgroupsV1/rights.ts"

export const cgroupsV1: Scenarios = existsSync("/sys/fs/cgroup/pids/cgroup.procs")
  ? union(core, rights, freezer, pids, memory, cpu, cpuset, namespaces)
  : {}
