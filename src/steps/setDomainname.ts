/**
 * Name the container's NIS domain.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { nameRefused } from "./init/nameRefused.ts"

/** Sets the domain name of the container's UTS namespace. @see setdomainname(2) */
export const setDomainname = Step.make("setDomainname", {
  doc: "set the NIS domain name",
  calls: ["setdomainname"],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  replayable: true,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { domainname: name } = container
    if (name === undefined) return
    yield* Effect.mapError(sys.setdomainname({ name }), (reason) => nameRefused("domainname", container, reason))
  })
})
