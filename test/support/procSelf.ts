/** A scripted procfs of one process: answers what a step asks of its own files below `/proc/self`. */
import { MAGIC } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"

/** Answers the calls that open, read and write the files given by name below `/proc/self`; others are missing. */
export const procSelf = (files: Readonly<Record<string, string>>): (call: Call) => unknown => {
  let unread = ""
  return (call) => {
    switch (call._tag) {
      case "fsopen":
      case "fsmount":
        return 20
      case "fstatfs":
        return { type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }
      case "openat2": {
        const text = files[call.path.replace("self/", "")]
        unread = text ?? ""
        return text === undefined ? "ENOENT" : 21
      }
      case "read": {
        const text = unread
        unread = ""
        return Buffer.from(text)
      }
      case "write":
        return call.data.length
      default:
        return undefined
    }
  }
}
