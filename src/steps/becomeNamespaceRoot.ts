/**
 * Become root of the user namespace that was entered, once its id maps are written; if it has no id 0, take its first id. The
 * capabilities decide what the process may do, and a change between ids that are not root's removes none.
 *
 * Until then the ids are still those of the host, which may not be mapped inside. The process holds all capabilities of the
 * namespace from the entry on, with any ids, so none is lost. The groups come last: if they are denied, the ids are set already.
 *
 * The kernel makes a process not dumpable when its ids change; then the files of `/proc/self` belong to the host's root.
 *
 * @see user_namespaces(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace, rootId } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { NamespaceRoot } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { setGroups, setGroupsCalls } from "./init/setGroups.ts"

/** Sets all ids to 0, or the first that there is, and drops the groups, if the container has a user namespace. */
export const becomeNamespaceRoot = Step.make("becomeNamespaceRoot", {
  doc: "become root of the user namespace",
  calls: ["setresgid", "setresuid", ...setGroupsCalls],
  requires: [Init],
  provides: NamespaceRoot,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM: "a security module takes the capabilities of user namespaces away (Ubuntu: sysctl " +
      "kernel.apparmor_restrict_unprivileged_userns is 1): load an AppArmor profile with \"userns,\" for the runtime, set " +
      "the sysctl to 0, or run as root",
    EINVAL: "the user namespace that is joined must have an id 0, or uidMappings and gidMappings what it has"
  },
  run: Effect.gen(function*() {
    const { container, joins } = yield* Init
    if (!hasNamespace(container, "user") && !joins.some(({ type }) => type === "user")) return true as const
    const [uid, gid] = [rootId(container.uidMappings), rootId(container.gidMappings)]
    yield* sys.setresgid({ rgid: gid, egid: gid, sgid: gid })
    yield* sys.setresuid({ ruid: uid, euid: uid, suid: uid })
    yield* setGroups([])
    return true as const
  })
})
