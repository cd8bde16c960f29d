/** Session keyrings, as far as flows use them. @see keyrings(7), keyctl(2), security/keys/ */
import { KEY_SPEC, KEYCTL } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, capable, shown } from "../Credentials.ts"
import { type Machine, refuse } from "../Machine.ts"
import type { Keyring } from "../State.ts"

const session = KEY_SPEC.SESSION_KEYRING

/** Rights, as bits in a byte for each of possessor, user, group and others (`KEY_*_VIEW` …). */
const [VIEW, SEARCH, SETATTR] = [0x01, 0x08, 0x20] as const

const allRights = 0x3f3f3f3f

/** The rights of a new keyring: all for its possessor, view and read for its user; also link if it has a name. */
const [unnamed, named] = [0x3f030000, 0x3f130000] as const

/** How a keyring is accessed: by its number, as the caller's own, or by name without possession. */
type Way = "number" | "own" | "name"

/**
 * Whether the caller has a right (`key_task_permission`). A process possesses its session keyring; by number, only if the
 * possessor may search it.
 */
const permits = (m: Machine, { gid, id, rights, uid }: Keyring, right: number, way: Way): boolean => {
  const { creds, sessionKeyring } = m.self
  const isMember = creds.egid === gid || creds.groups.includes(gid)
  const others = rights >>> (creds.euid === uid ? 16 : isMember && (rights & 0x3f00) !== 0 ? 8 : 0)
  const all = others | rights >>> 24
  const possessed = sessionKeyring === id && (way === "own" || (way === "number" && (all & SEARCH) !== 0))
  return ((possessed ? all : others) & right) !== 0
}

/** The keyring with a number. EINVAL: not a keyring's number; ENOKEY: there is none; EACCES: without the right. */
const lookUp = (m: Machine, id: number | string | null, right: number): Keyring => {
  if (typeof id !== "number") return m.unmodelled("a keyring by name")
  const { sessionKeyring } = m.self
  if (id === session && sessionKeyring === 0) m.unmodelled("the keyring of a user's session")
  if (id === 0 || id < -8) refuse("EINVAL")
  if (id < 0 && id !== session) m.unmodelled("other special keyrings")
  const found = m.keyrings.get(id === session ? sessionKeyring : id) ?? refuse("ENOKEY")
  return permits(m, found, right, id === session ? "own" : "number") ? found : refuse("EACCES")
}

/** Joins a keyring by name, or a new one (`join_session_keyring`). */
const join = (m: Machine, name: number | string | null): number => {
  const text = typeof name === "string" ? name : name === null ? undefined : m.unmodelled("an address")
  // EPERM: names that start with a dot are the kernel's; EINVAL: longer than 4096 bytes
  if (text?.startsWith(".") === true) refuse("EPERM")
  if (text !== undefined && new TextEncoder().encode(text).length >= 4096) refuse("EINVAL")
  // a keyring that the caller may search without possession (find_keyring_by_name)
  const known = text === undefined
    ? undefined
    : m.keyrings.find((ring) =>
      ring.name === text && ring.userNs === m.self.ns.user && permits(m, ring, SEARCH, "name")
    )
  if (known !== undefined) {
    // 0 if the caller already has it
    if (known.id === m.self.sessionKeyring) return 0
    m.change({ sessionKeyring: known.id })
    return known.id
  }
  // EINVAL: a keyring without a description (key_alloc)
  if (text === "") refuse("EINVAL")
  const { egid: gid, euid: uid } = m.self.creds
  const id = m.fresh()
  const rights = text === undefined ? unnamed : named
  m.keyrings.set(id, { id, name: text ?? "_ses", uid, gid, rights, userNs: m.self.ns.user })
  m.change({ sessionKeyring: id })
  return id
}

const setRights = (m: Machine, id: number | string | null, rights: number): number => {
  if ((rights & ~allRights) !== 0) refuse("EINVAL")
  const ring = lookUp(m, id, SETATTR)
  // EACCES: neither its owner nor CAP_SYS_ADMIN (keyctl_setperm_key)
  if (ring.uid !== m.self.creds.euid && !capable(m, CAP.SYS_ADMIN)) refuse("EACCES")
  m.keyrings.set(ring.id, { ...ring, rights })
  return 0
}

/** The length of `type;uid;gid;rights;name` and its NUL. */
const describe = (m: Machine, id: number | string | null): number => {
  const { gid, name, rights, uid } = lookUp(m, id, VIEW)
  const text = `keyring;${shown(m, "uid", uid)};${shown(m, "gid", gid)};${rights.toString(16).padStart(8, "0")};${name}`
  return new TextEncoder().encode(text).length + 1
}

export const keyctl = (m: Machine, { arg2, arg3, operation }: Arguments<"keyctl">): number => {
  switch (operation) {
    case KEYCTL.JOIN_SESSION_KEYRING:
      return join(m, arg2)
    case KEYCTL.GET_KEYRING_ID:
      return lookUp(m, arg2, SEARCH).id
    case KEYCTL.SETPERM:
      return setRights(m, arg2, arg3)
    case KEYCTL.DESCRIBE:
      return describe(m, arg2)
    default:
      // EOPNOTSUPP: no such operation (keyctl(2))
      return operation < 0 || operation > 64 ? refuse("ENOTSUP") : m.unmodelled(`keyctl operation ${operation}`)
  }
}
