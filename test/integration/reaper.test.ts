/** A process 1 of runfx's own before the program of a sandbox, and of the command. */
import { reaperScenarios } from "../support/reaperScenarios.ts"
import { scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({ title: "a process 1 of runfx's own", set: "reaper", scenarios: reaperScenarios, clean: "end" })
