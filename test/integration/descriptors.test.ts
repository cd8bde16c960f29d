/** Descriptors of the application in its sandboxes, as root and as a user. */
import { descriptors } from "../support/descriptorScenarios.ts"
import { scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({ title: "descriptors of the application", set: "descriptors", scenarios: descriptors, clean: "end" })
