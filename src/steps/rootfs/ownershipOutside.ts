/**
 * Which side of the container's user namespace the process is on: two steps for one fact, a pipeline takes one.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace, hostId, type IdMapping, rootId } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { Init } from "../init/Init.ts"
import { UnmappedIdError } from "./errors.ts"
import { Ownership } from "./facts.ts"

const mapped =
  (kind: "uid" | "gid", mappings: ReadonlyArray<IdMapping>) => (id: number): Effect.Effect<number, UnmappedIdError> => {
    // root's files belong to the id that stands for root
    const host = hostId(mappings, id === 0 ? rootId(mappings) : id)
    return host === undefined ? Effect.fail(new UnmappedIdError({ kind, id })) : Effect.succeed(host)
  }

/** The process is a side-car with the host's ids: it writes the host's ids that the mappings give to the container's. */
export const ownershipOutside = Step.make("ownershipOutside", {
  doc: "give files to the host's ids that stand for the container's",
  calls: [],
  requires: [Init],
  provides: Ownership,
  reversal: "harmless",
  replayable: true,
  run: Effect.map(Init, ({ container }) => ({
    outside: hasNamespace(container, "user"),
    uid: mapped("uid", container.uidMappings),
    gid: mapped("gid", container.gidMappings)
  }))
})
