/** `runfx doctor`: what this host allows this caller, and how to get what it does not. */
import * as Effect from "effect/Effect"
import { visible, visibleJson } from "../engine/visible.ts"
import { print } from "../runtime/streams.ts"
import { probe } from "../sandbox/probe.ts"
import type { Finding } from "../sandbox/probe/Finding.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `doctor`. */
export interface DoctorCommand extends GlobalOptions {
  readonly format?: string
}

const line = ({ found, name, ok, remedy }: Finding): string =>
  `${ok ? "ok" : "--"}  ${name.padEnd(16)} ${found}\n${remedy === undefined ? "" : `    what to do: ${remedy}\n`}`

/** What is printed: paths of the caller's environment, which may hold anything, are in it. */
export const textOf = (findings: ReadonlyArray<Finding>, format?: string): string =>
  format === "json"
    ? `${visibleJson(JSON.stringify(findings, null, 2))}\n`
    : visible(findings.map(line).join(""))

/** Prints what it finds; the exit code is 1 if no sandbox can run. */
export const doctor = ({ format, root }: DoctorCommand): Promise<void> =>
  onLinux(
    Effect.gen(function*() {
      const findings = yield* probe(root === undefined ? {} : { stateRoot: root })
      yield* print(textOf(findings, format))
      return findings[0]?.ok === true ? 0 : 1
    })
  )
