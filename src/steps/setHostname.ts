/**
 * Name the container.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { nameRefused } from "./init/nameRefused.ts"

/**
 * Sets the host name of the container's UTS namespace. A name that nobody has asked for is left out if it can't be set:
 * container engines forbid the call to their containers.
 *
 * @see sethostname(2)
 */
export const setHostname = Step.make("setHostname", {
  doc: "set the host name",
  calls: ["sethostname"],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { defaultHostname, hostname } = container
    // a default name must not change that of a shared namespace
    const name = hostname ?? (hasNamespace(container, "uts") ? defaultHostname : undefined)
    if (name === undefined) return
    yield* Effect.catchTag(
      sys.sethostname({ name }),
      "SyscallError",
      (reason) =>
        hostname === undefined && (reason.code === "EPERM" || reason.code === "ENOSYS")
          ? Ahead.once(Effect.logDebug(`the container has the host's name: ${reason.message}`))
          : Effect.fail(nameRefused("hostname", container, reason))
    )
  })
})
