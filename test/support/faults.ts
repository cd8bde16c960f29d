/** A kernel that fails where a test wants it to. */
import * as Effect from "effect/Effect"
import type * as Errno from "../../src/native/Errno.ts"
import { type Call, type Kernel, SyscallError } from "../../src/native/Kernel.ts"

/**
 * A kernel like `kernel`, in which the `nth` call (1 is the first) that fits fails with the errno and is not made; with
 * `"every"`, all that fit. `failed` tells how many did.
 */
export const failNth = (
  kernel: Kernel["Service"],
  fits: (call: Call) => boolean,
  code: Errno.Errno,
  nth: number | "every" = 1
): { readonly kernel: Kernel["Service"]; readonly failed: () => number } => {
  let seen = 0
  let failed = 0
  return {
    failed: () => failed,
    kernel: {
      invoke: (call) =>
        Effect.suspend(() => {
          if (!fits(call)) return kernel.invoke(call)
          seen++
          if (nth !== "every" && seen !== nth) return kernel.invoke(call)
          failed++
          return Effect.fail(new SyscallError({ call, code }))
        })
    }
  }
}
