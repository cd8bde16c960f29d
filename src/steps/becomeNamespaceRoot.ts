/**
 * Become root of the user namespace that was entered, once its id maps are written.
 *
 * Until then the ids are still those of the host, which may have no name inside. All capabilities of the namespace are
 * held from the entry on, whatever the ids are, so nothing is lost on the way. Groups come last: what can be denied must
 * not keep the ids from being set.
 *
 * The kernel makes a process not dumpable when its ids change; then the files of `/proc/self` belong to the host's root.
 *
 * @see user_namespaces(7)
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { NamespaceRoot } from "./facts.ts"
import { Init } from "./Init.ts"
import { setGroups, setGroupsCalls } from "./setGroups.ts"

/** Sets all ids to 0 and drops the groups, where the container has a user namespace. */
export const becomeNamespaceRoot = Step.make("becomeNamespaceRoot", {
  doc: "become root of the user namespace",
  calls: ["setresgid", "setresuid", ...setGroupsCalls],
  requires: [Init],
  provides: NamespaceRoot,
  reversal: "irreversible",
  advice: { EINVAL: "map id 0 of the container in uidMappings and gidMappings: the init becomes root inside" },
  run: Effect.gen(function*() {
    const { container, joins } = yield* Init
    if (!hasNamespace(container, "user") && !joins.some(({ type }) => type === "user")) return true as const
    yield* sys.setresgid({ rgid: 0, egid: 0, sgid: 0 })
    yield* sys.setresuid({ ruid: 0, euid: 0, suid: 0 })
    yield* setGroups([])
    return true as const
  })
})
