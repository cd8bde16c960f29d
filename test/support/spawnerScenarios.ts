/**
 * What a program of Effect's `ChildProcess` sees of a spawner, whichever it is: each behaviour that Effect holds its own to, by
 * a sandbox. docs/spawner.md lists them.
 */
import type { Scenario } from "./scenario.ts"
import { basics } from "./spawner/basics.ts"
import { control } from "./spawner/control.ts"
import { fds } from "./spawner/fds.ts"
import { pipelines } from "./spawner/pipelines.ts"
import { streams } from "./spawner/streams.ts"
import { supervision } from "./spawner/supervision.ts"

/** All of them, by name. */
export const spawners: Readonly<Record<string, Scenario>> = {
  ...basics,
  ...streams,
  ...control,
  ...pipelines,
  ...fds,
  ...supervision
}
