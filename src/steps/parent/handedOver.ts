/**
 * Which descriptors of this process a child gets, and under which numbers. These do not depend on the numbers here, for two
 * reasons. The highest number decides how large the child's table of descriptors is, and every process that sees the child can
 * read that size (`FDSize` of /proc/PID/status): it shows nothing of how many this process has. And the calls of an init are
 * the same for each container, also if others start at the same time, so that they can be copied.
 *
 * @see proc_pid_status(5), close_range(2)
 * @category parent
 * @since 0.2.0
 */
import { given } from "../../engine/given.ts"
import type { Passed } from "../../native/Fork.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { descriptorsOf, type InitRecord, type Stdio } from "../init/Init.ts"

/** The lowest number that is given: what the start itself opens needs those below, under a low RLIMIT_NOFILE. */
const first = 16

/** The number of each in the child: the lowest that is not taken; a standard stream keeps its own. */
const numbersOf = (fds: ReadonlyArray<AnyFd>, taken: ReadonlyArray<number>): ReadonlyMap<number, number> => {
  const used = new Set(taken)
  let next = first
  const lowest = () => {
    while (used.has(next)) next++
    return next++
  }
  return new Map([...new Set(fds)].map((fd) => [fd, fd <= 2 ? fd : lowest()]))
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
