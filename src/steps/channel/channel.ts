/**
 * The channel between the init and its parent: a pair of `SOCK_SEQPACKET` unix sockets, one JSON document per packet.
 *
 *     parent → init   Enter     your id maps are written: enter your namespaces
 *     init → parent   Entered   I am in them (the kernel vouches for my pid: `SO_PASSCRED`)
 *     parent → init   Go        your network is there: set the container up
 *     init → parent   Prepared  it is set up, and its CPU time can be limited; only if that is asked for
 *     parent → init   Go        the container is written down: continue (not for a program that joins a container)
 *     init → parent   Waiting   all is done but for the program, which is known later (`awaitProgram`)
 *     init → parent   Ready     nothing is left to do but exec
 *                     end of file behind Ready: the program runs
 *                     Failed    at any time: a step has failed
 *     side-car → parent  Done   the root is built
 *
 * An end of file without Ready means that the init died, which is always an error.
 *
 * After Ready the far end can't be trusted: the exec trampoline runs with the container's credentials, and if those are root's,
 * a process of the container can trace it and send anything. So each message is checked, and descriptors that come with it are
 * closed.
 *
 * @category channel
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Ahead from "../../native/Ahead.ts"
import * as c from "../../native/constants.ts"
import type { AnyFd, AnyPid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Message as Packet } from "../../native/results.ts"

const words = ["Enter", "Entered", "Go", "Prepared", "Waiting", "Ready", "Done", "Failed"] as const

/** A message of the channel. */
export interface Message {
  readonly _tag: (typeof words)[number]
}

/** The packet of each message. */
const packets = new Map(words.map((word) => [word, JSON.stringify({ _tag: word })] as const))

/** More bytes than any message has; a longer packet is no message. */
const largest = 256

/** Sends one message. No `SIGPIPE`: a closed peer is `EPIPE`. */
export const send = (fd: AnyFd, message: Message): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.asVoid(sys.sendmsg({ fd, data: Buffer.from(packets.get(message._tag)!), fds: [], flags: c.MSG.NOSIGNAL }))

/** A message with its sender's pid, or the end of the channel, or other bytes, such as those of the exec trampoline. */
export type Received =
  | { readonly _tag: "Message"; readonly message: Message; readonly pid: AnyPid | undefined }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Raw"; readonly data: Uint8Array }

/** The calls that {@link receive} makes; for the headers of steps. */
export const receiveCalls = ["recvmsg", "close"] as const

/** Waits for the next message, without a bound. In the init that is safe, since its parent's death closes the channel. */
export const receive = (fd: AnyFd): Effect.Effect<Received, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.recvmsg({ fd, size: largest, flags: c.MSG.CMSG_CLOEXEC }),
    (packet) => Effect.as(Effect.forEach(packet.fds, (fd) => sys.close({ fd }), { discard: true }), parse(packet))
  )

/**
 * Prepares the parent's end: the kernel says who has sent each message, and refuses descriptors that are sent along
 * (since Linux 6.16).
 *
 * To close a descriptor can take as long as its sender likes: a socket that lingers waits for its far end, a file of FUSE for
 * its server. It would be this thread that waits, whether the message is read, or dropped with the channel.
 *
 * @see unix(7), SO_PASSCRED; socket(7), SO_LINGER
 * @since 0.2.0
 */
export const hearOnly = (fd: AnyFd): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(
    sys.setsockopt({ fd, option: c.SO.PASSCRED, value: 1 }),
    sys.setsockopt({ fd, option: c.SO.PASSRIGHTS, value: 0 }).pipe(orOn(["ENOPROTOOPT"], undefined))
  )

/** As {@link receive}, if the message is most likely this one. A process that waits for it has begun with its calls already. */
export const receiveLikely = (fd: AnyFd, { _tag }: Message): Effect.Effect<Received, SyscallError, Kernel> =>
  Ahead.likely(packets.get(_tag)!)(receive(fd))

const parse = ({ credentials, data }: Packet): Received => {
  if (data.length === 0) return { _tag: "Closed" }
  const text = Buffer.from(data).toString("latin1")
  const word = words.find((word) => text === packets.get(word))
  return word === undefined
    ? { _tag: "Raw", data }
    : { _tag: "Message", message: { _tag: word }, pid: credentials?.pid }
}
