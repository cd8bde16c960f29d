/**
 * What a command leaves on the machine that was not there before: read from the model's state at its end.
 */
import { machineOf } from "../model/computedFileSystems.ts"
import type { Machine } from "../model/Machine.ts"
import { isWithin, pathOf, unlinked } from "../model/Resolve.ts"
import type { Mount, Node, State } from "../model/State.ts"
import type { AnyPid } from "../native/Handle.ts"

/** The path of a node on the machine's own file systems; `undefined` if only the command's namespaces show it. */
const pathOnHost = (m: Machine, before: State, node: Node): string | undefined => {
  if (unlinked(m, node.id)) return undefined
  const shows = ({ fs, id, root }: Mount): boolean =>
    fs === node.fs && before.mounts.has(id) && isWithin(m, node.id, root)
  const mount = m.mounts.findLast(shows)
  if (mount === undefined) return undefined
  const { path, reachable } = pathOf(m, { mount: mount.id, node: node.id }, m.self.root)
  return reachable && path !== "/" ? path : undefined
}

const kinds: Readonly<Record<Node["content"]["_tag"], string>> = {
  Directory: "directory",
  File: "file",
  Symlink: "link",
  Device: "device",
  Fifo: "fifo",
  Socket: "socket",
  Overlay: "file"
}

/** Returns lines in alphabetical order; none if all is as before. */
export const stays = (before: State, after: State, pid: AnyPid): ReadonlyArray<string> => {
  const m = machineOf(after, pid, { _tag: "getpid" })
  const files = [...after.nodes.values()].flatMap((node) => {
    if (before.nodes.has(node.id) || !before.fileSystems.has(node.fs)) return []
    const path = pathOnHost(m, before, node)
    if (path === undefined) return []
    if (node.fromHost !== true) return [`${kinds[node.content._tag]} ${path}`]
    // the model no longer reads a file from the machine once the command has written it
    return node.content._tag === "File" && node.content.host === undefined ? [`content of file ${path}`] : []
  })
  const home = m.self.ns
  return [
    ...files,
    ...[...after.cgroups.keys()].filter((key) => !before.cgroups.has(key)).map((key) =>
      `cgroup ${after.cgroups.get(key)!.path}`
    ),
    ...[...after.links.values()].filter(({ id, ns }) => ns === home.net && !before.links.has(id)).map(({ name }) =>
      `network interface ${name}`
    ),
    ...[...after.mounts.values()].filter(({ id, ns }) => ns === home.mnt && !before.mounts.has(id)).map((
      { id, root }
    ) => `mount on ${pathOf(m, { mount: id, node: root }, m.self.root).path}`),
    ...[...after.sysctls].flatMap(([key, value]) =>
      key.startsWith("0:") && before.sysctls.get(key) !== value ? [`parameter ${key.slice(2)}`] : []
    ),
    ...[...after.processes.values()].flatMap(({ exe, pid, status }) =>
      before.processes.has(pid) || status !== "running" ? [] : [`process ${exe}`]
    )
  ].toSorted()
}
