/** Name the container. */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./facts.ts"
import { Init } from "./Init.ts"

/** Sets the host name of the container's UTS namespace. @see sethostname(2) */
export const setHostname = Step.make("setHostname", {
  doc: "set the host name",
  calls: ["sethostname"],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  advice: {
    EINVAL: "a host name has at most 64 bytes",
    EPERM:
      "setting the host name needs CAP_SYS_ADMIN in the user namespace that owns the UTS namespace: add a new uts namespace"
  },
  run: Effect.flatMap(
    Init,
    ({ container: { hostname } }) => hostname === undefined ? Effect.void : sys.sethostname({ name: hostname })
  )
})
