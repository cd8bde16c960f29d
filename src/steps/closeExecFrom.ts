/**
 * Close every descriptor that the program must not have, from `3 + preservedFds` on, and give those that the caller passes the
 * numbers that they have in the program.
 *
 * They are closed, not only marked close-on-exec: between the mark and exec, a working directory or a program of
 * `/proc/self/fd/<n>` would lead to the host (CVE-2024-21626). One stays open, and leads nowhere: the channel, which is
 * close-on-exec. When exec closes it, the parent knows that the program runs.
 *
 * @see close_range(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { F, FD } from "../native/constants.ts"
import { orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { DescriptorsClosed, StdioConnected } from "./init/facts.ts"
import { descriptorsOf, Init } from "./init/Init.ts"
import { listDescriptors, selfCalls } from "./proc/self.ts"

/** The highest number that close_range(2) takes. */
const highest = 0xffff_ffff

/** Linux before 5.9 has no such call; a seccomp filter that is older than the call returns EPERM, which the kernel never does. */
const isMissing = ({ call, code }: SyscallError): boolean =>
  call._tag === "close_range" && (code === "ENOSYS" || code === "EPERM")

const closeOneByOne = Effect.fnUntraced(function*(first: number, kept: ReadonlyArray<number>) {
  for (const fd of (yield* listDescriptors).filter((fd) => fd >= first && !kept.includes(fd))) {
    yield* sys.close({ fd }).pipe(orOn(["EBADF"], undefined))
  }
})

/** The ranges from `first` on between the descriptors that are kept. */
const between = (first: number, kept: ReadonlyArray<number>): ReadonlyArray<readonly [first: number, last: number]> => {
  const ends = kept.filter((fd) => fd >= first).toSorted((one, other) => one - other)
  return [first - 1, ...ends]
    .map((fd, index) => [fd + 1, (ends[index] ?? highest + 1) - 1] as const)
    .filter(([from, to]) => from <= to)
}

/** Closes all descriptors except stdio, the preserved ones and the channel, and puts the passed ones at their numbers. */
export const closeExecFrom = Step.make("closeExecFrom", {
  doc: "close the descriptors that the program must not have, and put in place those that it is given",
  calls: ["close_range", "fcntl", "getdents64", "dup3", ...selfCalls],
  // what is given as stdio is among those that are closed
  requires: [Init, StdioConnected],
  provides: DescriptorsClosed,
  reversal: "irreversible",
  deterministic: true,
  advice: { EBADF: "a descriptor that is given to the program is not open: keep it open until the program runs" },
  run: Effect.gen(function*() {
    const init = yield* Init
    const { channel, preservedFds } = init
    const first = 3 + preservedFds
    const given = descriptorsOf(init)
    const sources = [...new Set(given.map(([, fd]) => fd))]
    const kept = [channel, ...sources]
    yield* Effect.forEach(
      between(first, kept),
      ([first, last]) => sys.close_range({ first, last, flags: 0 }),
      { discard: true }
    ).pipe(Effect.catchIf(isMissing, () => closeOneByOne(first, kept)))
    if (channel >= first) yield* sys.fcntl({ fd: channel, command: F.SETFD, argument: FD.CLOEXEC })
    // without close-on-exec, whatever the one that is given has
    for (const [newfd, oldfd] of given) yield* sys.dup3({ oldfd, newfd, flags: 0 })
    for (const fd of sources) yield* sys.close({ fd })
  }).pipe(Effect.as(true as const))
})
