/** What must not be left on a host. */
import { type State } from "../../../src/testing/Testing.ts"
import { rootfs } from "./containers.ts"

/** The paths below a stored directory; nothing of the container's own files, where what was made stays. */
const pathsBelow = (state: State.State, node: State.NodeId, path: string): ReadonlyArray<string> => {
  const content = typeof node === "number" ? state.nodes.get(node)?.content : undefined
  if (content?._tag !== "Directory" || path === rootfs) return []
  return [...content.entries].flatMap(([name, child]) => {
    const below = `${path}/${name}`
    return [below, ...pathsBelow(state, child, below)]
  })
}

/** Everything of the host that a container could leave something in, as texts. */
const traces = (state: State.State, caller: number): ReadonlySet<string> => {
  const host = state.processes.get(1)!
  const out: Array<string> = []
  for (const { pid, status } of state.processes.values()) out.push(`process ${pid} (${status})`)
  for (const { freeze, hierarchy, path } of state.cgroups.values()) {
    out.push(`cgroup ${hierarchy}:${path}`)
    if (freeze) out.push(`frozen cgroup ${hierarchy}:${path}`)
  }
  for (const { flags, id, ns, shared } of state.mounts.values()) {
    if (ns === host.ns.mnt) out.push(`mount ${id} ${flags} ${shared ?? ""}`)
  }
  for (const { addresses, name, ns, up } of state.links.values()) {
    if (ns === host.ns.net) out.push(`link ${name} ${up ? "up" : "down"} ${addresses.join(" ")}`)
  }
  for (const { destination, gateway, ns } of state.routes.values()) {
    if (ns === host.ns.net) out.push(`route ${destination ?? "default"} ${gateway ?? ""}`)
  }
  for (const fd of state.processes.get(caller)!.descriptors.keys()) out.push(`descriptor ${fd} of the caller`)
  for (const { id, type } of state.namespaces.values()) out.push(`${type} namespace ${id}`)
  for (const path of pathsBelow(state, host.root.node, "")) out.push(`file ${path}`)
  const own = new Set([0, ...Object.values(host.ns)].map((ns) => `${ns}:`))
  for (const [key, value] of state.sysctls) {
    if (own.has(key.slice(0, key.indexOf(":") + 1))) out.push(`${key}=${value}`)
  }
  out.push(`hostname ${(state.namespaces.get(host.ns.uts) as { readonly nodename: string }).nodename}`)
  return new Set(out)
}

/** What one state has and the other has not. */
export const leftovers = (before: State.State, after: State.State, caller: number): ReadonlyArray<string> => {
  const old = traces(before, caller)
  const now = traces(after, caller)
  return [
    ...[...now].filter((text) => !old.has(text)).map((text) => `left behind: ${text}`),
    ...[...old].filter((text) => !now.has(text)).map((text) => `gone: ${text}`)
  ]
}

/** Whether any process or cgroup stands still. */
export const frozen = (state: State.State): ReadonlyArray<string> =>
  [...state.cgroups.values()].filter(({ freeze }) => freeze).map(({ hierarchy, path }) =>
    `frozen: ${hierarchy}:${path}`
  )
