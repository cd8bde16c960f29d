/**
 * Become the program: the last step of every init pipeline, which on success never returns.
 *
 * What executes it is never the host's runtime, which a container's root could open by `/proc/self/exe` and overwrite
 * (CVE-2019-5736): the process that makes an init's calls runs a sealed memory file. Where there is a seccomp filter,
 * another tiny program stands in between, which loads it, so that a filter need not allow what this process still does.
 *
 * @see execve(2), execveat(2), seccomp(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { SECCOMP } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { advice, calls, execThroughTrampoline } from "../native/trampoline.ts"
import {
  CapabilitiesSet,
  Environment,
  ExecUser,
  LimitsSet,
  NoNewPrivileges,
  ParentDeathSignalSet,
  ProcessRestored,
  Program
} from "./facts.ts"
import { Init } from "./Init.ts"
import { InCgroup } from "./joinCgroup.ts"
import { environmentFor } from "./populateEnv.ts"
import { ExecFilter } from "./prepareSeccomp.ts"
import { PathsMasked } from "./rootfs/facts.ts"
import { limitFileSize } from "./setupRlimits.ts"

/** Executes the program that `findProgram` found, with the arguments and the environment of the configuration. */
export const exec = Step.make("exec", {
  doc: "become the program",
  calls: [...calls, "prlimit64", "seccomp", "execve"],
  // InCgroup: a program that is executed outside of its container's cgroup has no limits, and kill would miss it
  requires: [
    Init,
    InCgroup,
    Environment,
    ExecUser,
    Program,
    ExecFilter,
    PathsMasked,
    LimitsSet,
    NoNewPrivileges,
    CapabilitiesSet,
    ProcessRestored,
    ParentDeathSignalSet
  ],
  reversal: "terminal",
  advice: {
    ...advice,
    ENOENT: "the program's interpreter is missing: the one its #! line names, or the dynamic loader of its libc",
    ENOEXEC: "the program is neither a binary for this machine nor a script with a #! line",
    E2BIG: "arguments and environment together are too large"
  },
  run: Effect.gen(function*() {
    const { channel, process: { args, rlimits, selinuxLabel } } = yield* Init
    const { path } = yield* Program
    const { filter } = yield* ExecFilter
    const envp = environmentFor(yield* Environment, yield* ExecUser)
    if (filter !== undefined && selinuxLabel === undefined) {
      return yield* execThroughTrampoline({ path, argv: args, envp, channel, filter }, limitFileSize(rlimits))
    }
    yield* limitFileSize(rlimits)
    // SELinux lets a domain be entered by files of certain types only, and a memory file is none of them. (A profile of
    // AppArmor is entered here, and inherited by the program.)
    if (filter !== undefined) yield* sys.seccomp({ operation: SECCOMP.SET_MODE_FILTER, ...filter })
    return yield* sys.execve({ path, argv: args, envp })
  })
})
