/** The files of /proc/sys: who may write them, and which values. @see proc_sys(5), kernel/sysctl.c */
import { CAP, nsCapable, shown, toKernel } from "./Credentials.ts"
import { turnIpv6 } from "./ipv6.ts"
import { decode, encode, LateRefusal, type Machine, refuse } from "./Machine.ts"
import type { Draft } from "./Proc.ts"
import {
  alias,
  isRuled,
  linkSwitch,
  mark,
  namesIn,
  type Rule,
  ruleOf,
  rules,
  type Scope,
  scopeOf,
  unbound,
  valueOf
} from "./Sysctl.ts"

// -- who may ----------------------------------------------------------------------------------------------------------

/**
 * The owner of a file: root of the machine, or root of the user namespace that owns the file's namespace, if it has a map
 * (`net_ctl_set_ownership`, `ipc_set_ownership`).
 */
const ownerOf = (m: Machine, scope: Scope, ns: number): { readonly uid: number; readonly gid: number } => {
  if (scope === "machine" || scope === "uts" || scope === "user") return { uid: 0, gid: 0 }
  const { owner } = m.namespaces.need(ns)
  return { uid: toKernel(m, owner, "uid", 0) ?? 0, gid: toKernel(m, owner, "gid", 0) ?? 0 }
}

/**
 * Whether the caller may access a file: the mode decides, and capabilities do not help (`proc_sys_permission`,
 * `test_perm`). For ipc, the shown owner counts as owner (`ipc_permissions`); for net, root of the machine and processes
 * with CAP_NET_ADMIN there do (`net_ctl_permissions`).
 */
const permits = (m: Machine, scope: Scope, ns: number, mode: number) => (wanted: number): boolean => {
  // user: the owner's bits are for processes with CAP_SYS_RESOURCE there, the others' for all others (set_permissions)
  if (scope === "user") {
    const bits = nsCapable(m, ns, CAP.SYS_RESOURCE) ? mode >> 6 : mode
    return (wanted & ~bits & 7) === 0
  }
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
    text: () => {
      // each pid namespace has its own, since Linux 6.14
      if (path === "kernel/pid_max" && m.namespace("pid", m.self.ns.pid).level > 0) {
        m.unmodelled("how many pids a pid namespace has")
      }
      return `${shownValue(m, path, ns, rule)}\n`
    },
    mode,
    ...ownerOf(m, scope, ns),
    allows: permits(m, scope, ns, mode),
    // numbers must be read from the start (do_proc_dointvec)
    ...rule.kind === "text" ? {} : { whole: true },
    write: (text, _, offset) => {
      if (text === "") return 0
      return rule.kind === "text"
        ? writeText(m, path, ns, rule, text, offset)
        : writeNumbers(m, path, ns, rule, text, offset)
    }
  }
}

// -- writing ----------------------------------------------------------------------------------------------------------
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

/** Writes a text at the file's offset; a newline ends it (`_proc_do_string`). */
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

/**
 * Writes a list of numbers. A shorter list changes the first ones only; the rest of a longer one is not read
 * (`do_proc_dointvec`).
 */
const writeNumbers = (m: Machine, path: string, ns: number, rule: Rule, text: string, offset: number): number => {
  if (path === "vm/memfd_noexec") m.unmodelled("another rule for the files in memory of a pid namespace")
  // sysctl_writes_strict: only a write at the start counts
  if (offset !== 0) return text.length
  const values = shownValue(m, path, ns, rule).split(/\s+/)
  let at = 0
  let read = 0
  let failed: unknown
  while (read < values.length && failed === undefined) {
    at += space.exec(text.slice(at))![0].length
    if (at >= text.length) break
    try {
      const { length, value } = number(text.slice(at))
      // EINVAL: a sign, even for 0 (proc_doulongvec_minmax)
      if (rule.kind !== "int" && text[at] === "-") refuse("EINVAL")
      if (value < (rule.min ?? value) || value > (rule.max ?? value)) refuse("EINVAL")
      values[read++] = String(value)
      at += length
    } catch (error) {
      failed = error
    }
  }
  // a range is set as a whole, or not at all (ipv4_local_port_range, ipv4_ping_group_range)
  if (read === 0 || (failed !== undefined && path.endsWith("_range"))) throw failed ?? refuse("EINVAL")
  check(m, path, ns, values.map(BigInt))
  store(m, path, ns, ranges(path, ofMachine(m, path, values)).join("\t"))
  // numbers before a refused one stay
  if (failed !== undefined) throw new LateRefusal("EINVAL")
  at += space.exec(text.slice(at))![0].length
  return rule.kind === "byte" ? text.length : at
}

/** Whether the values are group ids, which differ between user namespaces. */
const isGroups = (path: string): boolean => path === "net/ipv4/ping_group_range"

/** A value as the reader's user namespace shows it (`inet_get_ping_group_range_table`). */
const shownValue = (m: Machine, path: string, ns: number, rule: Rule): string => {
  const value = valueOf(m, path, ns, rule)
  return isGroups(path) ? value.split("\t").map((id) => shown(m, "gid", Number(id))).join("\t") : value
}

/** Converts groups to kernel ids. EINVAL: a group without a mapping in the writer's user namespace. */
const ofMachine = (m: Machine, path: string, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  isGroups(path)
    ? values.map((id) => String(toKernel(m, m.self.ns.user, "gid", Number(id)) ?? refuse("EINVAL")))
    : values

const numbersOf = (m: Machine, ns: number, path: string): ReadonlyArray<bigint> =>
  valueOf(m, path, ns, rules[path]!).split("\t").map(BigInt)

/** EINVAL: privileged ports and local ports would overlap (ip_privileged_port, ipv4_local_port_range). */
const check = (m: Machine, path: string, ns: number, values: ReadonlyArray<bigint>): void => {
  if (path === "net/ipv4/ip_unprivileged_port_start") {
    if (values[0]! > numbersOf(m, ns, "net/ipv4/ip_local_port_range")[0]!) refuse("EINVAL")
  }
  if (path === "net/ipv4/ip_local_port_range") {
    const [low, high] = values as [bigint, bigint]
    if (high < low || low < numbersOf(m, ns, "net/ipv4/ip_unprivileged_port_start")[0]!) refuse("EINVAL")
  }
}

/** An empty range of groups is stored as 1 0 (ipv4_ping_group_range). */
const ranges = (path: string, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  path === "net/ipv4/ping_group_range" && BigInt(values[0]!) > BigInt(values[1]!) ? ["1", "0"] : values
