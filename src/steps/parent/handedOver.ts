/**
 * What a child gets of the descriptors of this process, and under which numbers. A table of descriptors is as large as its
 * highest number makes it, and everybody who sees the child sees how large that is (`FDSize` of /proc/PID/status). So a high
 * number, which a descriptor has because this process has many, is not handed on.
 *
 * @see proc_pid_status(5), close_range(2)
 * @category parent
 * @since 0.2.0
 */
import { given } from "../../engine/given.ts"
import type { Passed } from "../../native/Fork.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { descriptorsOf, type InitRecord, type Stdio } from "../init/Init.ts"

/** How many descriptors the smallest table of the kernel has room for (`NR_OPEN_DEFAULT`). */
const smallest = 64

/** The numbers below are for what a start opens, be it under a limit that leaves it only a few (RLIMIT_NOFILE). */
const first = 16

/** The number of each in the child: its own, or, if that is a high one, the lowest that is not another's and not taken. */
const numbersOf = (fds: ReadonlyArray<AnyFd>, taken: ReadonlyArray<number>): ReadonlyMap<number, number> => {
  const used = new Set<number>([...taken, ...fds])
  let next = first
  const lowest = () => {
    while (used.has(next)) next++
    return next++
  }
  return new Map([...new Set(fds)].map((fd) => [fd, fd < smallest ? fd : lowest()]))
}

/**
 * A record as the child has it, with its own numbers, and what it is passed: what the program inherits, this side's channel,
 * and sockets.
 */
export const handedOver = <R extends InitRecord & { readonly channel: AnyFd }>(
  record: R
): { readonly inside: R; readonly passed: ReadonlyArray<Passed> } => {
  const { channel, consoleSocket, port, stdio } = record
  const preserved = Array.from({ length: record.preservedFds }, (_, index) => 3 + index)
  const placed = descriptorsOf(record)
  const sockets = [consoleSocket, port?.socket].filter((fd) => fd !== undefined)
  const fds = [...stdio ?? [], ...placed.map(([, fd]) => fd), channel, ...sockets]
  const numbers = numbersOf(fds, [...preserved, ...placed.map(([number]) => number)])
  const there = (fd: AnyFd): number => numbers.get(fd)!
  return {
    inside: {
      ...record,
      ...given({
        stdio: stdio?.map(there) as Stdio | undefined,
        descriptors: record.descriptors && Object.fromEntries(placed.map(([number, fd]) => [number, there(fd)])),
        consoleSocket: consoleSocket === undefined ? undefined : there(consoleSocket),
        port: port && { ...port, socket: there(port.socket) }
      }),
      channel: there(channel)
    },
    passed: [
      ...preserved.map((fd) => [fd, fd] as const),
      ...Array.from(numbers, ([fd, number]) => [number, fd] as const)
    ]
  }
}
