/**
 * Wait for a word of the parent, which comes through the channel.
 *
 * @category init
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { AnyFd } from "../../native/Handle.ts"
import { receiveLikely } from "../channel/channel.ts"
import { ParentGone } from "./errors.ts"

/** Waits for one message of the parent. Fails with {@link ParentGone} if the channel is closed instead. */
export const awaitWord = (fd: AnyFd, tag: "Enter" | "Go") =>
  Effect.flatMap(
    receiveLikely(fd, { _tag: tag }),
    (received) =>
      received._tag === "Message" && received.message._tag === tag
        ? Effect.void
        : Effect.fail(new ParentGone({ while: `waiting for its word to continue (${tag}), the channel was closed` }))
  )
