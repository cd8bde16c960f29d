/** Effect's ChildProcessSpawner with sandboxes, as root and as a user: docs/spawner.md lists what is held here. */
import { scenarioSuite } from "../support/scenarioSuite.ts"
import { spawners } from "../support/spawnerScenarios.ts"

scenarioSuite({ title: "a ChildProcessSpawner of sandboxes", set: "spawners", scenarios: spawners, clean: "end" })
