/**
 * The credentials after execve(2): set-user-ID, file capabilities, root, no_new_privs, ambient capabilities.
 *
 * Follows `bprm_fill_uid` of `fs/exec.c` and `cap_bprm_creds_from_file` of `security/commoncap.c` (Linux 6.16 and later).
 *
 * @see capabilities(7), "Transformation of capabilities during execve()"; execve(2)
 */
import { CAP, capableHere, capableOver, initialUserNs, nsCapable, SECBIT, toKernel, toUser } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import { sharesDirectories } from "./NewNamespaces.ts"
import type { Credentials } from "./State.ts"

/** The properties of the executed file that matter here. */
export interface ExecutedFile {
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Whether its mount allows set-user-ID and file capabilities. */
  readonly maySetIds: boolean
  /** The value of `security.capability`. */
  readonly capabilities: Uint8Array | undefined
}

/** Capabilities of a file. @see capabilities(7), "File capabilities" */
interface FileCapabilities {
  readonly effective: boolean
  readonly permitted: bigint
  readonly inheritable: bigint
  /** The root uid, as in the file system's user namespace, of the namespaces in which they apply; version 3 only. */
  readonly rootid: number | undefined
}

const EFFECTIVE = 1

const [version2, version3] = [0x02000000, 0x03000000] as const

/** Reads `struct vfs_ns_cap_data`. `undefined` for another layout. */
const parseFileCapabilities = (value: Uint8Array): FileCapabilities | undefined => {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const word = (at: number): bigint => BigInt(view.getUint32(at, true))
  const magic = value.length < 4 ? 0 : view.getUint32(0, true)
  const version = (magic & 0xff000000) >>> 0
  if (!(version === version2 && value.length === 20) && !(version === version3 && value.length === 24)) return undefined
  return {
    effective: (magic & EFFECTIVE) !== 0,
    permitted: word(4) | word(12) << 32n,
    inheritable: word(8) | word(16) << 32n,
    rootid: version === version3 ? view.getUint32(20, true) : undefined
  }
}

/** Converts to version 3, with another root uid. */
const withRootid = (value: Uint8Array, rootid: number): Uint8Array => {
  const out = new Uint8Array(24)
  out.set(value.slice(0, 20))
  const view = new DataView(out.buffer)
  view.setUint32(0, version3 | view.getUint32(0, true) & EFFECTIVE, true)
  view.setUint32(20, rootid, true)
  return out
}

/**
 * The value that is stored for a `security.capability` (`cap_convert_nscap`). If the caller has CAP_SETFCAP over the file
 * but not over the file system, the capabilities apply only in the caller's user namespace.
 */
export const givenCapabilities = (
  m: Machine,
  file: { readonly uid: number; readonly gid: number },
  fsUserNs: number,
  value: Uint8Array
): Uint8Array => {
  // an empty value is stored unchanged, and no program can be executed with it (vfs_setxattr)
  if (value.length === 0) return value
  const given = parseFileCapabilities(value) ?? refuse("EINVAL")
  if (!capableOver(m, file, CAP.SETFCAP)) refuse("EPERM")
  if (given.rootid === undefined && nsCapable(m, fsUserNs, CAP.SETFCAP)) return value
  const root = toKernel(m, m.self.ns.user, "uid", given.rootid ?? 0) ?? refuse("EINVAL")
  return withRootid(value, toUser(m, fsUserNs, "uid", root) ?? refuse("EINVAL"))
}

/** Whether a kernel id is root of the caller's user namespace or of one above it (`rootid_owns_currentns`). */
const isRootAbove = (m: Machine, uid: number): boolean => {
  for (let id: number | undefined = m.self.ns.user; id !== undefined; id = m.namespace("user", id).parent) {
    if (toUser(m, id, "uid", uid) === 0) return true
  }
  return false
}

interface Gained {
  readonly effective: boolean
  /** Whether the file has capabilities at all. */
  readonly any: boolean
  readonly permitted: bigint
}

const nothing: Gained = { effective: false, any: false, permitted: 0n }

