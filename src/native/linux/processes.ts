/** Processes and time. */
import * as c from "../constants.ts"
import { invalid, Refused } from "../Refused.ts"
import type { ResourceUsage } from "../results.ts"
import { rusage, siginfo, timespec } from "./structs.ts"
import type { Handlers, Syscalls } from "./Syscalls.ts"

/** Converts the status of wait4(2) to the form of waitid(2). */
const endOf = (status: number): { readonly code: number; readonly status: number } => {
  const signal = status & 0x7f
  if (signal === 0) return { code: c.CLD.EXITED, status: (status >> 8) & 0xff }
  return { code: (status & 0x80) === 0 ? c.CLD.KILLED : c.CLD.DUMPED, status: signal }
}

/** The unit in which the kernel counts reads from and writes to disks, whatever the disk's block size. @see getrusage(2) */
const blockSize = 512n

const usageOf = (get: (name: keyof typeof rusage.fields) => bigint): ResourceUsage => {
  const microseconds = (get("ru_utime.tv_sec") + get("ru_stime.tv_sec")) * 1_000_000n +
    get("ru_utime.tv_usec") + get("ru_stime.tv_usec")
  return {
    cpu: microseconds * 1000n,
    maxMemory: get("ru_maxrss") * 1024n,
    read: get("ru_inblock") * blockSize,
    written: get("ru_oublock") * blockSize
  }
}

/** The handlers of these calls, except those that make a process: only the live layer as a whole can make one. */
export const processes = ({ call, memory, numbers, retry }: Syscalls) => {
  return {
    execve: ({ path, argv, envp }) => {
      call(numbers.execve, memory.text(path), memory.texts(argv), memory.texts(envp))
      throw new Refused("EIO", "execve(2) returned")
    },
    execveat: ({ dirfd, path, argv, envp, flags }) => {
      call(numbers.execveat, dirfd, memory.text(path), memory.texts(argv), memory.texts(envp), flags)
      throw new Refused("EIO", "execveat(2) returned")
    },
    exit_group: ({ status }) => {
      call(numbers.exit_group, status)
      throw new Refused("EIO", "exit_group(2) returned")
    },
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
    wait4: ({ pid }) => {
      if (pid <= 0) throw invalid("a child is reaped by its own number")
      const status = memory.zeroed(4)
      const used = memory.zeroed(rusage.size)
      if (call(numbers.wait4, pid, status.address, c.W.NOHANG, used.address) === 0) return null
      return { pid, ...endOf(status.i32(0)), usage: usageOf((name) => used.get(rusage.fields[name])) }
    },
    getpid: () => call(numbers.getpid),
    getppid: () => call(numbers.getppid),
    getsid: ({ pid }) => call(numbers.getsid, pid),
    setsid: () => call(numbers.setsid),
    pidfd_open: ({ pid, flags }) => call(numbers.pidfd_open, pid, flags),
    pidfd_getfd: ({ pidfd, targetfd, flags }) => call(numbers.pidfd_getfd, pidfd, targetfd, flags),
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
    nanosleep: ({ nanoseconds }) => {
      const time = memory.zeroed(timespec.size)
      time.set(timespec.fields.tv_sec, nanoseconds / 1_000_000_000n)
      time.set(timespec.fields.tv_nsec, nanoseconds % 1_000_000_000n)
      // if it is interrupted, the kernel writes the remaining time to the same place, and the call continues with that
      retry(numbers.nanosleep, time.address, time.address)
    },
    getrandom: ({ count }) => {
      const bytes = memory.block(count)
      for (let filled = 0; filled < count;) {
        const more = retry(numbers.getrandom, bytes.address + filled, count - filled, 0)
        if (!(more > 0 && more <= count - filled)) throw new Refused("EIO", `${more} random bytes`)
        filled += more
      }
      return bytes.copy(0, count)
    }
  } satisfies Partial<Handlers>
}
