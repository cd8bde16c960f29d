/** Name the container's NIS domain. */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./facts.ts"
import { Init } from "./Init.ts"

/** Sets the domain name of the container's UTS namespace. @see setdomainname(2) */
export const setDomainname = Step.make("setDomainname", {
  doc: "set the NIS domain name",
  calls: ["setdomainname"],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  advice: {
    EINVAL: "a domain name has at most 64 bytes",
    EPERM:
      "setting the domain name needs CAP_SYS_ADMIN in the user namespace that owns the UTS namespace: add a new uts namespace"
  },
  run: Effect.flatMap(
    Init,
    ({ container: { domainname } }) => domainname === undefined ? Effect.void : sys.setdomainname({ name: domainname })
  )
})
