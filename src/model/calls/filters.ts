/** The calls that load filters. @see seccomp(2), bpf(2) */
import { MAX_INSTRUCTIONS } from "../../native/bpf.ts"
import { O, SECCOMP, SECCOMP_FILTER_FLAG } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import * as CgroupChanges from "../CgroupChanges.ts"
import { isSeccompProgram } from "../classicCheck.ts"
import { CAP, capable, capableHere } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { type Machine, refuse } from "../Machine.ts"
import { actions } from "../seccompFilter.ts"

/** All known `SECCOMP_FILTER_FLAG_*`. The order of the rules is that of `seccomp_set_mode_filter`. */
const filterFlags = Object.values(SECCOMP_FILTER_FLAG).reduce((all, flag) => all | flag, 0)

/** The limit of a process's instructions, with four more counted for each filter (`MAX_INSNS_PER_PATH`). */
const mostInstructions = 32768

const isAvailable = (m: Machine, flags: number, program: Uint8Array): number => {
  if (flags !== 0) refuse("EINVAL")
  if (program.length < 4) return m.unmodelled("an action of less than 4 bytes")
  // EOPNOTSUPP: no such action (seccomp_get_action_avail)
  return actions.has(new DataView(program.buffer, program.byteOffset).getUint32(0, true)) ? 0 : refuse("ENOTSUP")
}

export const seccomp = (m: Machine, { flags, operation, program }: Arguments<"seccomp">): number => {
  if (operation === SECCOMP.GET_ACTION_AVAIL) return isAvailable(m, flags, program)
  if (operation !== SECCOMP.SET_MODE_FILTER) return operation === 3 ? m.unmodelled("this operation") : refuse("EINVAL")
  const { NEW_LISTENER, TSYNC, TSYNC_ESRCH, WAIT_KILLABLE_RECV } = SECCOMP_FILTER_FLAG
  const listens = (flags & NEW_LISTENER) !== 0
  // EINVAL: unknown flags; both a listener and thread synchronization, since both use the result; a flag for listeners
  // without one
  if ((flags & ~filterFlags) !== 0) refuse("EINVAL")
  if ((flags & TSYNC) !== 0 && listens && (flags & TSYNC_ESRCH) === 0) refuse("EINVAL")
  if ((flags & WAIT_KILLABLE_RECV) !== 0 && !listens) refuse("EINVAL")
  // EINVAL: no instructions or too many; checked before the right to load them, all else after it (seccomp_prepare_filter)
  if (program.length === 0 || program.length % 8 !== 0 || program.length / 8 > MAX_INSTRUCTIONS) refuse("EINVAL")
  // EACCES: without no_new_privs only with CAP_SYS_ADMIN in the user namespace (seccomp(2))
  if (!m.self.creds.noNewPrivs && !capableHere(m, CAP.SYS_ADMIN)) refuse("EACCES")
  if (!isSeccompProgram(program)) refuse("EINVAL")
  const { filters } = m.self
  // ENOMEM: too many instructions in all (seccomp_attach_filter)
  const total = filters.reduce((sum, one) => sum + one.length / 8 + 4, program.length / 8)
  if (total > mostInstructions) refuse("ENOMEM")
  // EBUSY: a process may have one listener only (has_duplicate_listener)
  if (listens && m.self.listened === true) refuse("EBUSY")
  m.change({ filters: [...filters, program], ...listens ? { listened: true } : {} })
  return listens
    ? Descriptors.open(m, { _tag: "SeccompListener", pid: m.pid }, O.RDWR | O.CLOEXEC, "anon_inode:seccomp notify")
    : 0
}

export const loadProgram = (m: Machine, { instructions }: Arguments<"bpf_prog_load">): number => {
  if (instructions.length === 0 || instructions.length % 8 !== 0) refuse("EINVAL")
  // EPERM: CAP_BPF (or CAP_SYS_ADMIN), and for cgroup programs CAP_NET_ADMIN or CAP_SYS_ADMIN (bpf_prog_load)
  if (!capable(m, CAP.BPF) && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  return Descriptors.open(m, { _tag: "BpfProgram", instructions }, O.RDWR | O.CLOEXEC, "anon_inode:bpf-prog")
}

export const attachProgram = (m: Machine, { flags, programFd, targetFd }: Arguments<"bpf_prog_attach">): void => {
  if (!capable(m, CAP.NET_ADMIN) && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  const program = Descriptors.fileOf(m, programFd).kind
  if (program._tag !== "BpfProgram") return refuse("EINVAL")
  const target = Descriptors.usable(m, targetFd).kind
  return target._tag === "Node"
    ? CgroupChanges.attachProgram(m, target.location.node, program.instructions, flags)
    : refuse("EBADF")
}
