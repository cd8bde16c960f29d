/**
 * Give the container a session keyring of its own, so that it can't use the keys of the caller's session.
 *
 * @see session-keyring(7), keyctl(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { KEYCTL } from "../native/constants.ts"
import { orOn, sys } from "../native/Kernel.ts"
import { Init } from "./Init.ts"

/**
 * What the kernel gives a session keyring (possessor: all; user: view, read, link), and search for the user besides:
 * without it a process that is executed in the container later does not find the keyring by its name.
 */
const permissions = 0x3f1b0000

const join = Effect.gen(function*() {
  const { container, id } = yield* Init
  if (container.noNewKeyring) return undefined
  return yield* sys.keyctl({ operation: KEYCTL.JOIN_SESSION_KEYRING, arg2: `_ses.${id}`, arg3: 0 })
}).pipe(
  // a kernel without keyrings has no keys to protect
  orOn(["ENOSYS"], undefined)
)

const advice = {
  EDQUOT: "the user's quota of keys is used up: raise /proc/sys/kernel/keys/maxkeys (root_maxkeys for root), " +
    "or set noNewKeyring",
  EACCES: "a keyring of that name belongs to another user: set noNewKeyring, or use another container id",
  EPERM: "a seccomp filter around the runtime may forbid keyctl: set noNewKeyring"
} as const

/** Joins a new session keyring `_ses.<id>`, for a container's first process. */
export const sessionKeyring = Step.make("sessionKeyring", {
  doc: "join a session keyring of the container's own",
  calls: ["keyctl"],
  requires: [Init],
  reversal: "irreversible",
  advice,
  run: Effect.gen(function*() {
    const keyring = yield* join
    if (keyring !== undefined) yield* sys.keyctl({ operation: KEYCTL.SETPERM, arg2: keyring, arg3: permissions })
  })
})

/** Joins the container's session keyring, for a process that is executed in it later. */
export const joinSessionKeyring = Step.make("joinSessionKeyring", {
  doc: "join the container's session keyring",
  calls: ["keyctl"],
  requires: [Init],
  reversal: "irreversible",
  advice,
  run: Effect.asVoid(join)
})
