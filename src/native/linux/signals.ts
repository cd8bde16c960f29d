/** Signals: sent, ignored, blocked. */
import { invalid } from "../Refused.ts"
import { kernel_sigaction } from "./structs.ts"
import type { Handlers, Syscalls } from "./Syscalls.ts"

/** `sizeof(sigset_t)` in the kernel. */
const sigsetSize = 8

const dispositions = { SIG_DFL: 0, SIG_IGN: 1 } as const

/** The handlers of the calls about signals. */
export const signals = ({ call, memory, numbers }: Syscalls) => {
  return {
    kill: ({ pid, signal }) => void call(numbers.kill, pid, signal),
    pidfd_send_signal: ({ pidfd, signal }) => void call(numbers.pidfd_send_signal, pidfd, signal, 0, 0),
    rt_sigaction: ({ signal, disposition }) => {
      const action = memory.zeroed(kernel_sigaction.size)
      action.set(kernel_sigaction.fields.sa_handler, dispositions[disposition])
      call(numbers.rt_sigaction, signal, action.address, 0, sigsetSize)
    },
    rt_sigprocmask: ({ how, signals }) => {
      const set = memory.zeroed(sigsetSize)
      const before = memory.zeroed(sigsetSize)
      for (const signal of signals) {
        if (!(signal >= 1 && signal <= sigsetSize * 8)) throw invalid(`there is no signal ${signal}`)
        set.setBit(signal - 1)
      }
      call(numbers.rt_sigprocmask, how, set.address, before.address, sigsetSize)
      return before.bits(sigsetSize).map((bit) => bit + 1)
    }
  } satisfies Partial<Handlers>
}
