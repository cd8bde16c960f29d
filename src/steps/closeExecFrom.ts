/**
 * Close every descriptor that the program is not meant to have: those from `3 + preservedFds` on.
 *
 * They are closed, not only marked close-on-exec: between the mark and exec, a working directory or a program of
 * `/proc/self/fd/<n>` would lead to the host (CVE-2024-21626). All that stays is close-on-exec and leads nowhere:
 *
 * - the channel, whose closing by exec is what tells the parent that the program runs;
 * - the event loop's own descriptors (epoll, eventfd), anonymous inodes without a path. The garbage collector wakes the
 *   event loop at any time, and libuv aborts the process where it finds its eventfd closed.
 *
 * @see close_range(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { CLOSE_RANGE, F, FD, MAGIC, POLL } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { DescriptorsClosed } from "./facts.ts"
import { Init } from "./Init.ts"
import { listDescriptors, selfCalls } from "./procSelf.ts"

/** The highest number that close_range(2) takes. */
const highest = 0xffff_ffff

/** Node.js makes the descriptors of its event loop when it starts: they have low numbers. */
const low = 256

/** The open descriptors below {@link low}, by one poll(2), which is quicker than `/proc` and needs none. */
const openDescriptors = (first: number) => {
  const all = Array.from({ length: Math.max(0, low - first) }, (_, index) => first + index)
  return Effect.map(
    sys.poll({ fds: all, events: 0, timeout: 0 }),
    (events) => all.filter((_, index) => (events[index]! & POLL.NVAL) === 0)
  )
}

const isAnonymous = (fd: number): Effect.Effect<boolean, SyscallError, Kernel> =>
  sys.fstatfs({ fd }).pipe(
    Effect.map(({ type }) => type === MAGIC.ANON_INODE_FS_MAGIC || type === MAGIC.PID_FS_MAGIC),
    // closed since it was listed
    Effect.catchIf(({ code }) => code === "EBADF", () => Effect.succeed(false))
  )

const closeBetween = Effect.fnUntraced(function*(first: number, spared: ReadonlyArray<number>) {
  let from = first
  for (const fd of [...spared, highest + 1]) {
    if (from < fd) yield* sys.close_range({ first: from, last: fd - 1, flags: 0 })
    from = Math.max(from, fd + 1)
  }
})

/** Before Linux 5.11; a seccomp filter that is older than the call says EPERM, which the kernel itself never does. */
const isMissing = ({ call, code }: SyscallError): boolean =>
  call._tag === "close_range" && (code === "ENOSYS" || code === "EINVAL" || code === "EPERM")

const closeOneByOne = Effect.fnUntraced(function*(first: number, channel: number) {
  for (const fd of (yield* listDescriptors).filter((fd) => fd >= first)) {
    const change = fd === channel || (yield* isAnonymous(fd))
      ? sys.fcntl({ fd, command: F.SETFD, argument: FD.CLOEXEC })
      : sys.close({ fd })
    yield* Effect.catchIf(Effect.asVoid(change), ({ code }) => code === "EBADF", () => Effect.void)
  }
})

/** Closes all descriptors but stdio, the preserved ones, the channel and the event loop's. */
export const closeExecFrom = Step.make("closeExecFrom", {
  doc: "close the descriptors that the program must not have",
  calls: ["close_range", "poll", "fcntl", "getdents64", ...selfCalls],
  requires: [Init],
  provides: DescriptorsClosed,
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { channel, preservedFds } = yield* Init
    const first = 3 + preservedFds
    yield* Effect.gen(function*() {
      yield* sys.close_range({ first, last: highest, flags: CLOSE_RANGE.CLOEXEC })
      const spared = new Set([channel])
      for (const fd of yield* openDescriptors(first)) {
        if (yield* isAnonymous(fd)) spared.add(fd)
      }
      yield* closeBetween(first, [...spared].filter((fd) => fd >= first).toSorted((a, b) => a - b))
    }).pipe(Effect.catchIf(isMissing, () => closeOneByOne(first, channel)))
  }).pipe(Effect.as(true as const))
})
