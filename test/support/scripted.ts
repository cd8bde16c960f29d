/**
 * A kernel for unit tests of one step: it records calls, and answers each by a function.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Errno from "../../src/native/Errno.ts"
import { type Call, Kernel, render, SyscallError } from "../../src/native/Kernel.ts"

const isErrno = (answer: unknown): answer is Errno.Errno =>
  typeof answer === "string" && (Errno.names as ReadonlyArray<string>).includes(answer)

/**
 * The kernel, also as a layer, and the calls so far, also as strace(1) would print them. An answer that is an errno's
 * name makes the call fail with it.
 */
export const scripted = (answer: (call: Call) => unknown = () => undefined) => {
  const calls: Array<Call> = []
  const kernel: Kernel["Service"] = {
    invoke: (call) =>
      Effect.suspend(() => {
        calls.push(call)
        const result = answer(call)
        return isErrno(result) ? Effect.fail(new SyscallError({ call, code: result })) : Effect.succeed(result as never)
      })
  }
  return { kernel, layer: Layer.succeed(Kernel, kernel), calls, trace: () => calls.map(render) }
}
