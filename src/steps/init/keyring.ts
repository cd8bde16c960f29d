/**
 * Joins a session keyring, for two steps: that of a container's first process, and that of a process executed in it later.
 *
 * @category init
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { KEYCTL } from "../../native/constants.ts"
import { orOn, sys } from "../../native/Kernel.ts"
import { Init } from "./Init.ts"

/** Joins the session keyring `_ses.<id>`, which is made if there is none. */
export const joinKeyring = Effect.gen(function*() {
  const { container, id } = yield* Init
  if (container.noNewKeyring) return undefined
  return yield* sys.keyctl({ operation: KEYCTL.JOIN_SESSION_KEYRING, arg2: `_ses.${id}`, arg3: 0 })
}).pipe(
  // a kernel without keyrings has no keys to protect
  orOn(["ENOSYS"], undefined)
)

/** What to do about errnos of keyctl(2). */
export const keyringAdvice = {
  EDQUOT: "the user's quota of keys is used up: raise the sysctls kernel.keys.maxkeys and maxbytes (root_maxkeys and " +
    "root_maxbytes for root), or start the container with --no-new-keyring",
  EACCES: "a keyring of that name belongs to another user: use another container id, or start it with --no-new-keyring",
  EPERM:
    "a seccomp filter around the runtime may forbid keyctl(2), as engines' do: start the container with --no-new-keyring"
} as const
