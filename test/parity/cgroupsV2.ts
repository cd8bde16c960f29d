/** Control groups of version 2: everywhere what has no controllers, with those where the machine has them there. */
import { existsSync, readFileSync } from "node:fs"
import { type Scenarios, union } from "../support/parityLines.ts"
import { controllers, full } from "./cgroupsV2/controllers.ts"
import { core } from "./cgroupsV2/core.ts"
import { delegation } from "./cgroupsV2/delegation.ts"
import { freezing, killing } from "./cgroupsV2/endings.ts"
import { root } from "./cgroupsV2/lines.ts"
import { namespaces } from "./cgroupsV2/namespaces.ts"
import { threads } from "./cgroupsV2/threads.ts"

const present = (): boolean => existsSync(`${root}/cgroup.controllers`)
const hasControllers = (): boolean => {
  const on = readFileSync(`${root}/cgroup.subtree_control`, "utf8").trim().split(" ")
  return ["cpu", "cpuset", "memory", "pids"].every((name) => on.includes(name))
}

export const cgroupsV2: Scenarios = present()
  ? union(core, freezing, killing, threads, delegation, namespaces, controllers, hasControllers() ? full : {})
  : {}
