/** `runfx kill`: a signal for a container, or its end. */
import * as Effect from "effect/Effect"
import { numberOf } from "../config/signals.ts"
import { OptionError } from "../runtime/containerOf.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `kill`. */
export interface KillCommand extends GlobalOptions {
  readonly id: string
  readonly signal: string
  readonly all?: boolean
}

/** Sends the signal. */
export const kill = (command: KillCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const signal = numberOf(command.signal)
    if (signal === undefined) {
      return yield* new OptionError({
        option: "signal",
        value: command.signal,
        rule: "is neither a signal's name nor its number"
      })
    }
    yield* Runtime.kill(command.id, signal, {
      ...(command.root === undefined ? {} : { stateRoot: command.root }),
      ...(command.all === undefined ? {} : { all: command.all })
    })
    return 0
  }))
