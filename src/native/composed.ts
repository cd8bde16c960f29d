/**
 * For rows of the table of calls that are not the one system call of their name: which system calls they make, and with
 * which registers.
 */
import type { Argument } from "./Argument.ts"
import * as c from "./constants.ts"
import type { SystemCall } from "./definition.ts"

/** `sizeof(sigset_t)` in the kernel. */
const sigsetSize = 8

/** The signal mask is set around a clone, so that no handler runs in the child. */
export const cloning: ReadonlyArray<SystemCall<{ readonly flags: Argument<number> }>> = [
  { name: "rt_sigprocmask", registers: () => [c.SIG_HOW.SETMASK, undefined, undefined, sigsetSize] },
  { name: "clone", registers: ({ flags }) => [(flags | c.SIG.CHLD) >>> 0, 0, 0, 0, 0] },
  { name: "rt_sigprocmask", registers: () => [c.SIG_HOW.SETMASK, undefined, 0, sigsetSize] }
]

/** A request on a new socket. */
export const exchange = ["socket", "sendto", "recvfrom"].map((name) => ({
  name,
  registers: (): ReadonlyArray<undefined> => [undefined, undefined, undefined]
}))

/** An ioctl(2) with a fixed request, whose argument is an address. */
export const ioctl = (request: number): ReadonlyArray<SystemCall<{ readonly fd: Argument<number> }>> => [
  { name: "ioctl", registers: ({ fd }) => [fd, request, undefined] }
]

/** bpf(2) with a command. */
export const bpf = (command: number): ReadonlyArray<SystemCall<Record<never, never>>> => [
  { name: "bpf", registers: () => [command, undefined, undefined] }
]

/** The kernel's form of a device number. */
export const deviceNumber = (major: number, minor: number): number =>
  (minor & 0xff | major << 8 | (minor & ~0xff) << 12) >>> 0
