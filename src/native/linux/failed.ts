/** The errors of calls. They are made without stack traces: an errno is often just an answer, and a trace costs more than the call. */
import * as Exit from "effect/Exit"
import type { Errno } from "../Errno.ts"
import { type Call, SyscallError, type SyscallFailure } from "../Kernel.ts"
import { Refused } from "../Refused.ts"

/** Errnos that are part of normal work, and not reported: the call is made again, or its object has ended. */
const answers: ReadonlySet<Errno> = new Set<Errno>(["EAGAIN", "EINTR", "ESRCH", "ECHILD"])

/** What descriptors in a call stand for, by the argument's name; `undefined` if that can't be told. */
export type PlacesOf = (call: Call) => SyscallFailure["places"]

const withoutTrace = (fields: SyscallFailure): SyscallError => {
  const { stackTraceLimit } = Error
  // Reflect.set, because with frozen intrinsics an assignment would throw
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    return new SyscallError(fields)
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit)
  }
}

/** The error of a call that was refused. */
export const failed = (asked: Call, { code, detail, known }: Refused, placesOf?: PlacesOf): SyscallError => {
  const { advice, call = asked } = known
  const places = answers.has(code) ? undefined : placesOf?.(call)
  return withoutTrace({
    call,
    code,
    ...detail === undefined ? {} : { detail },
    ...advice === undefined ? {} : { remedy: advice },
    ...places === undefined ? {} : { places }
  })
}

/** What making a call comes to. */
export const exitOf = <A>(call: Call, make: () => A, places?: PlacesOf): Exit.Exit<A, SyscallError> => {
  try {
    return Exit.succeed(make())
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause
    return Exit.fail(failed(call, cause, places))
  }
}

/** An error that a step is about to get, with what the descriptors in its call stand for at this moment of the step. */
export const located = <A>(
  exit: Exit.Exit<A, SyscallError>,
  files: { readonly placesOf: PlacesOf }
): Exit.Exit<A, SyscallError> => {
  if (Exit.isSuccess(exit)) return exit
  return Exit.mapError(exit, (error) => {
    // what is done once may fail with any error
    if (!(error instanceof SyscallError) || error.places !== undefined || answers.has(error.code)) return error
    const { call, code, detail, remedy } = error
    const places = files.placesOf(call)
    return places === undefined ? error : withoutTrace({
      call,
      code,
      ...detail === undefined ? {} : { detail },
      ...remedy === undefined ? {} : { remedy },
      places
    })
  })
}
