/**
 * Which descriptors of this process a child gets, and under which numbers. The highest number decides how large the child's
 * table of descriptors is, and every process that sees the child can read that size (`FDSize` of /proc/PID/status). So a
 * descriptor with a high number, which shows that this process has many, gets a low one in the child.
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

/** The lowest number that is given: what the start itself opens needs those below, under a low RLIMIT_NOFILE. */
const first = 16

/** The number of each in the child: the same, or, if that is high, the lowest that is neither used nor taken. */
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
 * A record with the numbers that the child has, and the descriptors that it is passed: what the program inherits, the child's
 * end of the channel, and sockets.
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
