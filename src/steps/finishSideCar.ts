/**
 * The end of the side-car: report that all is done, and exit. Its failure travels as any init's does, so that a
 * half-built root is never taken for a whole one.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { send } from "./channel/channel.ts"
import { Init } from "./init/Init.ts"
import { RootSealed } from "./rootfs/facts.ts"

/** Says "Done" and exits with status 0. */
export const finishSideCar = Step.make("finishSideCar", {
  doc: "report that the root is built, and exit",
  calls: ["sendmsg", "exit_group"],
  // what the init waits for is all of it
  requires: [Init, RootSealed],
  reversal: "terminal",
  replayable: true,
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Done" })
    return yield* sys.exit_group({ status: 0 })
  })
})
