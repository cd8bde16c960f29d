/** Other processes that a configuration names by paths below `/proc`: a plan needs their namespaces. */
import type { Container } from "../config/Container.ts"

const pidOf = (path: unknown): ReadonlyArray<number> => {
  const found = typeof path === "string" ? /^\/+proc\/+([1-9]\d*)\//.exec(path) : null
  return found === null ? [] : [Number(found[1])]
}

const listOf = (list: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Array.isArray(list) ? list.filter((one) => typeof one === "object" && one !== null) : []

/** Their pids. A caller in plain JavaScript may pass anything as a container; the check of it comes later. */
export const neighboursOf = (container: Partial<Container> | undefined): ReadonlyArray<number> => [
  ...new Set([
    ...listOf(container?.namespaces).flatMap(({ path }) => pidOf(path)),
    ...listOf(container?.mounts).flatMap(({ source }) => pidOf(source))
  ])
]
