/**
 * Become the program: the last step of every init pipeline, which on success never returns.
 *
 * What executes it is never the host's runtime, which a container's root could open by `/proc/self/exe` and overwrite
 * (CVE-2019-5736): the process that makes an init's calls runs a sealed memory file. If there is a seccomp filter to load,
 * another tiny program in between loads it, so that the filter need not allow what this process still does.
 *
 * @see execve(2), execveat(2), seccomp(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { SECCOMP } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { advice, execTrampoline, listenerMark } from "../native/trampoline.ts"
import { environmentFor, hasListener, withListener } from "./init/environment.ts"
import { execAdvice, ExecRefused, execStep } from "./init/execRefused.ts"
import {
  CapabilitiesSet,
  Environment,
  ExecFilter,
  ExecUser,
  InCgroup,
  LimitsSet,
  NoNewPrivileges,
  ParentDeathSignalSet,
  ProcessRestored,
  Program,
  Trampoline
} from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { applyLastRlimits } from "./init/rlimits.ts"
import { PathsMasked } from "./rootfs/facts.ts"

/** Executes the program that `findProgram` found, with the arguments and the environment of the configuration. */
export const exec = Step.make(execStep, {
  doc: "become the program",
  calls: ["getpid", "prlimit64", "execveat", "seccomp", "execve"],
  // InCgroup: a program that is executed outside of its container's cgroup has no limits, and kill would miss it
  requires: [
    Init,
    InCgroup,
    Environment,
    ExecUser,
    Program,
    ExecFilter,
    Trampoline,
    PathsMasked,
    LimitsSet,
    NoNewPrivileges,
    CapabilitiesSet,
    ProcessRestored,
    ParentDeathSignalSet
  ],
  reversal: "terminal",
  replayable: true,
  advice: { ...execAdvice, ...advice },
  run: Effect.gen(function*() {
    const { process: { args, rlimits }, reaper = false } = yield* Init
    const { path } = yield* Program
    const { filter } = yield* ExecFilter
    const { fd } = yield* Trampoline
    const given = yield* Environment
    const environment = hasListener(given)
      ? withListener(given, reaper ? listenerMark : String(yield* sys.getpid({})))
      : given
    const envp = environmentFor(environment, yield* ExecUser)
    // the last limits of all: the trampoline is a file that was written, and each call before takes processor time
    yield* applyLastRlimits(rlimits)
    if (fd !== undefined) return yield* execTrampoline({ fd, argv: args, envp })
    // if no memory file may be executed, a filter has to allow what this process still does, as most do.
    // SELinux lets a domain be entered by files of certain types only, and a memory file is none of them. (A profile of
    // AppArmor is entered here, and inherited by the program.)
    if (filter !== undefined) yield* sys.seccomp({ operation: SECCOMP.SET_MODE_FILTER, ...filter })
    return yield* Effect.mapError(sys.execve({ path, argv: args, envp }), (reason) => new ExecRefused({ reason }))
  })
})
