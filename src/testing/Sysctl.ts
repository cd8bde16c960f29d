/**
 * `/proc/sys`: values of the machine and of namespaces. @see proc(5), proc_sys(5), sysctl(8)
 *
 * A file of a namespace is that of the caller's namespace at the moment when its name is looked up
 * (`sysctl_follow_link`): so the id of its node names the namespace.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { CAP, nsCapable, toKernel } from "./Credentials.ts"
import { decode, encode, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import { ipv6IsOff, linkNames, turnIpv6 } from "./Network.ts"
import type { Draft } from "./Proc.ts"

// ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────────

type Scope = "machine" | "net" | "ipc" | "uts"

/** What a value may be: integers in a row, each within limits, or a text. */
interface Rule {
  readonly kind: "int" | "ulong" | "text"
  /** What a new namespace, or the machine, begins with. */
  readonly initial: string
  readonly min?: bigint
  readonly max?: bigint
  readonly readonly?: true
}

const int = (initial: string, min = -(2n ** 31n), max = 2n ** 31n - 1n): Rule => ({ kind: "int", initial, min, max })
const ulong = (initial: string): Rule => ({ kind: "ulong", initial, min: 0n, max: 2n ** 64n - 1n })
const fixed = (initial: string): Rule => ({ kind: "text", initial, readonly: true })

/** Parameters whose rules the model knows. @see Documentation/admin-guide/sysctl of the kernel */
const rules: Readonly<Record<string, Rule>> = {
  "kernel/hostname": { kind: "text", initial: "" },
  "kernel/domainname": { kind: "text", initial: "" },
  "kernel/cap_last_cap": fixed(""),
  "kernel/ngroups_max": fixed("65536"),
  "kernel/osrelease": fixed(""),
  "kernel/ostype": fixed("Linux"),
  "kernel/overflowuid": int("65534", 0n, 65535n),
  "kernel/overflowgid": int("65534", 0n, 65535n),
  "kernel/pid_max": int("4194304", 301n, 4194304n),
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
  "net/core/somaxconn": int("4096", 0n),
  "net/ipv4/ip_forward": int("0"),
  "net/ipv4/conf/all/forwarding": int("0"),
  "net/ipv4/ip_default_ttl": int("64", 1n, 255n),
  "net/ipv4/ip_unprivileged_port_start": int("1024", 0n, 65535n),
  "net/ipv4/ip_local_port_range": int("32768\t60999", 1n, 65535n),
  "net/ipv4/ping_group_range": { kind: "ulong", initial: "1\t0", min: 0n, max: 4294967294n },
  "net/ipv4/tcp_syncookies": int("1", 0n, 255n),
  "net/ipv4/tcp_keepalive_time": int("7200"),
  "net/ipv4/tcp_keepalive_intvl": int("75"),
  "net/ipv4/tcp_fin_timeout": int("60"),
  "net/ipv6/conf/all/disable_ipv6": int("0"),
  "net/ipv6/conf/default/disable_ipv6": int("0"),
  "net/ipv6/conf/all/forwarding": int("0"),
  "net/ipv6/conf/default/forwarding": int("0")
}

/** Names for one value (devinet_sysctl_forward). */
const alias: Readonly<Record<string, string>> = { "net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding" }

const scopeOf = (path: string): Scope =>
  path.startsWith("net/")
    ? "net"
    : /^(?:kernel\/(?:shm|msg|sem)|fs\/mqueue\/)/.test(path)
    ? "ipc"
    : path === "kernel/hostname" || path === "kernel/domainname"
    ? "uts"
    : "machine"

/** Separates a file's name from the namespace that it belongs to, in the id of a node. */
const mark = "\0"

/** The name that a node below `/proc/sys` carries: with the caller's namespace, for what belongs to one. */
export const bound = (m: Machine, path: ReadonlyArray<string>, name: string): string => {
  const scope = scopeOf([...path, name].join("/"))
  // names of the machine are read and written in the namespace of whoever does it (proc_do_uts_string)
  if (scope !== "net" && scope !== "ipc") return name
  return ruleOf(m, [...path, name].join("/"), m.self.ns[scope]) === undefined
    ? name
    : `${name}${mark}${m.self.ns[scope]}`
}

/** A name without its namespace. */
export const unbound = (name: string): string => name.split(mark)[0]!

/** `net/ipv6/conf/<link>/disable_ipv6`. */
const linkSwitch = (path: string): string | undefined => /^net\/ipv6\/conf\/([^/]+)\/disable_ipv6$/.exec(path)?.[1]

const hostPath = (path: string): string => `/proc/sys/${path}`

/**
 * The rule of a parameter. Parameters of a seed, and of the real machine where the model began with it, are there without
 * a rule of their own: what is written must look like what is there.
 */