/** `get_file_caps`. */
const fromFile = (m: Machine, { capabilities, maySetIds }: ExecutedFile): Gained => {
  if (capabilities === undefined || !maySetIds) return nothing
  // EINVAL: an unknown layout makes the exec fail
  const found = parseFileCapabilities(capabilities) ?? refuse("EINVAL")
  const root = toKernel(m, initialUserNs(m), "uid", found.rootid ?? 0)
  if (root === undefined || !isRootAbove(m, root)) return nothing
  const { bounding, inheritable } = m.self.creds
  // P'(permitted) = (P(inheritable) & F(inheritable)) | (F(permitted) & P(bounding))
  const permitted = bounding & found.permitted | inheritable & found.inheritable
  // EPERM: a program that does not know capabilities would lack some that it needs
  if (found.effective && (found.permitted & ~permitted) !== 0n) refuse("EPERM")
  return { effective: found.effective, any: true, permitted }
}

/** Set-user-ID and set-group-ID, unless no_new_privs, the mount, or an owner without an id forbid them (`bprm_fill_uid`). */
const fromMode = (m: Machine, file: ExecutedFile): { readonly euid: number; readonly egid: number } => {
  const { egid, euid, noNewPrivs } = m.self.creds
  const userNs = m.self.ns.user
  const counts = file.maySetIds && !noNewPrivs && toUser(m, userNs, "uid", file.uid) !== undefined &&
    toUser(m, userNs, "gid", file.gid) !== undefined
  return {
    euid: counts && (file.mode & 0o4000) !== 0 ? file.uid : euid,
    // without group execute permission, the bit has another meaning
    egid: counts && (file.mode & 0o2010) === 0o2010 ? file.gid : egid
  }
}

/** Root gets all capabilities of the bounding set, unless it has SECBIT_NOROOT (`handle_privileged_root`). */
const asRoot = (old: Credentials, euid: number, root: number | undefined, found: Gained): Gained => {
  const [isReal, isEffective] = [old.uid === root, euid === root]
  if ((old.securebits & SECBIT.NOROOT) !== 0 || root === undefined || (!isReal && !isEffective)) return found
  // a set-user-ID-root file with capabilities gives other users only these
  if (found.any && !isReal) return found
  return {
    ...found,
    permitted: old.bounding | old.inheritable,
    // if only the real uid is 0, the capabilities are permitted but not effective
    effective: found.effective || isEffective
  }
}

/** The credentials after execve(2), and whether the program runs with more than its caller had (`AT_SECURE`). */
export const afterExec = (
  m: Machine,
  file: ExecutedFile
): { readonly creds: Credentials; readonly secure: boolean; readonly clearsPersonality: boolean } => {
  const old = m.self.creds
  const root = toKernel(m, m.self.ns.user, "uid", 0)
  let { egid, euid } = fromMode(m, file)
  const setsUser = file.maySetIds && !old.noNewPrivs && (file.mode & 0o4000) !== 0
  const found = asRoot(old, euid, root, fromFile(m, file))
  let { permitted } = found
  const gained = (permitted & ~old.permitted) !== 0n
  const changed = euid !== old.euid || (egid !== old.egid && !old.groups.includes(egid))

  // with no_new_privs, or directories shared with another process, nothing is gained
  if ((changed || gained) && (old.noNewPrivs || sharesDirectories(m))) {
    if (old.noNewPrivs || !capableHere(m, CAP.SETUID)) {
      euid = old.uid
      egid = old.gid
    }
    permitted &= old.permitted
  }
  // capabilities of the file and a change of ids end the ambient ones
  const ambient = found.any || changed ? 0n : old.ambient
  permitted |= ambient
  const effective = found.effective ? permitted : ambient
  const secure = changed || euid !== old.uid || egid !== old.gid ||
    (old.uid !== root && (found.effective || (permitted & ~ambient) !== 0n))
  return {
    creds: {
      ...old,
      euid,
      suid: euid,
      egid,
      sgid: egid,
      permitted,
      effective,
      ambient,
      securebits: old.securebits & ~SECBIT.KEEP_CAPS
    },
    secure,
    clearsPersonality: setsUser || gained
  }
}
