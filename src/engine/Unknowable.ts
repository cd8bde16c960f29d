/**
 * What can't be known before a run: times, pids, random numbers, and numbers that the kernel chooses. Plans, and
 * comparisons of a run with a plan, show a word for each.
 */

/** Words for fields of the JSON that is written to files or sent, by the field's name. */
const fields: Readonly<Record<string, string>> = {
  boot: "<boot>",
  created: "<now>",
  startTime: "<start time>",
  milliseconds: "<duration>",
  index: "<index>",
  ino: "<inode>",
  inode: "<inode>",
  nonce: "<random>"
}

/** JSON text with a word for each such field; lossless numbers stay as they are written. */
const jsonFields = (text: string): string =>
  text.replaceAll(
    /"(\w+)":("(?:[^"\\]|\\.)*"|\{"\$bigint":"\d+"\}|-?[\d.]+)/g,
    (all, key: string) => Object.hasOwn(fields, key) ? `"${key}":"${fields[key]}"` : all
  )

const namespace = /\b(cgroup|ipc|mnt|net|pid|time|user|uts):\[\d+\]/g
/** The inode of the state directory, and the inodes of cgroups, by path. */
const inode = /"(directory|\/[^"]*)":\{"\$bigint":"\d+"\}/g
const pidField = /"pid":(\d+)/g
const ofProcess = /(^|\/proc\/)(\d+)(?=\/(?:ns|fd|stat|status|root|exe|task|uid_map|gid_map|setgroups|cgroup)\b)/g

/**
 * Replaces what can't be known before a run by words.
 *
 * @param nameOf returns the name of the process with this pid
 */
export const hiddenIn = (text: string, nameOf: (pid: number) => string | undefined): string => {
  const word = (pid: string): string => nameOf(Number(pid)) ?? "a process"
  const named = text.replaceAll(ofProcess, (_, before: string, pid: string) => `${before}<${word(pid)}>`)
    .replaceAll(namespace, "$1:[<inode>]")
  if (!named.includes("\"")) return named
  return jsonFields(named)
    .replaceAll(pidField, (_, pid: string) => `"pid":"<${word(pid)}>"`)
    .replaceAll(inode, (_, key: string) => `"${key}":"<inode>"`)
}
