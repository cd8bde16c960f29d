/** `runfx exec`: runs another program in a running container. */
import * as Effect from "effect/Effect"
import { given } from "../engine/given.ts"
import { stateRoot as defaultRoot } from "../runtime/caller.ts"
import { processOf, type ProcessOptions, withProcessOptions } from "../runtime/containerOf.ts"
import { environmentOf } from "../runtime/environment.ts"
import { exec as execIn, start as startIn } from "../runtime/exec.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { ownSize } from "../runtime/terminal.ts"
import * as Store from "../steps/state/Store.ts"
import type { GlobalOptions } from "./edge.ts"
import { flowOption } from "./flowOption.ts"
import { foreground, type ForegroundCommand } from "./foreground.ts"
import { inherited } from "./support.ts"

/** The options of `exec`; those of `plan exec` are among them. */
export interface ExecCommand extends GlobalOptions, ForegroundCommand, ProcessOptions {
  readonly id: string
  /** A file with the process; the other options change it. */
  readonly process?: string
  readonly flow?: string
  readonly preserveFds?: number
}

/** What `exec` passes to the runtime: the container's process, or that of a file, with the changes of the options. */
export const execOptions = (command: ExecCommand) =>
  Effect.gen(function*() {
    const stateRoot = command.root ?? (yield* defaultRoot)
    const state = yield* Store.load(stateRoot, command.id)
    const { container } = state
    const whole = command.process === undefined
      ? { ...container.process, env: yield* environmentOf(state), terminal: false }
      : yield* processOf(command.process, container)
    const base = yield* withProcessOptions(whole, command, container)
    const size = yield* ownSize
    const options: Runtime.ExecOptions = {
      id: command.id,
      stateRoot,
      process: size === undefined ? base : { ...base, consoleSize: size },
      ...(yield* flowOption(command.flow)),
      ...(yield* inherited),
      ...given({ preservedFds: command.preserveFds })
    }
    return options
  })

/** Runs it. The exit code is the program's. */
export const exec = (command: ExecCommand): Promise<void> =>
  foreground(command, {
    options: execOptions(command),
    processOf: ({ process }) => process,
    detached: startIn,
    run: execIn
  })
