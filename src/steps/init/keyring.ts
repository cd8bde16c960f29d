/**
 * Joins a session keyring, for two steps: that of a container's first process, and that of a process executed in it later.
 *
 * @category init
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Ahead from "../../native/Ahead.ts"
import { KEYCTL } from "../../native/constants.ts"
import { orOn, sys } from "../../native/Kernel.ts"
import { Init } from "./Init.ts"

/** Joins the session keyring `_ses.<id>`, which is made if there is none. Returns whether it has. */
export const joinKeyring = Effect.gen(function*() {
  const { container } = yield* Init
  if (container.noNewKeyring) return false
  const arg2 = yield* Ahead.parameter(Init, ({ id }) => `_ses.${id}`)
  // only the kernel knows its number, for which nobody has to wait: it is the session keyring of the process
  yield* Ahead.unseen(sys.keyctl({ operation: KEYCTL.JOIN_SESSION_KEYRING, arg2, arg3: 0 }))
  return true
}).pipe(
  // a kernel without keyrings has no keys to protect
  orOn(["ENOSYS"], false)
)

/** What to do about errnos of keyctl(2). */
export const keyringAdvice = {
  EDQUOT: "the user's quota of keys is used up: raise the sysctls kernel.keys.maxkeys and maxbytes (root_maxkeys and " +
    "root_maxbytes for root), or start the container with --no-new-keyring",
  EACCES: "a keyring of that name belongs to another user: use another container id, or start it with --no-new-keyring",
  EPERM:
    "a seccomp filter around the runtime may forbid keyctl(2), as engines' do: start the container with --no-new-keyring"
} as const
