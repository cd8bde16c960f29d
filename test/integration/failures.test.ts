/** How programs and applications fail, as root and as a user: docs/failures.md lists what is held here, and elsewhere. */
import { failures } from "../support/failureScenarios.ts"
import { scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({ title: "failures", set: "failures", scenarios: failures, clean: "end" })
