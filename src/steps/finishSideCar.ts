/**
 * The end of the side-car: report that the root is built, and exit. A failure is reported as that of any init, so a half-built
 * root is never taken for a complete one.
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
  // the init waits for the finished root
  requires: [Init, RootSealed],
  reversal: "terminal",
  replayable: true,
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Done" })
    return yield* sys.exit_group({ status: 0 })
  })
})
