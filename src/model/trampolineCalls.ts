/**
 * The calls of an exec trampoline. No Effect makes them, so they are read from its image when it is executed.
 */
import { AT, F, FD, SECCOMP } from "../native/constants.ts"
import type { Call } from "../native/Kernel.ts"
import { optionsOf } from "../native/trampoline.ts"

/** Records what is written to memory files. */
export interface Images {
  readonly learn: (side: string, call: Call, result: unknown) => void
  /** The calls that follow one that executes a trampoline, in order; none for any other call. */
  readonly callsOf: (side: string, call: Call) => ReadonlyArray<Call>
}

/** Makes a record. */
export const images = (): Images => {
  const files = new Map<string, Uint8Array>()
  const key = (side: string, fd: number): string => `${side} ${fd}`
  return {
    learn: (side, call, result) => {
      if (call._tag === "memfd_create") files.set(key(side, result as number), new Uint8Array())
      if (call._tag === "write" && typeof result === "number") {
        const before = files.get(key(side, call.fd))
        if (before !== undefined) {
          files.set(key(side, call.fd), Buffer.concat([before, call.data.subarray(0, result)]))
        }
      }
      // the same file, opened again read-only
      if (call._tag === "openat" && typeof result === "number") {
        const number = /^\/proc\/(?:self|thread-self|\d+)\/fd\/(\d+)$/.exec(call.path)?.[1]
        const same = number === undefined ? undefined : files.get(key(side, Number(number)))
        if (same !== undefined) files.set(key(side, result), same)
        else files.delete(key(side, result))
      }
    },
    callsOf: (side, call) => {
      if (call._tag !== "execveat" || call.path !== "" || (call.flags & AT.EMPTY_PATH) === 0) return []
      const image = files.get(key(side, call.dirfd))
      const options = image === undefined ? undefined : optionsOf(image)
      if (options === undefined) return []
      const { channel, filter, path } = options
      return [
        { _tag: "fcntl", fd: channel, command: F.SETFD, argument: FD.CLOEXEC },
        ...filter === undefined ? [] : [{ _tag: "seccomp", operation: SECCOMP.SET_MODE_FILTER, ...filter } as const],
        { _tag: "execve", path, argv: call.argv, envp: call.envp }
      ]
    }
  }
}
