/**
 * Which namespaces clone(2) makes, which the init joins, and which it makes itself afterwards.
 *
 * Usually clone(2) makes all of them in one call. In three cases it can't:
 * - A user namespace is joined. The new namespaces must belong to it, so they are made after the init has entered it.
 * - A pid namespace is joined while others are new, or a time namespace is joined or new. The init forks once more to be
 *   in it, and the first process of a new pid namespace may not do that (`CLONE_PARENT` of a namespace's init is `EINVAL`).
 * - It is the cgroup namespace. Its root is the cgroup at the moment of the call, and the init joins its cgroup only after
 *   clone(2).
 *
 * @category parent
 * @since 0.1.0
 */
import type { NamespaceType } from "../../config/Container.ts"
import { flagOf } from "../../config/namespaceFlags.ts"

/** How the namespaces of a container are made. */
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
