/**
 * Wait until the parent has done what must come first: the process is in its cgroup, so that nothing it starts can
 * escape, and its id maps are written, so that it can become root of its user namespace.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { receive, receiveCalls } from "./channel.ts"
import { Init } from "./Init.ts"

/** The parent has put the process into its cgroup and has written its id maps. */
export class Admitted extends Context.Service<Admitted, true>()("runfx/Admitted") {}

/** The parent ended, or gave up, while the init waited for it. */
export class ParentGone extends Data.TaggedError("ParentGone")<{ readonly while: string }> {
  override get message(): string {
    return `the parent process is gone: ${this.while}`
  }
}

/** Waits for one message of the parent. */
export const expect = (fd: number, tag: "Enter" | "Go") =>
  Effect.flatMap(receive(fd), (received) =>
    received._tag === "Message" && received.message._tag === tag
      ? Effect.void
      : Effect.fail(new ParentGone({ while: `waiting for its word to go on (${tag}), the channel was closed` })))

/** Waits for the parent's word to enter the namespaces. */
export const awaitParent = Step.make("awaitParent", {
  doc: "wait until the parent has set the cgroup and the id maps",
  calls: receiveCalls,
  requires: [Init],
  provides: Admitted,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* expect(channel, "Enter")
    return true as const
  })
})
