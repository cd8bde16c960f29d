/**
 * The multiplexers of x86, socketcall(2) and ipc(2): system calls whose first argument says which call is meant.
 *
 * @category seccomp
 * @since 0.2.0
 */

/** The number by which socketcall(2) knows a call on x86. */
const socketcalls: ReadonlyMap<string, number> = new Map(
  ("socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt " +
    "getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg").split(" ").map((name, index) => [name, index + 1])
)

/** The number by which ipc(2) knows a call on x86. */
const ipcs: ReadonlyMap<string, number> = new Map([
  ["semop", 1],
  ["semget", 2],
  ["semctl", 3],
  ["semtimedop", 4],
  ["msgsnd", 11],
  ["msgrcv", 12],
  ["msgget", 13],
  ["msgctl", 14],
  ["shmat", 21],
  ["shmdt", 22],
  ["shmget", 23],
  ["shmctl", 24]
])

/** The multiplexers of x86, with the calls behind each. */
export const multiplexers: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ["socketcall", socketcalls],
  ["ipc", ipcs]
])

const behind: ReadonlySet<string> = new Set([...multiplexers.values()].flatMap((calls) => [...calls.keys()]))

/** Whether x86 has had the call in a multiplexer first. */
export const isMultiplexed = (name: string): boolean => behind.has(name)
