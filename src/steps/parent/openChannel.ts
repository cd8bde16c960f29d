/**
 * Make the channel to the init. Packets keep message boundaries; the kernel attests the sender of each
 * (`SO_PASSCRED`), so a process that is cloned anew inside the container can't lie about its pid.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { SO, SOCK } from "../../native/constants.ts"
import { sys } from "../../native/Kernel.ts"
import { Channel } from "./facts.ts"

/** Makes the socket pair; closes the parent's end on rollback (the child's end is closed once it is cloned). */
export const openChannel = Step.make("openChannel", {
  doc: "make the socket pair that the init and its parent talk over",
  calls: ["socketpair", "setsockopt", "close"],
  provides: Channel,
  reversal: "compensated",
  run: Effect.gen(function*() {
    const [parent, child] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    yield* Step.onRollback(sys.close({ fd: parent }))
    yield* sys.setsockopt({ fd: parent, option: SO.PASSCRED, value: 1 })
    return { parent, child }
  })
})
