/**
 * `/proc/sys`: values of the machine and of namespaces. @see proc(5), proc_sys(5), sysctl(8)
 *
 * A file that belongs to a namespace is bound to the caller's namespace when its name is looked up (`sysctl_follow_link`).
 * So the id of its node names the namespace.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { ipv6IsOff, linkNames } from "./ipv6.ts"
import type { Machine } from "./Machine.ts"
import { elsewhere } from "./networkSysctls.ts"
import type { NamespaceType } from "./State.ts"

// -- what is there ----------------------------------------------------------------------------------------------------
export type Scope = "machine" | "net" | "ipc" | "uts" | "user"

/** The rule for a value: a list of integers within limits, or a text. */
export interface Rule {
  readonly kind: "int" | "byte" | "ulong" | "text"
  /** The initial value, in a new namespace or a new machine. */
  readonly initial: string
  readonly min?: bigint
  readonly max?: bigint
  readonly readonly?: true
}

const int = (initial: string, min = -(2n ** 31n), max = 2n ** 31n - 1n): Rule => ({ kind: "int", initial, min, max })

/** Unsigned, with eight bits; nothing may follow the number (`proc_dou8vec_minmax`). */
const byte = (initial: string, min: bigint): Rule => ({ kind: "byte", initial, min, max: 255n })

const ulong = (initial: string): Rule => ({ kind: "ulong", initial, min: 0n, max: 2n ** 64n - 1n })

const fixed = (initial: string): Rule => ({ kind: "text", initial, readonly: true })

/** Parameters whose rules the model knows. @see Documentation/admin-guide/sysctl of the kernel */
export const rules: Readonly<Record<string, Rule>> = {
  "kernel/hostname": { kind: "text", initial: "" },
  "kernel/domainname": { kind: "text", initial: "" },
  "kernel/cap_last_cap": fixed(""),
  "kernel/ngroups_max": fixed("65536"),
  "kernel/osrelease": fixed(""),
  "kernel/ostype": fixed("Linux"),
  "kernel/overflowuid": int("65534", 0n, 65535n),
  "kernel/overflowgid": int("65534", 0n, 65535n),
  "kernel/pid_max": int("4194304", 301n, 4194304n),
  "fs/suid_dumpable": int("0", 0n, 2n),
  "fs/protected_symlinks": int("0", 0n, 1n),
  "fs/protected_hardlinks": int("0", 0n, 1n),
  "fs/protected_fifos": int("0", 0n, 2n),
  "fs/protected_regular": int("0", 0n, 2n),
  "fs/nr_open": int("1048576", 8n, 2147483584n),
  "vm/overcommit_memory": int("0", 0n, 2n),
  "kernel/shmmax": ulong("18446744073692774399"),
  "kernel/shmall": ulong("18446744073692774399"),
  "kernel/shmmni": int("4096", 0n, 32768n),
  "kernel/shm_rmid_forced": int("0", 0n, 1n),
  "kernel/msgmax": int("8192", 0n),
  "kernel/msgmnb": int("16384", 0n),
  "kernel/msgmni": int("32000", 0n, 32768n),
  "kernel/sem": int("32000\t1024000000\t500\t32000"),
  "fs/mqueue/msg_default": int("10", 1n, 65536n),
  "fs/mqueue/msg_max": int("10", 1n, 65536n),
  "fs/mqueue/msgsize_default": int("8192", 128n, 16777216n),
  "fs/mqueue/msgsize_max": int("8192", 128n, 16777216n),
  "fs/mqueue/queues_max": int("256"),
  ...Object.fromEntries(
    ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"].map((type) => [
      `user/max_${type}_namespaces`,
      int("2147483647", 0n)
    ])
  ),
  "user/max_fanotify_groups": int("2147483647", 0n),
  "user/max_fanotify_marks": int("2147483647", 0n),
  "user/max_inotify_instances": int("2147483647", 0n),
  "user/max_inotify_watches": int("2147483647", 0n),
  "net/core/somaxconn": int("4096", 0n),
  "net/ipv4/ip_forward": int("0"),
  "net/ipv4/conf/all/forwarding": int("0"),
  "net/ipv4/ip_default_ttl": byte("64", 1n),
  "net/ipv4/ip_unprivileged_port_start": int("1024", 0n, 65535n),
  "net/ipv4/ip_local_port_range": int("32768\t60999", 1n, 65535n),
  "net/ipv4/ping_group_range": { kind: "ulong", initial: "1\t0", min: 0n, max: 4294967294n },
  "net/ipv4/tcp_syncookies": byte("1", 0n),
  "net/ipv4/tcp_keepalive_time": int("7200"),
  "net/ipv4/tcp_keepalive_intvl": int("75"),
  "net/ipv4/tcp_fin_timeout": int("60"),
  "net/ipv6/conf/all/disable_ipv6": int("0"),
  "net/ipv6/conf/default/disable_ipv6": int("0"),
  "net/ipv6/conf/all/forwarding": int("0"),
  "net/ipv6/conf/default/forwarding": int("0")
}

