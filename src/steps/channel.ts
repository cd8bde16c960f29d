/**
 * The channel between the init and its parent: one `SOCK_SEQPACKET` unix socket, one JSON document a packet.
 *
 *     parent → init   Enter     the cgroup holds you, your id maps are written: enter your namespaces
 *     init → parent   Entered   I am in them (the kernel vouches for my pid: `SO_PASSCRED`)
 *     parent → init   Go        your network is there: go on
 *     init → parent   Ready     nothing is left to do but exec
 *                     end of file behind Ready: the program runs
 *                     Failed    at any time: the error, as it was
 *
 * An end of file without Ready is a dead init, which is an error, never a success.
 *
 * Behind Ready the far end may be in the wrong hands: the exec trampoline runs with the container's credentials, and
 * where those are root's, a process of the container can trace it and send what it likes. So whatever comes is looked at
 * before it is believed, and descriptors that come along are closed.
 */
import * as Effect from "effect/Effect"
import type { Message as Packet } from "../native/calls.ts"
import * as c from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import * as Wire from "./wire.ts"

/** What travels. */
export type Message =
  | { readonly _tag: "Enter" }
  | { readonly _tag: "Entered" }
  | { readonly _tag: "Go" }
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Done" }
  | { readonly _tag: "Failed"; readonly error: unknown }

/** The largest packet, in bytes; below the default send buffer of a unix socket (`net.core.wmem_default`, 212,992). */
const largest = 128 * 1024

/** Sends one message. No `SIGPIPE`: a closed peer is `EPIPE`. */
export const send = (fd: number, message: Message): Effect.Effect<void, SyscallError, Kernel> => {
  // only a failure holds what JSON has no form for
  const text = message._tag === "Failed" ? Wire.encode(message) : JSON.stringify(message)
  const data = Buffer.from(text.length <= largest ? text : Wire.encode(shortened(message)))
  return Effect.asVoid(sys.sendmsg({ fd, data, fds: [], flags: c.MSG.NOSIGNAL }))
}

const shortened = (message: Message): Message => {
  if (message._tag !== "Failed") return message
  const text = message.error instanceof Error ? message.error.message : String(message.error)
  return { _tag: "Failed", error: new Error(text.slice(0, largest / 4)) }
}

/** A message with who sent it, or the end of the channel, or bytes that are none: those of the exec trampoline. */
export type Received =
  | { readonly _tag: "Message"; readonly message: Message; readonly pid: number | undefined }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Raw"; readonly data: Uint8Array }

/** The calls that {@link receive} makes; for the headers of steps. */
export const receiveCalls = ["recvmsg", "close"] as const

/** Waits for the next message, without bound: for the init, whose parent's death closes the channel. */
export const receive = (fd: number, classes?: Wire.ErrorClasses): Effect.Effect<Received, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.recvmsg({ fd, size: largest + 64 * 1024, flags: c.MSG.CMSG_CLOEXEC }),
    (packet) =>
      Effect.as(Effect.forEach(packet.fds, (fd) => sys.close({ fd }), { discard: true }), parse(packet, classes))
  )

const parse = ({ credentials, data }: Packet, classes: Wire.ErrorClasses | undefined): Received => {
  if (data.length === 0) return { _tag: "Closed" }
  if (data[0] !== 0x7b) return { _tag: "Raw", data }
  try {
    const message = Wire.decode(Buffer.from(data).toString("utf8"), classes)
    if (isMessage(message)) return { _tag: "Message", message, pid: credentials?.pid }
  } catch {
    // no JSON, or an error of which the fields are not those of its class
  }
  return { _tag: "Raw", data }
}

type Fields = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Fields => typeof value === "object" && value !== null

/** Whether an error can be shown: its message and its advice are made of its fields. Throws where one can't. */
const isShowable = (error: unknown): boolean => {
  if (!(error instanceof Error)) return !isRecord(error)
  const { advice } = error as { readonly advice?: unknown }
  return typeof error.message === "string" && (advice === undefined || typeof advice === "string")
}

const isMessage = (value: unknown): value is Message => {
  if (!isRecord(value)) return false
  switch (value["_tag"]) {
    case "Enter":
    case "Entered":
    case "Go":
    case "Ready":
    case "Done":
      return true
    case "Failed":
      return "error" in value && isShowable(value["error"])
    default:
      return false
  }
}
