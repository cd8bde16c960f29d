/** The meaning of ids of nodes that are not stored. */
import type { NodeId } from "./State.ts"

/** The namespace that an nsfs node stands for. */
export const namespaceOf = (id: NodeId): number | undefined =>
  typeof id === "string" && id.startsWith("ns:") ? Number(id.slice(3)) : undefined
