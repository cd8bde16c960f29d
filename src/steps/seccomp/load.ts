/**
 * What the two steps that load a seccomp filter share.
 *
 * @category seccomp
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as process from "node:process"
import type { Seccomp } from "../../config/Container.ts"
import { SECCOMP } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { compile } from "./compile.ts"
import type { SeccompError } from "./SeccompError.ts"

/** Compiles a filter for this machine and loads it into the calling thread; nothing if there is none. */
export const loadFilter = (seccomp: Seccomp | undefined): Effect.Effect<void, SeccompError | SyscallError, Kernel> =>
  seccomp === undefined
    ? Effect.void
    : compile(seccomp, process.arch === "arm64" ? "arm64" : "x64").pipe(
      Effect.fromResult,
      Effect.flatMap(({ flags, program }) => sys.seccomp({ operation: SECCOMP.SET_MODE_FILTER, flags, program })),
      Effect.asVoid
    )

/** What to do about an errno of seccomp(2). */
export const advice = {
  EACCES: "set process.noNewPrivileges, or give CAP_SYS_ADMIN to the process that starts the container",
  EINVAL: "this kernel lacks seccomp filters, or one of the actions or flags of linux.seccomp; use fewer of them",
  ENOMEM: "the filters of this process are too long together: write a shorter one",
  ENOSYS: "this kernel has no seccomp(2) (CONFIG_SECCOMP_FILTER): leave linux.seccomp out, or use another kernel"
} as const
