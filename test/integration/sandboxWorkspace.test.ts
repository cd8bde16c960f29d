/** Workspaces, and what a program can do to what is covered in them, as root and as a user. */
import { workspaces } from "../support/sandboxWorkspace.ts"
import { scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({ title: "a workspace", set: "workspaces", scenarios: workspaces, clean: "end" })
