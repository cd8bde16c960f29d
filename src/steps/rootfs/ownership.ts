/**
 * Which side of the container's user namespace the process stands on: two steps for one fact, a pipeline takes one.
 */
import * as Effect from "effect/Effect"
import { hasNamespace, hostId, type IdMapping } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { Init } from "../Init.ts"
import { UnmappedIdError } from "./errors.ts"
import { Ownership } from "./facts.ts"

/** The process is the container's init: the container's ids are its own. */
export const ownershipInside = Step.make("ownershipInside", {
  doc: "give files to the container's ids as they are",
  calls: [],
  provides: Ownership,
  reversal: "harmless",
  run: Effect.succeed({ outside: false, uid: Effect.succeed, gid: Effect.succeed })
})

const mapped =
  (kind: "uid" | "gid", mappings: ReadonlyArray<IdMapping>) => (id: number): Effect.Effect<number, UnmappedIdError> => {
    const host = hostId(mappings, id)
    return host === undefined ? Effect.fail(new UnmappedIdError({ kind, id })) : Effect.succeed(host)
  }

/** The process is a side-car with the host's ids: it writes the host's ids that the mappings give to the container's. */
export const ownershipOutside = Step.make("ownershipOutside", {
  doc: "give files to the host's ids that stand for the container's",
  calls: [],
  requires: [Init],
  provides: Ownership,
  reversal: "harmless",
  run: Effect.map(Init, ({ container }) => ({
    outside: hasNamespace(container, "user"),
    uid: mapped("uid", container.uidMappings),
    gid: mapped("gid", container.gidMappings)
  }))
})
