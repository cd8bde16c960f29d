/**
 * Which namespaces clone(2) makes, which the init joins, and which it makes itself afterwards.
 *
 * clone(2) makes them all in one call, and that is the rule. It can't where
 * - a user namespace is joined: the new namespaces must belong to it, so they are made after it is entered;
 * - a pid namespace is joined while others are new, or a time namespace is joined or new: the init forks once more to be in it, and a process that is already first in a new pid namespace may not do that
 *   (`CLONE_PARENT` of a namespace's init is `EINVAL`);
 * - it is the cgroup namespace: its root is the cgroup at the moment of the call, and the init joins its cgroup only after
 *   clone(2).
 */
import type { NamespaceType } from "../../config/Container.ts"
import { flagOf } from "../../config/namespaceFlags.ts"

/** How the namespaces of a container come about. */
export interface NamespacePlan {
  /** Flags for clone(2). */
  readonly clone: number
  readonly joins: ReadonlyArray<{ readonly type: NamespaceType; readonly path: string }>
  /** Flags for unshare(2) in the init, after the joins. */
  readonly unshare: number
}

/** Plans the namespaces of a configuration's list. */
export const namespacePlan = (
  namespaces: ReadonlyArray<{ readonly type: NamespaceType; readonly path?: string }>
): NamespacePlan => {
  const joins = namespaces.flatMap(({ path, type }) => path === undefined ? [] : [{ type, path }])
  const made = namespaces.filter(({ path }) => path === undefined).map(({ type }) => type)
  const joined = (type: NamespaceType) => joins.some((join) => join.type === type)
  const deferred = joined("user") || joined("pid") || joined("time") || made.includes("time")
  const isLate = (type: NamespaceType) => type === "cgroup" || (deferred && type !== "user")
  const flags = (types: ReadonlyArray<NamespaceType>) => types.reduce((all, type) => all | flagOf[type], 0)
  return {
    clone: flags(made.filter((type) => !isLate(type))),
    joins,
    unshare: flags(made.filter(isLate))
  }
}
