/** Processes, signals and time. */
import * as process from "node:process"
import * as c from "../constants.ts"
import { kernel_sigaction, siginfo, timespec } from "../structs.ts"
import { attempted, type Handlers, type Machine } from "./Machine.ts"
import { invalid } from "./Refused.ts"
import type { Block } from "./Scratch.ts"

/** The part of the address space in which V8 puts its heap: all below the stack. */
const heapStart = 0x10000
const heapEnd = process.arch === "arm64" ? 0xffff_f000_0000 : 0x7fff_f000_0000

/** Flags with which the child would run on the parent's memory and stack: it would destroy both. */
const sharesMemory = c.CLONE.VM | c.CLONE.VFORK | c.CLONE.THREAD | c.CLONE.SIGHAND

/** The part of clone(2)'s flags that is no flag but the signal at the child's end (`CSIGNAL`). */
const exitSignalMask = 0xff

/** `sizeof(sigset_t)` in the kernel. */
const sigsetSize = 8

const dispositions = { SIG_DFL: 0, SIG_IGN: 1 } as const

/** The handlers of the calls about processes, signals and time. */
export const processes = ({ call, memory, numbers, retry }: Machine) => {
  const setMask = (set: Block, before: number): void =>
    void call(numbers.rt_sigprocmask, c.SIG_HOW.SETMASK, set.address, before, sigsetSize)

  /** Gives every signal that has a handler its default, as execve(2) does; what is ignored stays ignored. */
  const dropHandlers = (): void => {
    const action = memory.zeroed(kernel_sigaction.size)
    const byDefault = memory.zeroed(kernel_sigaction.size)
    for (let signal = 1; signal <= sigsetSize * 8; signal++) {
      call(numbers.rt_sigaction, signal, 0, action.address, sigsetSize)
      if (action.get(kernel_sigaction.fields.sa_handler) <= dispositions.SIG_IGN) continue
      call(numbers.rt_sigaction, signal, byDefault.address, 0, sigsetSize)
    }
  }

  const clone = (flags: number): number => {
    if ((flags & sharesMemory) !== 0) throw invalid("the child must have its own memory and be a process")
    if ((flags & exitSignalMask) !== 0) {
      throw invalid("clone(2) has no flags of its own in the lowest byte; unshare(2) makes a time namespace")
    }
    // A handler of Node's writes to a pipe that the child shares with the parent: a signal to the child would arrive at
    // the parent's JavaScript, and not end the child. So the child drops them before it can get a signal.
    const every = memory.zeroed(sigsetSize)
    every.setU64(0, 2n ** 64n - 1n)
    const mask = memory.zeroed(sigsetSize)
    setMask(every, mask.address)
    try {
      // V8 asks that its heap be left out of forks. The kernel serves every mapping up to the first special one, and
      // then answers EINVAL or, for the gaps between them, ENOMEM: both mean that all the heap was served.
      attempted(() => call(numbers.madvise, heapStart, heapEnd - heapStart, c.MADV.DOFORK))
      // unsigned, for bit 31 (CLONE_IO)
      const pid = call(numbers.clone, (flags | c.SIG.CHLD) >>> 0)
      if (pid === 0) dropHandlers()
      return pid
    } finally {
      setMask(mask, 0)
    }
  }

  const exitGroup = (status: number): never => {
    for (;;) call(numbers.exit_group, status)
  }

  return {
    clone: ({ flags }) => clone(flags),
    reclone: ({ flags }) => {
      if (clone(flags | c.CLONE.PARENT) !== 0) exitGroup(0)
    },
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
