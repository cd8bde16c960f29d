/** Programs of a sandbox on a terminal, as root and as a user. */
import { scenarioSuite } from "../support/scenarioSuite.ts"
import { terminalScenarios } from "../support/terminalScenarios.ts"

scenarioSuite({ title: "the terminal of a sandbox", set: "terminal", scenarios: terminalScenarios, clean: "end" })
