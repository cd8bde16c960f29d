/**
 * A sandbox as a value: a description, and, if you want, an edit of the pipeline that starts it.
 *
 * @category descriptions
 * @since 0.2.0
 */
import { dual } from "effect/Function"
import type { Problem } from "../config/ConfigError.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import type { SoundFlow } from "../runtime/flow.ts"
import type { InitFlow, RunOptions } from "../runtime/options.ts"
import { check } from "./check.ts"
import type { Description } from "./Description.ts"

/** A sandbox to run programs in. Nothing of it exists before it runs one. */
export interface Sandbox {
  readonly description: Description
  /** Edits the pipeline that its first process runs; see `Pipeline`. */
  readonly flow?: NonNullable<RunOptions["flow"]>
}

/**
 * A sandbox of a description. What is left out is safe: the host's programs read-only, a /tmp of its own, no network, no
 * other process, no capability, a filter of system calls, a user namespace of its own.
 *
 * What is wrong with a description is reported by {@link problems}, and when a program is run, all at once.
 *
 * **Example** (A job with a directory of its own)
 *
 * ```ts
 * const job = make({
 *   writable: ["/srv/job"],
 *   cwd: "/srv/job",
 *   limits: { memory: "256 MiB", cpus: 0.5, processes: 64, time: "10 seconds" }
 * })
 * ```
 */
export const make = (description: Description = {}): Sandbox => ({ description })

const joined = <A>(one: ReadonlyArray<A> | undefined, other: ReadonlyArray<A> | undefined) =>
  one === undefined ? other : other === undefined ? one : [...one, ...other]

const lists = ["writable", "mounts", "hidden", "inherit", "devices", "capabilities"] as const

const merged = (base: Description, more: Description): Description => {
  const all: { -readonly [K in keyof Description]: Description[K] } = { ...base, ...more }
  for (const key of lists) {
    const both = joined<unknown>(base[key], more[key])
    if (both !== undefined) Reflect.set(all, key, both)
  }
  if (base.env !== undefined && more.env !== undefined) all.env = { ...base.env, ...more.env }
  if (base.limits !== undefined && more.limits !== undefined) all.limits = { ...base.limits, ...more.limits }
  return all
}

/**
 * A sandbox with something changed: lists get longer, variables and limits are added, and any other word replaces the old one.
 *
 * **Example** (A preset of one's own)
 *
 * ```ts
 * const tests = make({ limits: { memory: "1 GiB" } })
 * const slowTests = extend(tests, { limits: { time: "10 minutes" } })
 * ```
 */
export const extend: {
  (more: Description): (self: Sandbox) => Sandbox
  (self: Sandbox, more: Description): Sandbox
} = dual(2, (self: Sandbox, more: Description): Sandbox => ({
  ...self,
  description: merged(self.description, more)
}))

/**
 * A sandbox whose first process runs an edited pipeline. It is checked before anything is made.
 *
 * **Example** (A line for each start)
 *
 * ```ts
 * const announced = withFlow(make(), Pipeline.insertAfter("findProgram", announce))
 * ```
 */
export const withFlow = <P extends Pipeline.Any>(
  self: Sandbox,
  flow: SoundFlow<P> & InitFlow<P>
): Sandbox => ({ ...self, flow })

/** What is wrong with the description of a sandbox, as far as that can be found without a look at the host. */
export const problems = ({ description }: Sandbox): ReadonlyArray<Problem> => check(description)
