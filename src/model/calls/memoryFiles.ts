/** memfd_create(2). */
import { F_SEAL, MFD, O } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import * as Descriptors from "../Descriptors.ts"
import { encode, type Machine, refuse } from "../Machine.ts"
import { SEAL_EXEC } from "../MemoryFiles.ts"
import { numberOf } from "../Sysctl.ts"
import * as Tree from "../Tree.ts"

/** Flags of `linux/memfd.h` that the table of constants lacks. The bits above them are sizes of huge pages. */
const [HUGETLB, NOEXEC_SEAL, EXEC, hugeSizes] = [4, 8, 0x10, 0x3f << 26] as const

const everyFlag = MFD.CLOEXEC | MFD.ALLOW_SEALING | HUGETLB | NOEXEC_SEAL | EXEC

/** The longest name: 255 bytes, as in a directory, minus those of "memfd:". */
const longestName = 249

/** Whether a file may be executed if the flags do not say so: `vm.memfd_noexec` decides (`check_sysctl_memfd_noexec`). */
const executable = (m: Machine, flags: number): boolean => {
  const policy = numberOf(m, "vm/memfd_noexec") ?? 0
  const sealed = (flags & NOEXEC_SEAL) !== 0 || ((flags & EXEC) === 0 && policy >= 1)
  // EACCES: no memory file may be executed
  return !sealed && policy >= 2 ? refuse("EACCES") : !sealed
}

export const memfdCreate = (m: Machine, { flags, name }: Arguments<"memfd_create">): number => {
  const known = (flags & HUGETLB) === 0 ? everyFlag : everyFlag | hugeSizes
  // EINVAL: unknown flags, or both flags about execution (sanitize_flags)
  if ((flags & ~known) !== 0 || (flags & (EXEC | NOEXEC_SEAL)) === (EXEC | NOEXEC_SEAL)) refuse("EINVAL")
  const runs = executable(m, flags)
  if (encode(name).length > longestName) refuse("EINVAL")
  if ((flags & HUGETLB) !== 0) m.unmodelled("files in memory of huge pages")
  const id = Tree.anonymous(m, 0, runs ? 0o777 : 0o666, {
    _tag: "File",
    data: new Uint8Array(),
    // a non-executable file gets that seal, and can be sealed further (memfd_alloc_file)
    seals: runs ? (flags & MFD.ALLOW_SEALING) === 0 ? F_SEAL.SEAL : 0 : SEAL_EXEC
  }, `memfd:${name}`)
  return Descriptors.open(
    m,
    { _tag: "Node", location: { mount: 0, node: id }, memfd: true },
    O.RDWR | Descriptors.largeFile | ((flags & MFD.CLOEXEC) !== 0 ? O.CLOEXEC : 0),
    `/memfd:${name} (deleted)`
  )
}
