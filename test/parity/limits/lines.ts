/** Words for the scenarios here. */
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { gate, line, openGate, pass, see, start } from "../../support/vocabulary.ts"

/** A user whom no process of the machine belongs to. */
export const nobody = 54321
export const infinity = 2n ** 64n - 1n

export const limit = (resource: number, soft: bigint, hard: bigint, pid: string | number = 0): Line =>
  line("prlimit64", { pid, resource, limit: { soft, hard } }, see)

/** A child of the caller that waits, as somebody. */
export const sleeper = (name: string, as: Scenario = []): Scenario => [
  gate("asleep"),
  gate("ready"),
  start(name, 0, [...as, openGate("ready"), pass("asleep")]),
  pass("ready")
]

export const policy = (mode: number, nodes: ReadonlyArray<number>): Line => line("set_mempolicy", { mode, nodes })
