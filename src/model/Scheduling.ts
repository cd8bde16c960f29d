/**
 * Scheduling policies, priorities and processors. @see sched(7), sched_setattr(2), sched_setaffinity(2), ioprio_set(2),
 * set_mempolicy(2), personality(2)
 */
import { SCHED, SCHED_FLAG } from "../native/constants.ts"
import type { SchedulerAttributes } from "../native/results.ts"
import { refuse } from "./Machine.ts"
import type { Process } from "./State.ts"

// -- policies ---------------------------------------------------------------------------------------------------------
export const isRealTime = (policy: number): boolean => policy === SCHED.FIFO || policy === SCHED.RR

/**
 * The scheduling of a child (`sched_fork`). EAGAIN: a deadline process may not fork, unless its children are reset
 * (sched_setattr(2), sched(7)).
 */
export const forChild = ({ scheduler }: Process): SchedulerAttributes => {
  const resets = (scheduler.flags & BigInt(SCHED_FLAG.RESET_ON_FORK)) !== 0n
  if (!resets) return scheduler.policy === SCHED.DEADLINE ? refuse("EAGAIN") : scheduler
  const { policy } = scheduler
  return isRealTime(policy) || policy === SCHED.DEADLINE
    ? { policy: SCHED.NORMAL, flags: 0n, nice: 0, priority: 0, runtime: 0n, deadline: 0n, period: 0n }
    : { ...scheduler, flags: 0n, nice: Math.max(0, scheduler.nice) }
}
