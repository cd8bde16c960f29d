/** `runfx kill`: sends a signal to a container, or ends it. */
import * as Effect from "effect/Effect"
import { numberOf } from "../config/signals.ts"
import { given } from "../engine/given.ts"
import { kill as killContainer } from "../runtime/kill.ts"
import { OptionError } from "../runtime/OptionError.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `kill`. */
export interface KillCommand extends GlobalOptions {
  readonly id: string
  readonly signal: string
  readonly all?: boolean
}

/** The number of the requested signal. */
export const signalOf = (text: string): Effect.Effect<number, OptionError> => {
  const signal = numberOf(text)
  return signal === undefined
    ? Effect.fail(
      new OptionError({
        option: "signal",
        value: text,
        rule: "is neither a signal's name (TERM, SIGTERM, RTMIN+3) nor its number (0 to 64)"
      })
    )
    : Effect.succeed(signal)
}

/** Sends the signal. */
export const kill = (command: KillCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const signal = yield* signalOf(command.signal)
    const { all, id, root } = command
    yield* killContainer(id, signal, given({ stateRoot: root, all }))
    return 0
  }))
