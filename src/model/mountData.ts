/**
 * The options of file systems, as mount(2) takes them in a list and fsconfig(2) one by one.
 *
 * Each file system declares its options and the form of their values (`fs_parameter_spec`). Another option may be a common
 * one, or the source (`vfs_parse_fs_param`). @see mount(8), tmpfs(5), proc(5), "Mount options"
 */
import { MS } from "../native/constants.ts"
import { CAP, capable, initialUserNs, toKernel } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import { amount, parsed } from "./numbers.ts"
import * as OverlayMount from "./overlayMount.ts"

// -- values -----------------------------------------------------------------------------------------------------------
type Check = (m: Machine, value: string) => boolean

const octal: Check = (_, value) => parsed(value, 8) !== undefined

const id = (kind: "uid" | "gid"): Check => (m, value) => {
  const number = parsed(value, 0)
  return number !== undefined && toKernel(m, m.self.ns.user, kind, number) !== undefined
}

const among = (...words: ReadonlyArray<string>): Check => (_, value) => words.includes(value)

/** A memory policy (`mpol_parse_str`). */
const policy: Check = (m, value) => {
  const [, mode = "", flags, nodes] = /^([^=:]*)(?:=([^:]*))?(?::(.*))?$/.exec(value) ?? []
  if (!["default", "prefer", "bind", "interleave", "local"].includes(mode)) return false
  if (mode === "default" || mode === "local") {
    return nodes === undefined && (mode === "default" || flags === undefined || ["static", "relative"].includes(flags))
  }
  if (nodes === undefined ? mode === "bind" : !/^\d+(?:[-,]\d+)*$/.test(nodes)) return false
  if (mode === "prefer" && nodes !== undefined && !/^\d+$/.test(nodes)) return false
  if (nodes !== undefined && nodes !== "0" && nodes !== "0-0") m.unmodelled("which nodes of memory there are")
  return flags === undefined || ["static", "relative"].includes(flags)
}

/** `PAGE_SIZE`, `BOGO_INODE_SIZE`. */
const [page, inode] = [4096n, 1024n] as const

/** The size of a tmpfs in pages; `undefined` if it depends on the machine's memory. */
const sizeOf = (text: string): bigint | undefined | "bad" => {
  const { rest, value } = amount(text)
  return rest === "%" ? undefined : rest === "" ? (value + page - 1n) / page : "bad"
}

const countBelow = (most: bigint): Check => (_, text) => {
  const { rest, value } = amount(text)
  return rest === "" && value <= most
}

// -- options ----------------------------------------------------------------------------------------------------------

/** What an option takes: no value, or one that passes the check. */
type Spec = "flag" | Check

const specs: Readonly<Record<string, Readonly<Record<string, Spec>>>> = {
  tmpfs: {
    mode: octal,
    size: (_, text) => sizeOf(text) !== "bad",
    nr_blocks: countBelow(2n ** 63n - 1n),
    nr_inodes: countBelow((2n ** 64n - 1n) / inode),
    uid: id("uid"),
    gid: id("gid"),
    huge: among("never", "always", "within_size", "advise"),
    mpol: policy,
    inode32: "flag",
    inode64: "flag",
    noswap: "flag"
  },
  ramfs: { mode: octal },
  proc: {
    hidepid: (_, text) =>
      [0, 1, 2, 4].some((level) => level === parsed(text, 0)) ||
      ["off", "noaccess", "invisible", "ptraceable"].includes(text),
    gid: (_, text) => parsed(text, 0) !== undefined,
    subset: among("pid"),
    pidns: (m) => m.unmodelled("a proc of a pid namespace that is named")
  },
  sysfs: {},
  mqueue: {},
  devpts: {
    mode: octal,
    ptmxmode: octal,
    uid: id("uid"),
    gid: id("gid"),
    // NR_UNIX98_PTY_MAX
    max: (_, text) => (parsed(text, 0) ?? Infinity) <= 1 << 20,
    newinstance: "flag"
  },
  cgroup2: {
    nsdelegate: "flag",
    favordynmods: "flag",
    memory_localevents: "flag",
    memory_recursiveprot: "flag",
    memory_hugetlb_accounting: "flag",
    pids_localevents: "flag"
  }
}

/** Options of every file system, with any value (`common_set_sb_flag`, `common_clear_sb_flag`). */
const common: Readonly<Record<string, readonly [flag: number, set: boolean]>> = {
  dirsync: [MS.DIRSYNC, true],
  lazytime: [MS.LAZYTIME, true],
  mand: [MS.MANDLOCK, true],
  ro: [MS.RDONLY, true],
  sync: [MS.SYNCHRONOUS, true],
  async: [MS.SYNCHRONOUS, false],
  nolazytime: [MS.LAZYTIME, false],
  nomand: [MS.MANDLOCK, false],
  rw: [MS.RDONLY, false]
}

/** The options of a file system so far. */
export interface MountSettings {
  readonly source: string | undefined
  readonly readonly: boolean
  /** Its own options, as text. */
  readonly options: ReadonlyArray<string>
}

export const none: MountSettings = { source: undefined, readonly: false, options: [] }

