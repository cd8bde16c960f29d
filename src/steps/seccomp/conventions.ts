/**
 * The calling conventions of a machine, and those of them that a seccomp configuration lists.
 *
 * @category seccomp
 * @since 0.2.0
 */
import * as Result from "effect/Result"
import type { SyscallArch } from "../../native/syscallTables.ts"
import { type Checked, refuse } from "./SeccompError.ts"

/** The machine's architecture, as Node names it. */
export type Architecture = "x64" | "arm64"

/**
 * What one machine can run: by the value that the kernel reports (`AUDIT_ARCH_*` of `linux/audit.h`), the conventions that
 * share it. The machine's own one comes first.
 */
export const conventions: Readonly<
  Record<Architecture, ReadonlyArray<{ readonly audit: number; readonly archs: ReadonlyArray<SyscallArch> }>>
> = {
  x64: [{ audit: 0xc000003e, archs: ["X86_64", "X32"] }, { audit: 0x40000003, archs: ["X86"] }],
  arm64: [{ audit: 0xc00000b7, archs: ["AARCH64"] }, { audit: 0x40000028, archs: ["ARM"] }]
}

/** The conventions of all machines that runfx runs on. */
export const allArchs = Object.values(conventions).flat().flatMap(({ archs }) => archs)

/** Conventions of other machines: a program of theirs can't run here, so there is nothing to filter. */
const foreign = /^(MIPS(EL)?(64(N32)?)?|PPC(64(LE)?)?|S390X?|PARISC(64)?|RISCV64|LOONGARCH64|M68K|SHEB?)$/

/** Whether the convention is one of 32 bits. */
export const isNarrow = (arch: SyscallArch): boolean => arch !== "X86_64" && arch !== "AARCH64"

/** The conventions that a configuration lists and the machine has; its native one always. */
export const listed = (machine: Architecture, names: ReadonlyArray<string>): Checked<ReadonlySet<SyscallArch>> => {
  const here = conventions[machine].flatMap((convention) => convention.archs)
  const archs = new Set<SyscallArch>([here[0]!])
  for (const [index, name] of names.entries()) {
    const bare = name.replace(/^SCMP_ARCH_/, "")
    const found = here.find((arch) => arch === bare)
    if (found !== undefined) archs.add(found)
    else if (bare === name || !(bare === "NATIVE" || foreign.test(bare) || allArchs.some((arch) => arch === bare))) {
      return refuse(
        `architectures[${index}]`,
        name,
        "is not an architecture",
        "use a name such as SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64"
      )
    }
  }
  return Result.succeed(archs)
}
