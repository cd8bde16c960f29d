/**
 * Make the channel to the init. Packets keep message boundaries; the kernel attests the sender of each
 * (`SO_PASSCRED`), so a process that is cloned anew inside the container can't lie about its pid.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { SO, SOCK } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { Channel } from "./facts.ts"

/** Closes a descriptor, once: its number may be another one's when a later step wants to close it as well. */
const closing = (fd: number): Effect.Effect<void, SyscallError, Kernel> => {
  let open = true
  // an interruption between the two lines would leave it open for ever
  return Effect.uninterruptible(Effect.suspend(() => {
    if (!open) return Effect.void
    open = false
    return sys.close({ fd })
  }))
}

/** Makes the socket pair; closes on rollback what is still open of it. */
export const openChannel = Step.make("openChannel", {
  doc: "make the socket pair that the init and its parent talk over",
  calls: ["socketpair", "setsockopt", "close"],
  provides: Channel,
  reversal: "compensated",
  run: Effect.uninterruptible(Effect.gen(function*() {
    const [parent, child] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    const channel = { parent, child, closeParent: closing(parent), closeChild: closing(child) }
    yield* Step.onRollback(channel.closeParent)
    yield* Step.onRollback(channel.closeChild)
    yield* sys.setsockopt({ fd: parent, option: SO.PASSCRED, value: 1 })
    return channel
  }))
})
