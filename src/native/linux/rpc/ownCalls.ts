/** Calls that this process makes for its servers. A failure names the call that failed, not the one that needed it. */
import type { Call, Result } from "../../Kernel.ts"
import { Refused } from "../../Refused.ts"
import type { Cloning, Handlers, Syscalls } from "../Syscalls.ts"

/** Makes one call of this process. Throws {@link Refused} with the call. */
export type Own = <C extends Exclude<Call, { readonly _tag: Cloning }>>(call: C) => Result<C>

/** What to do if one of them is refused. */
const adviceFor = ({ code }: Refused): string | undefined =>
  code === "ENOSYS" || code === "EPERM" || code === "EACCES"
    ? "a start needs this call, and Linux 5.12 or later: if the kernel has it, a seccomp filter around the runtime refuses it"
    : undefined

/** The failure of a call that the start of a process needs. */
export const failureOf = (call: Call, cause: Refused): Refused => {
  const advice = cause.known.advice ?? adviceFor(cause)
  return new Refused(cause.code, cause.detail, { call, ...advice === undefined ? {} : { advice } })
}

/** Makes calls through the handlers of this process. */
export const own = ({ memory }: Syscalls, handlers: Handlers): Own => <C extends Call>(call: C): Result<C> => {
  memory.reset()
  const handler = handlers[call._tag as keyof Handlers] as unknown as (call: C) => Result<C>
  try {
    return handler(call)
  } catch (cause) {
    throw cause instanceof Refused ? failureOf(call, cause) : cause
  }
}
