/**
 * Close every descriptor that the program is not meant to have: those from `3 + preservedFds` on, except the channel.
 *
 * They are closed, not only marked close-on-exec: between the mark and exec, a working directory or a program of
 * `/proc/self/fd/<n>` would lead to the host (CVE-2024-21626). The channel is close-on-exec, and its closing by exec is
 * what tells the parent that the program runs.
 *
 * @see close_range(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./Init.ts"
import { listDescriptors, selfCalls } from "./procSelf.ts"

/** The highest number that close_range(2) takes. */
const highest = 0xffff_ffff

const closeRange = (first: number, last: number) =>
  first > last ? Effect.void : sys.close_range({ first, last, flags: 0 })

/** Closes one by one what `/proc/self/fd` lists. */
const closeListed = Effect.fnUntraced(function*(first: number, spared: number) {
  for (const fd of yield* listDescriptors) {
    if (fd < first || fd === spared) continue
    yield* Effect.catchIf(sys.close({ fd }), ({ code }) => code === "EBADF", () => Effect.void)
  }
})

/** Closes all descriptors but stdio, the preserved ones and the channel. */
export const closeExecFrom = Step.make("closeExecFrom", {
  doc: "close the descriptors that the program must not have",
  calls: ["close_range", "getdents64", ...selfCalls],
  requires: [Init],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { channel, preservedFds } = yield* Init
    const first = 3 + preservedFds
    yield* closeRange(first, channel - 1).pipe(
      Effect.andThen(closeRange(Math.max(first, channel + 1), highest)),
      // before Linux 5.9; a seccomp filter that is older than the call says EPERM, which the kernel itself never does
      Effect.catchIf(({ code }) => code === "ENOSYS" || code === "EPERM", () => closeListed(first, channel))
    )
  })
})
