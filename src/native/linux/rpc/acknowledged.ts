/**
 * The kernel's acknowledgement of a request to rtnetlink(7). It comes as a message, but only the error in it is not known before. So
 * it is expected to be 0: the handler gets the message without an error, and checks in the list compare it with the kernel's.
 */
import { NLM_F, NLMSG } from "../../constants.ts"
import { headerSize } from "../../netlink/wire.ts"

/** Where fields of a message are, in bytes. */
const at = { length: 0, type: 4, flags: 6, sequence: 8, port: 12, error: headerSize, request: headerSize + 4 } as const
const size = at.request + headerSize

/** The number of the receiver's socket, which the kernel chooses. */
export const port = { from: at.port, to: at.error } as const

/** A message that is expected. */
export interface Acknowledgement {
  readonly address: number
  readonly bytes: Uint8Array
  /** Where the kernel writes the address of its sender. */
  readonly sender: number
}

/** The acknowledgement of a request without an error; `undefined` if it asks for none. */
export const acknowledgementOf = (request: Uint8Array): Uint8Array | undefined => {
  const view = new DataView(request.buffer, request.byteOffset, headerSize)
  if ((view.getUint16(at.flags, true) & NLM_F.ACK) === 0) return undefined
  const bytes = new Uint8Array(size)
  const answer = new DataView(bytes.buffer)
  answer.setUint32(at.length, size, true)
  answer.setUint16(at.type, NLMSG.ERROR, true)
  answer.setUint16(at.flags, NLM_F.CAPPED, true)
  answer.setUint32(at.sequence, view.getUint32(at.sequence, true), true)
  bytes.set(request.subarray(0, headerSize), at.request)
  return bytes
}