/** Names of the same value (devinet_sysctl_forward). */
export const alias: Readonly<Record<string, string>> = { "net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding" }

export const scopeOf = (path: string): Scope =>
  path.startsWith("net/")
    ? "net"
    : /^(?:kernel\/(?:shm|msg|sem)|fs\/mqueue\/)/.test(path)
    ? "ipc"
    : path.startsWith("user/")
    ? "user"
    : path === "kernel/hostname" || path === "kernel/domainname"
    ? "uts"
    : "machine"

/** Separates a file's name from its namespace in the id of a node. */
export const mark = "\0"

/** The name of a node below `/proc/sys`, with the caller's namespace if the file belongs to one. */
export const bound = (m: Machine, path: ReadonlyArray<string>, name: string): string => {
  const scope = scopeOf([...path, name].join("/"))
  // the names of uname are those of the caller's namespace at each read and write (proc_do_uts_string)
  if (scope !== "net" && scope !== "ipc" && scope !== "user") return name
  return ruleOf(m, [...path, name].join("/"), m.self.ns[scope]) === undefined
    ? name
    : `${name}${mark}${m.self.ns[scope]}`
}

/** A name without its namespace. */
export const unbound = (name: string): string => name.split(mark)[0]!

/** `net/ipv6/conf/<link>/disable_ipv6`. */
export const linkSwitch = (path: string): string | undefined =>
  /^net\/ipv6\/conf\/([^/]+)\/disable_ipv6$/.exec(path)?.[1]

const hostPath = (path: string): string => `/proc/sys/${path}`

/**
 * The rule of a parameter. Parameters from a seed or from the real machine may have no rule in the model. Then a new value
 * must look like the old one.
 */
export const ruleOf = (m: Machine, path: string, ns: number): Rule | undefined => {
  const known = Object.hasOwn(rules, path) ? rules[path] : undefined
  if (known !== undefined) return known
  const link = linkSwitch(path)
  if (link !== undefined) return ipv6IsOff(m, ns, link) === undefined ? undefined : int("0")
  const there = has(m, path, ns)
  if (there === "absent") return undefined
  const rule = ruleBySeed(m, path, ns)
  return rule === undefined || there !== "readonly" ? rule : { ...rule, readonly: true }
}

/** The first namespace of a type, that of the machine. */
const isFirst = (m: Machine, scope: Scope, ns: number): boolean =>
  ns === 0 || m.namespaces.values().find(({ type }) => type === scope)?.id === ns

/** What a network namespace has of a parameter that is the machine's; `undefined` if it has it as the first one has. */
const has = (m: Machine, path: string, ns: number) =>
  scopeOf(path) !== "net" || isFirst(m, "net", ns) ? undefined : elsewhere(path)

