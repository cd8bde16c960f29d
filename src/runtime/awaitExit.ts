/**
 * Wait for a child's end on the event loop: `SIGCHLD` wakes, waitid(2) tells.
 */
import * as Effect from "effect/Effect"
import process from "node:process"
import type { ChildStatus } from "../native/calls.ts"
import { CLD, P, W } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"

/** `SIGCHLD`s are merged by the kernel, and a parent may have blocked it: look at least this often, in milliseconds. */
const heartbeat = 1000

const allowListeners = (more: number): void => {
  const limit = process.getMaxListeners()
  // 0 is no limit
  if (limit !== 0) process.setMaxListeners(limit + more)
}

/** Wakes on every `SIGCHLD` and every heartbeat; one that came while nobody waited is kept. */
const childSignals = Effect.acquireRelease(
  Effect.sync(() => {
    let pending = false
    let resume: (() => void) | undefined
    const wake = () => {
      pending = true
      resume?.()
    }
    // Node warns of a leak above ten; there may be as many waits as there are containers
    allowListeners(1)
    process.on("SIGCHLD", wake)
    // a signal handler alone does not keep Node's event loop alive; a timer does
    const timer = setInterval(wake, heartbeat)
    const next = Effect.callback<void>((done) => {
      resume = () => {
        resume = undefined
        pending = false
        done(Effect.void)
      }
      if (pending) resume()
    })
    return { next, wake, timer }
  }),
  ({ timer, wake }) =>
    Effect.sync(() => {
      process.off("SIGCHLD", wake)
      allowListeners(-1)
      clearInterval(timer)
    })
)

/**
 * Waits for a child to end, reaps it, and tells how it ended.
 *
 * @param pidfd a descriptor of the child
 * @see waitid(2), pidfd_open(2)
 */
export const awaitExit = (pidfd: number): Effect.Effect<ChildStatus, SyscallError, Kernel> =>
  Effect.scoped(Effect.gen(function*() {
    // the handler stands before the first look, so that an end between the two is not missed
    const { next } = yield* childSignals
    while (true) {
      const status = yield* sys.waitid({ idtype: P.PIDFD, id: pidfd, options: W.EXITED | W.NOHANG })
      if (status !== null) return status
      yield* next
    }
  }))

/** The exit code that stands for an end, as shells and runc give it: the status, or 128 and the signal's number. */
export const exitCode = ({ code, status }: ChildStatus): number => code === CLD.EXITED ? status : 128 + status