/** Adds one option (`vfs_parse_fs_param`). EINVAL: it is unknown, lacks its value, or has a wrong one. */
export const take = (
  m: Machine,
  type: string,
  settings: MountSettings,
  key: string,
  value: string | undefined
): MountSettings => {
  const flag = Object.hasOwn(common, key) ? common[key] : undefined
  if (flag !== undefined) return flag[0] === MS.RDONLY ? { ...settings, readonly: flag[1] } : settings
  const option = value === undefined ? key : `${key}=${value}`
  const taken = { ...settings, options: [...settings.options, option] }
  if (type === "overlay" && key !== "source") {
    OverlayMount.checkOption(m, option)
    return taken
  }
  const known = specs[type]
  const spec = known !== undefined && Object.hasOwn(known, key) ? known[key] : undefined
  if (spec !== undefined) {
    // EINVAL: an empty text is no value
    if (spec === "flag" ? value !== undefined : value === undefined || value === "" || !spec(m, value)) refuse("EINVAL")
    checkMore(m, type, key)
    return taken
  }
  // EINVAL: it has a source already (vfs_parse_fs_param_source)
  if (key === "source") {
    if (value === undefined || settings.source !== undefined) return refuse("EINVAL")
    return { ...settings, source: value }
  }
  // ramfs has always ignored unknown options (ramfs_parse_param)
  if (type === "ramfs") return settings
  if (type === "cgroup") return { ...settings, options: [...settings.options, ofVersion1(m, settings, key, value)] }
  return known === undefined ? m.unmodelled(`the options of ${type}`) : refuse("EINVAL")
}

/** Controllers that a kernel may have, but that no hierarchy of version 1 has here. */
const others = new Set(
  "blkio cpu cpuacct cpuset debug devices dmem freezer hugetlb memory misc net_cls net_prio perf_event pids rdma".split(
    " "
  )
)

/** Options of cgroups of version 1: the names of controllers, and some more (`cgroup1_parse_param`). */
const ofVersion1 = (m: Machine, { options }: MountSettings, key: string, value: string | undefined): string => {
  switch (key) {
    case "none":
    case "xattr":
      return value === undefined ? key : refuse("EINVAL")
    case "name":
      // EINVAL: no name, an invalid one, or a second one
      return value !== undefined && /^[\w.-]{1,63}$/.test(value) && valueOf(options, "name") === undefined
        ? `name=${value}`
        : refuse("EINVAL")
    case "all":
    case "clone_children":
    case "cpuset_v2_mode":
    case "noprefix":
    case "release_agent":
    case "favordynmods":
    case "nofavordynmods":
      return m.unmodelled(`the option ${key} of cgroups`)
  }
  const isController = m.hierarchies.values().some(({ controllers, version }) =>
    version === 1 && controllers.includes(key)
  )
  if (!isController && others.has(key)) m.unmodelled("a new hierarchy of cgroups")
  // EINVAL: no such controller
  return isController ? key : refuse("EINVAL")
}

const checkMore = (m: Machine, type: string, key: string): void => {
  // EINVAL: for the machine's root only (shmem_parse_one)
  if (type === "tmpfs" && key === "noswap" && (m.self.ns.user !== initialUserNs(m) || !capable(m, CAP.SYS_ADMIN))) {
    refuse("EINVAL")
  }
}

/** Adds the options in the text of mount(2), separated by commas. Empty ones are ignored. */
export const parse = (m: Machine, type: string, data: string | null, begun: MountSettings): MountSettings => {
  // a comma before a digit belongs to a list of nodes (shmem_next_opt)
  const options = (data ?? "").split(type === "tmpfs" ? /,(?!\d)/ : ",")
  return options.filter((option) => option !== "" && !option.startsWith("=")).reduce((settings, option) => {
    const at = option.indexOf("=")
    const [key, value] = at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)]
    return take(m, type, settings, key, value)
  }, begun)
}

/** The value of an option; the last one counts. */
export const valueOf = (options: ReadonlyArray<string>, key: string): string | undefined =>
  options.findLast((option) => option.startsWith(`${key}=`))?.slice(key.length + 1)

/** A number that is an option's value. */
export const numberOf = (options: ReadonlyArray<string>, key: string, base: 0 | 8 = 0): number | undefined => {
  const text = valueOf(options, key)
  return text === undefined ? undefined : parsed(text, base)
}

// -- limits -----------------------------------------------------------------------------------------------------------

/** The limits of a tmpfs: pages and inodes. 0 is no limit; absent means a default that depends on the machine's memory. */
export interface Room {
  readonly pages?: bigint
  readonly inodes?: bigint
}

export const roomOf = (options: ReadonlyArray<string>): Room => {
  const [size, inodes] = [
    options.findLast((option) => /^(?:size|nr_blocks)=/.test(option)),
    valueOf(options, "nr_inodes")
  ]
  const [key, text] = size?.split("=") ?? []
  const pages = text === undefined ? undefined : key === "size" ? sizeOf(text) : amount(text).value
  return {
    ...pages === undefined || pages === "bad" ? {} : { pages },
    ...inodes === undefined ? {} : { inodes: amount(inodes).value }
  }
}
