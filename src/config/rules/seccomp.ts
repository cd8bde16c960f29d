/**
 * Rules of the seccomp filter, and the names that it may use.
 *
 * @category validation
 * @since 0.1.0
 */
import { each, found, isWithin, type Rule, when } from "./Rule.ts"

/** The actions that OCI names. @see OCI config-linux.md, "Seccomp" */
export const seccompActions = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY"
] as const

/** The comparisons that OCI names. */
export const seccompOperators = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ"
] as const

/** The architectures that OCI names. */
export const seccompArchitectures = [
  "SCMP_ARCH_X86",
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_LOONGARCH64",
  "SCMP_ARCH_M68K",
  "SCMP_ARCH_MIPS",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_MIPS64N32",
  "SCMP_ARCH_MIPSEL",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_MIPSEL64N32",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PPC64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_S390",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_PARISC",
  "SCMP_ARCH_PARISC64",
  "SCMP_ARCH_SH",
  "SCMP_ARCH_SHEB"
] as const

/** The flags that OCI names. */
export const seccompFlags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
] as const

const takesErrno = (action: string): boolean => action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE"

/** The seccomp filter names actions, operators and architectures that there are. */
export const seccomp: Rule = {
  reads: ["seccomp"],
  check: ({ seccomp }) => {
    if (seccomp === undefined) return []
    const at = (path: ReadonlyArray<string | number>, value: unknown, rule: string) =>
      found("seccomp", path, value, rule)
    const known = (
      path: ReadonlyArray<string | number>,
      value: string,
      list: ReadonlyArray<string>
    ) => when(!list.includes(value), () => at(path, value, `must be one of ${list.join(", ")}`))
    return [
      ...known(["defaultAction"], seccomp.defaultAction, seccompActions),
      ...when(
        seccomp.defaultAction === "SCMP_ACT_NOTIFY",
        () =>
          at(["defaultAction"], seccomp.defaultAction, "can't be the default: the program could not even be started")
      ),
      ...when(
        seccomp.defaultErrnoRet !== undefined && !takesErrno(seccomp.defaultAction),
        () => at(["defaultErrnoRet"], seccomp.defaultErrnoRet, "needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE")
      ),
      ...each(seccomp.architectures, (name, index) => known(["architectures", index], name, seccompArchitectures)),
      ...each(seccomp.flags, (name, index) => known(["flags", index], name, seccompFlags)),
      ...each(seccomp.syscalls, (entry, index) => [
        ...when(entry.names.length === 0, () => at(["syscalls", index, "names"], [], "must name a system call")),
        ...known(["syscalls", index, "action"], entry.action, seccompActions),
        ...when(
          entry.errnoRet !== undefined && !takesErrno(entry.action),
          () => at(["syscalls", index, "errnoRet"], entry.errnoRet, "needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE")
        ),
        ...each(entry.args, (arg, position) => [
          ...when(
            !isWithin(arg.index, 0, 5),
            () => at(["syscalls", index, "args", position, "index"], arg.index, "must be from 0 to 5")
          ),
          ...known(["syscalls", index, "args", position, "op"], arg.op, seccompOperators)
        ])
      ])
    ]
  }
}
