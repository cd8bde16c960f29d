/** Runs scenarios as the caller that this process has, and tells which failed, as JSON. */
import { inspect } from "node:util"
import { descriptors } from "./descriptorScenarios.ts"
import { failures } from "./failureScenarios.ts"
import { poolScenarios as pool } from "./poolScenarios.ts"
import { reaperScenarios as reaper } from "./reaperScenarios.ts"
import { networks } from "./sandboxNetwork.ts"
import { scenarios as sandbox } from "./sandboxScenarios.ts"
import { workspaces } from "./sandboxWorkspace.ts"
import type { Scenario } from "./scenario.ts"
import { spawners } from "./spawnerScenarios.ts"
import { terminalScenarios as terminal } from "./terminalScenarios.ts"

const sets: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = {
  sandbox,
  descriptors,
  networks,
  workspaces,
  failures,
  pool,
  reaper,
  terminal,
  spawners
}

const [stateRoot = "", set = ""] = process.argv.slice(2)
const failed: Record<string, string> = {}
for (const [name, scenario] of Object.entries(sets[set]!)) {
  try {
    await scenario({ stateRoot, root: process.getuid!() === 0 })
  } catch (error) {
    failed[name] = inspect(error)
  }
}
process.stdout.write(JSON.stringify(failed))
