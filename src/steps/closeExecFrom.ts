/**
 * Close every descriptor that the program is not meant to have: those from `3 + preservedFds` on.
 *
 * They are closed, not only marked close-on-exec: between the mark and exec, a working directory or a program of
 * `/proc/self/fd/<n>` would lead to the host (CVE-2024-21626). All that stays is close-on-exec and leads nowhere: the
 * channel, whose closing by exec is what tells the parent that the program runs.
 *
 * @see close_range(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { F, FD } from "../native/constants.ts"
import { sys, type SyscallError } from "../native/Kernel.ts"
import { DescriptorsClosed } from "./facts.ts"
import { Init } from "./Init.ts"
import { listDescriptors, selfCalls } from "./procSelf.ts"

/** The highest number that close_range(2) takes. */
const highest = 0xffff_ffff

/** Before Linux 5.9; a seccomp filter that is older than the call says EPERM, which the kernel itself never does. */
const isMissing = ({ call, code }: SyscallError): boolean =>
  call._tag === "close_range" && (code === "ENOSYS" || code === "EPERM")

const closeOneByOne = Effect.fnUntraced(function*(first: number, channel: number) {
  for (const fd of (yield* listDescriptors).filter((fd) => fd >= first && fd !== channel)) {
    yield* Effect.catchIf(sys.close({ fd }), ({ code }) => code === "EBADF", () => Effect.void)
  }
})

/** Closes all descriptors but stdio, the preserved ones and the channel. */
export const closeExecFrom = Step.make("closeExecFrom", {
  doc: "close the descriptors that the program must not have",
  calls: ["close_range", "fcntl", "getdents64", ...selfCalls],
  requires: [Init],
  provides: DescriptorsClosed,
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { channel, preservedFds } = yield* Init
    const first = 3 + preservedFds
    const ranges = channel < first
      ? [[first, highest]] as const
      : [[first, channel - 1], [channel + 1, highest]] as const
    yield* Effect.forEach(
      ranges.filter(([first, last]) => first <= last),
      ([first, last]) => sys.close_range({ first, last, flags: 0 }),
      { discard: true }
    ).pipe(Effect.catchIf(isMissing, () => closeOneByOne(first, channel)))
    if (channel >= first) yield* sys.fcntl({ fd: channel, command: F.SETFD, argument: FD.CLOEXEC })
  }).pipe(Effect.as(true as const))
})
