/** Runs sandboxes in a process of its own, which may be any user's: jobs come as JSON on standard input. */
import * as Effect from "effect/Effect"
import { text } from "node:stream/consumers"
import * as Sandbox from "../../src/sandbox.ts"

/** A program to run, as JSON. */
export interface Job {
  readonly description?: Sandbox.Description
  readonly command: ReadonlyArray<string>
  readonly options?: Omit<Sandbox.Options, "input"> & { readonly input?: string }
}

/** What became of it, as JSON. */
export type Outcome =
  | Omit<Sandbox.Result, "events" | "stdoutBytes" | "stderrBytes">
  | { readonly error: string; readonly message: string; readonly advice?: string }

const outcome = ({ command, description, options }: Job) =>
  Sandbox.run(Sandbox.make(description), command, options).pipe(
    Effect.map(({ events: _events, stderrBytes: _err, stdoutBytes: _out, ...result }): Outcome => result),
    Effect.catch((error) =>
      Effect.succeed<Outcome>({
        error: error._tag,
        message: error.message,
        ...(error.advice === undefined ? {} : { advice: error.advice })
      })
    )
  )

const jobs = JSON.parse(await text(process.stdin)) as ReadonlyArray<Job>
const all = Effect.forEach(jobs, outcome, { concurrency: 4 })
const results = await Effect.runPromise(Effect.provide(all, Sandbox.layer))
process.stdout.write(JSON.stringify(results))