const ruleOf = (m: Machine, path: string, ns: number): Rule | undefined => {
  const known = Object.hasOwn(rules, path) ? rules[path] : undefined
  if (known !== undefined) return known
  const link = linkSwitch(path)
  if (link !== undefined) return ipv6IsOff(m, ns, link) === undefined ? undefined : int("0")
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

const valueOf = (m: Machine, path: string, ns: number, rule: Rule): string => {
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

/** What the real machine has, for the machine and its first namespaces, where the model began with it. */
const onHost = (m: Machine, path: string, ns: number): string | undefined => {
  const scope = scopeOf(path)
  const isFirst = ns === 0 || m.namespaces.values().find(({ type }) => type === scope)?.id === ns
  return m.facts.hostSysctls === true && isFirst ? fromMachine(path)?.initial : undefined
}

/** A new network takes IPv4's forwarding over from the first one (devinet_init_net); the rest begins anew. */
export const inherit = (m: Machine, ns: number): void => {
  const path = "net/ipv4/conf/all/forwarding"
  const first = m.namespaces.values().find(({ type }) => type === "net")!.id
  const value = valueOf(m, path, first, rules[path]!)
  if (value !== rules[path]!.initial) m.sysctls.set(`${ns}:${path}`, value)
}

const ruled = Object.keys(rules)

/** Whether a directory is there because of what the model has rules for; others may be there for other reasons. */
const isRuled = (directory: string): boolean => ruled.some((path) => path.startsWith(`${directory}/`))

/** Names in a directory; empty where there is none. */
const namesIn = (m: Machine, directory: string): ReadonlyArray<string> => {
  const below = directory === "" ? "" : `${directory}/`
  const links = linkNames(m, m.self.ns.net).map((name) => `net/ipv6/conf/${name}/disable_ipv6`)
  const seeded = [...m.sysctls.seal().keys()].map((key) => key.slice(key.indexOf(":") + 1))
  const names = [...ruled, ...links, ...seeded].filter((path) => path.startsWith(below)).map((path) =>
    path.slice(below.length).split("/")[0]!
  )
  return [...new Set([...names, ...m.facts.hostSysctls === true && !linkPart.test(below) ? onMachine(directory) : []])]
    .toSorted()
}

const onMachine = (directory: string): ReadonlyArray<string> => {
  try {
    return existsSync(hostPath(directory)) ? readdirSync(hostPath(directory)) : []
  } catch {
    return []
  }
}

// ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The owner that a file shows: root of the machine, or of the user namespace that owns the file's, where that has a map
 * (`net_ctl_set_ownership`, `ipc_set_ownership`).
 */
const ownerOf = (m: Machine, scope: Scope, ns: number): { readonly uid: number; readonly gid: number } => {
  if (scope === "machine" || scope === "uts") return { uid: 0, gid: 0 }
  const { owner } = m.namespaces.need(ns)
  return { uid: toKernel(m, owner, "uid", 0) ?? 0, gid: toKernel(m, owner, "gid", 0) ?? 0 }
}

/**
 * Whether the caller may access a file: bits of the mode, and no capability helps (`proc_sys_permission`, `test_perm`).
 * Of ipc, the owner counts as it shows (`ipc_permissions`); of net, root of the machine and whoever has CAP_NET_ADMIN
 * there (`net_ctl_permissions`).
 */
const permits = (m: Machine, scope: Scope, ns: number, mode: number) => (wanted: number): boolean => {
  const { egid, euid, groups } = m.self.creds
  const { gid, uid } = scope === "ipc" ? ownerOf(m, scope, ns) : { uid: 0, gid: 0 }
  const isOwner = euid === uid || scope === "net" && nsCapable(m, m.namespaces.need(ns).owner, CAP.NET_ADMIN)
  const bits = isOwner ? mode >> 6 : egid === gid || groups.includes(gid) ? mode >> 3 : mode
  return (wanted & ~bits & 7) === 0
}

/** The node of a path below `/proc/sys`. */
export const sysctl = (m: Machine, parts: ReadonlyArray<string>): Draft | undefined => {
  const path = parts.map(unbound).join("/")
  const scope = scopeOf(path)
  const named = parts.at(-1)?.split(mark)[1]
  const ns = named !== undefined ? Number(named) : scope === "machine" ? 0 : m.self.ns[scope]
  const rule = m.namespaces.has(ns) || ns === 0 ? ruleOf(m, path, ns) : undefined
  if (rule === undefined) {
    if (path !== "" && !isRuled(path) && namesIn(m, path).length === 0) return undefined
    return { dir: () => namesIn(m, path), mode: 0o555, allows: permits(m, "machine", 0, 0o555) }
  }
  const mode = rule.readonly === true ? 0o444 : 0o644
  return {
    text: () => `${valueOf(m, path, ns, rule)}\n`,
    mode,
    ...ownerOf(m, scope, ns),
    allows: permits(m, scope, ns, mode),
    // a list of numbers is read at once, from the start (do_proc_dointvec)
    ...rule.kind === "text" ? {} : { whole: true },
    write: (text, _, offset) => {
      if (text === "") return 0
      return rule.kind === "text"
        ? writeText(m, path, ns, rule, text, offset)
        : writeNumbers(m, path, ns, rule, text, offset)
    }
  }
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const store = (m: Machine, path: string, ns: number, value: string): void => {
  const uts = m.namespace("uts", m.self.ns.uts)
  if (path === "kernel/hostname") return m.namespaces.set(uts.id, { ...uts, nodename: value })
  if (path === "kernel/domainname") return m.namespaces.set(uts.id, { ...uts, domainname: value })
  const link = linkSwitch(path)
  m.sysctls.set(`${ns}:${alias[path] ?? path}`, value)
  if (link !== undefined && link !== "default") {
    turnIpv6(m, ns, link, Number(value) !== 0)
    if (link !== "all") m.sysctls.delete(`${ns}:${path}`)
  }
}

/** The longest name of a machine. */
const nameMax = 64

/** A text goes on where the file stands, and ends at a line's end (`_proc_do_string`). */
const writeText = (m: Machine, path: string, ns: number, rule: Rule, text: string, offset: number): number => {
  const old = encode(valueOf(m, path, ns, rule))
  const written = encode(text)
  if (offset > old.length) return written.length
  const line = text.split(/[\n\0]/)[0]!
  const whole = Uint8Array.from([...old.slice(0, offset), ...encode(line)])
  store(m, path, ns, decode(scopeOf(path) === "uts" ? whole.slice(0, nameMax) : whole))
  return written.length
}

const space = /^[ \t\n\v\f\r]*/

/** One number as `proc_get_long` reads it: decimal, octal or hexadecimal, and followed by white space or nothing. */
const number = (text: string): { readonly value: bigint; readonly length: number } => {
  const found = /^-?(?:0[xX][\da-fA-F]+|0[0-7]*|[1-9]\d*)/.exec(text)?.[0]
  if (found === undefined || found.length > 20 || /^[^ \t\n]/.test(text.slice(found.length))) return refuse("EINVAL")
  const digits = found.replace("-", "")
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  // EINVAL: more than 64 bits (strtoul_lenient)
  if (value >= 2n ** 64n) refuse("EINVAL")
  return { value: found.startsWith("-") ? -value : value, length: found.length }
}

/** Numbers in a row; fewer than there are change the first only, and more are left unread (`do_proc_dointvec`). */
const writeNumbers = (m: Machine, path: string, ns: number, rule: Rule, text: string, offset: number): number => {
  // sysctl_writes_strict: only a write at the start counts
  if (offset !== 0) return text.length
  const values = valueOf(m, path, ns, rule).split(/\s+/)
  let at = 0
  let read = 0
  let failed: unknown
  while (read < values.length && failed === undefined) {
    at += space.exec(text.slice(at))![0].length
    if (at >= text.length) break
    try {
      const { length, value } = number(text.slice(at))
      if (value < (rule.min ?? value) || value > (rule.max ?? value)) refuse("EINVAL")
      values[read++] = String(value)
      at += length
    } catch (error) {
      failed = error
    }
  }
  if (read === 0) throw failed ?? refuse("EINVAL")
  check(m, path, ns, values.map(BigInt))
  store(m, path, ns, ranges(path, values).join("\t"))
  // what came before a number that is refused stays
  if (failed !== undefined) throw new RefusedAfter("EINVAL")
  at += space.exec(text.slice(at))![0].length
  return at
}

const numbersOf = (m: Machine, ns: number, path: string): ReadonlyArray<bigint> =>
  valueOf(m, path, ns, rules[path]!).split("\t").map(BigInt)

/** EINVAL: ports that all may use end before those that the kernel gives (ip_privileged_port, ipv4_local_port_range). */
const check = (m: Machine, path: string, ns: number, values: ReadonlyArray<bigint>): void => {
  if (path === "net/ipv4/ip_unprivileged_port_start") {
    if (values[0]! > numbersOf(m, ns, "net/ipv4/ip_local_port_range")[0]!) refuse("EINVAL")
  }
  if (path === "net/ipv4/ip_local_port_range") {
    const [low, high] = values as [bigint, bigint]
    if (high < low || low < numbersOf(m, ns, "net/ipv4/ip_unprivileged_port_start")[0]!) refuse("EINVAL")
  }
}

/** An empty range of groups is written 1 0 (ipv4_ping_group_range). */
const ranges = (path: string, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  path === "net/ipv4/ping_group_range" && BigInt(values[0]!) > BigInt(values[1]!) ? ["1", "0"] : values