const ruleBySeed = (m: Machine, path: string, ns: number): Rule | undefined => {
  const seeded = m.sysctls.get(`${ns}:${path}`) ?? m.sysctls.get(`0:${path}`)
  if (seeded !== undefined) return { kind: isNumbers(seeded) ? "int" : "text", initial: seeded }
  if (m.facts.hostSysctls !== true || path.split("/").includes("..") || linkPart.test(path)) return undefined
  return fromMachine(path)
}

/** Directories of the real machine's links. */
const linkPart = /^net\/ipv[46]\/(?:conf|neigh)\/(?!all\/|default\/)/

const isNumbers = (text: string): boolean => /^\s*-?\d+(?:\s+-?\d+)*\s*$/.test(text)

const fromMachine = (path: string): Rule | undefined => {
  try {
    const text = readFileSync(hostPath(path), "utf8").replace(/\n$/, "")
    const isFixed = (statSync(hostPath(path)).mode & 0o222) === 0
    return { kind: isNumbers(text) ? "ulong" : "text", initial: text, ...isFixed ? { readonly: true } : {} }
  } catch {
    return undefined
  }
}

export const valueOf = (m: Machine, path: string, ns: number, rule: Rule): string => {
  switch (path) {
    case "kernel/hostname":
      return m.namespace("uts", m.self.ns.uts).nodename
    case "kernel/domainname":
      return m.namespace("uts", m.self.ns.uts).domainname
    case "kernel/cap_last_cap":
      return String(m.facts.lastCapability)
    case "kernel/osrelease":
      return m.facts.release
  }
  const link = linkSwitch(path)
  const off = link === undefined ? undefined : ipv6IsOff(m, ns, link)
  if (off !== undefined) return off ? "1" : "0"
  const key = alias[path] ?? path
  return m.sysctls.get(`${ns}:${key}`) ?? m.sysctls.get(`0:${key}`) ?? onHost(m, path, ns) ?? rule.initial
}

/** The number in a parameter of the machine; `undefined` if there is none. */
export const numberOf = (m: Machine, path: string): number | undefined => {
  const rule = ruleOf(m, path, 0)
  return rule === undefined ? undefined : Number(valueOf(m, path, 0, rule))
}

/** How many namespaces of a type a user may have made in a user namespace. */
export const namespaceLimit = (m: Machine, userNs: number, type: NamespaceType): number => {
  const path = `user/max_${type}_namespaces`
  return Number(valueOf(m, path, userNs, rules[path]!))
}

/** The real machine's value, if the model began with that machine; for the machine and its first namespaces. */
const onHost = (m: Machine, path: string, ns: number): string | undefined => {
  return m.facts.hostSysctls === true && isFirst(m, scopeOf(path), ns) ? fromMachine(path)?.initial : undefined
}

const ruled = Object.keys(rules)

/** Whether a directory exists because the model has a rule for a parameter in it. */
export const isRuled = (directory: string): boolean => ruled.some((path) => path.startsWith(`${directory}/`))

/** Names in a directory; empty if there is none. */
export const namesIn = (m: Machine, directory: string): ReadonlyArray<string> => {
  const below = directory === "" ? "" : `${directory}/`
  const links = linkNames(m, m.self.ns.net).map((name) => `net/ipv6/conf/${name}/disable_ipv6`)
  const seeded = [...m.sysctls.seal().keys()].map((key) => key.slice(key.indexOf(":") + 1))
  const names = [...ruled, ...links, ...seeded].filter((path) => path.startsWith(below)).map((path) =>
    path.slice(below.length).split("/")[0]!
  )
  const real = m.facts.hostSysctls === true && !linkPart.test(below) ? onMachine(directory) : []
  return [...new Set([...names, ...real])]
    .filter((name) => has(m, `${below}${name}`, m.self.ns.net) !== "absent")
    .toSorted()
}

const onMachine = (directory: string): ReadonlyArray<string> => {
  try {
    return existsSync(hostPath(directory)) ? readdirSync(hostPath(directory)) : []
  } catch {
    return []
  }
}
