/**
 * What can't be known before a run: times, pids, numbers that the kernel chooses or that are random. In a plan, and in a
 * comparison of a run with a plan, each is replaced by a word.
 */

/** Fields of JSON that are written down or sent, by name. */
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
/** Of the state directory, and, by their paths, of cgroups. */
const inode = /"(directory|\/[^"]*)":\{"\$bigint":"\d+"\}/g
const pidField = /"pid":(\d+)/g
const ofProcess = /(^|\/proc\/)(\d+)(?=\/(?:ns|fd|stat|status|root|exe|task|uid_map|gid_map|setgroups|cgroup)\b)/g

/**
 * A text with words in place of what can't be known before.
 *
 * @param nameOf the process that a pid is
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
