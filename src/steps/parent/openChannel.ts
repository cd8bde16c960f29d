/**
 * Make the channel to the init. Packets keep message boundaries; the kernel attests the sender of each, so a process that
 * is cloned later inside the container can't lie about its pid, and lets nobody send a descriptor along.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { F, SOCK } from "../../native/constants.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { hearOnly } from "../channel/channel.ts"
import { descriptorsOf } from "../init/Init.ts"
import { Channel } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Closes a descriptor once only: when a later step closes it again, another descriptor may have its number. */
const closing = (fd: AnyFd): Effect.Effect<void, SyscallError, Kernel> => {
  let open = true
  // an interruption between the two lines would leave it open for ever
  return Effect.uninterruptible(Effect.suspend(() => {
    if (!open) return Effect.void
    open = false
    return sys.close({ fd })
  }))
}

/** The child's end, at a number that none of the program's descriptors will have. */
const clearOf = (numbers: ReadonlyArray<number>, fd: AnyFd): Effect.Effect<number, SyscallError, Kernel> =>
  numbers.includes(fd)
    ? Effect.ensuring(
      sys.fcntl({ fd, command: F.DUPFD_CLOEXEC, argument: Math.max(...numbers) + 1 }),
      Effect.ignore(sys.close({ fd }))
    )
    : Effect.succeed(fd)

/** Makes the socket pair. The rollback closes the ends that are still open. */
export const openChannel = Step.make("openChannel", {
  doc: "make the socket pair that the init and its parent talk over",
  calls: ["socketpair", "fcntl", "setsockopt", "close"],
  requires: [Launch],
  provides: Channel,
  reversal: "compensated",
  run: Effect.uninterruptible(Effect.gen(function*() {
    const { record } = yield* Launch
    const [parent, end] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    const closeParent = closing(parent)
    yield* Step.onRollback(closeParent)
    const child = yield* clearOf(descriptorsOf(record).map(([number]) => number), end)
    const channel = { parent, child, closeParent, closeChild: closing(child) }
    yield* Step.onRollback(channel.closeChild)
    yield* hearOnly(parent)
    return channel
  }))
})
