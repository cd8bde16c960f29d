/** Processes, signals and time. */
import * as c from "../constants.ts"
import { kernel_sigaction, siginfo, timespec } from "../structs.ts"
import type { Handlers, Machine } from "./Machine.ts"
import { invalid } from "./Refused.ts"

/** `sizeof(sigset_t)` in the kernel. */
const sigsetSize = 8

const dispositions = { SIG_DFL: 0, SIG_IGN: 1 } as const

/** Handlers of all these calls but those that make a process: what that is, only the live layer as a whole knows. */
export const processes = ({ call, memory, numbers, retry }: Machine) => {
  const exitGroup = (status: number): never => {
    for (;;) call(numbers.exit_group, status)
  }

  return {
    execve: ({ path, argv, envp }) => {
      call(numbers.execve, memory.text(path), memory.texts(argv), memory.texts(envp))
      throw new Error("execve(2) returned")
    },
    execveat: ({ dirfd, path, argv, envp, flags }) => {
      call(numbers.execveat, dirfd, memory.text(path), memory.texts(argv), memory.texts(envp), flags)
      throw new Error("execveat(2) returned")
    },
    exit_group: ({ status }) => exitGroup(status),
    waitid: ({ idtype, id, options }) => {
      const info = memory.zeroed(siginfo.size)
      retry(numbers.waitid, idtype, id, info.address, options)
      const pid = info.get(siginfo.fields.si_pid)
      return pid === 0 ? null : {
        pid,
        uid: info.get(siginfo.fields.si_uid),
        code: info.get(siginfo.fields.si_code),
        status: info.get(siginfo.fields.si_status)
      }
    },
    getpid: () => call(numbers.getpid),
    getppid: () => call(numbers.getppid),
    setsid: () => call(numbers.setsid),
    kill: ({ pid, signal }) => void call(numbers.kill, pid, signal),
    pidfd_open: ({ pid, flags }) => call(numbers.pidfd_open, pid, flags),
    pidfd_getfd: ({ pidfd, targetfd, flags }) => call(numbers.pidfd_getfd, pidfd, targetfd, flags),
    pidfd_send_signal: ({ pidfd, signal }) => void call(numbers.pidfd_send_signal, pidfd, signal, 0, 0),
    prctl: ({ option, arg2, arg3, arg4, arg5 }) => {
      switch (option) {
        case c.PR.GET_PDEATHSIG:
        case c.PR.GET_CHILD_SUBREAPER: {
          // these two answer through a pointer
          const answer = memory.zeroed(4)
          call(numbers.prctl, option, answer.address)
          return answer.i32(0)
        }
        case c.PR.SET_NAME:
        case c.PR.GET_NAME:
          throw invalid("this option takes a text; write to /proc/self/comm instead")
        default:
          return call(numbers.prctl, option, arg2, arg3, arg4, arg5)
      }
    },
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
    },
    nanosleep: ({ nanoseconds }) => {
      const time = memory.zeroed(timespec.size)
      time.set(timespec.fields.tv_sec, nanoseconds / 1_000_000_000n)
      time.set(timespec.fields.tv_nsec, nanoseconds % 1_000_000_000n)
      // interrupted, the call leaves what remains in the same place, and goes on with that
      retry(numbers.nanosleep, time.address, time.address)
    },
    getrandom: ({ count }) => {
      const bytes = memory.block(count)
      for (let filled = 0; filled < count;) {
        filled += retry(numbers.getrandom, bytes.address + filled, count - filled, 0)
      }
      return bytes.copy(0, count)
    }
  } satisfies Partial<Handlers>
}
