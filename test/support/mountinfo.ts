/** `/proc/pid/mountinfo` in a form that is the same on every machine. @see proc_pid_mountinfo(5) */

/** Names of peer groups, in the order in which they were seen. */
export type PeerGroups = ReadonlyMap<string, string>

/**
 * The mounts at and below a path, as far as they lie on one another: root, mount point, flags, propagation, type, source,
 * and whether the file system is read-only.
 */
export const mountsBelow = (
  text: string,
  below: string,
  known: PeerGroups
): { readonly lines: ReadonlyArray<string>; readonly groups: PeerGroups } => {
  const groups = new Map(known)
  const name = (group: string): string => {
    const found = groups.get(group) ?? String.fromCharCode(65 + groups.size)
    groups.set(group, found)
    return found
  }
  const all = text.split("\n").filter((line) => line !== "").map((line) => {
    const [left, right] = line.split(" - ") as [string, string]
    const [id, parent, , root, point, flags, ...tags] = left.split(" ")
    const [type, source, options] = right.split(" ")
    return { id, parent, root, point: point!, flags, tags, type, source, access: options!.split(",")[0] }
  })
  // what lay there before is below the mount that covers it
  const visible = new Set<string | undefined>()
  for (let before = -1; before < visible.size;) {
    before = visible.size
    for (const { id, parent, point } of all) if (point === below || visible.has(parent)) visible.add(id)
  }
  const byId = new Map(all.map((mount) => [mount.id, mount]))
  const depth = (id: string | undefined): number => {
    const mount = byId.get(id)
    const under = byId.get(mount?.parent)
    return mount === undefined || under === undefined || under === mount ? 0 : depth(under.id) + 1
  }
  const lines = all.filter(({ id, point }) =>
    visible.has(id) && (point === below || point.startsWith(below === "/" ? below : `${below}/`))
  )
    // what is stacked on one place from below, whichever came first: the copies that one call makes have no order
    .toSorted((a, b) => a.point < b.point ? -1 : a.point > b.point ? 1 : depth(a.id) - depth(b.id))
    .map(({ access, flags, point, root, source, tags, type }) =>
      [
        root!.replace(/\[\d+\]/, "[n]"),
        point,
        flags,
        ...tags.map((tag) => tag.replace(/:(\d+)$/, (_, group: string) => `:${name(group)}`)),
        "-",
        type,
        source,
        access
      ].join(" ")
    )
  return { lines, groups }
}
