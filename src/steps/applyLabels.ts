/**
 * Set the AppArmor profile and the SELinux label that the program gets with its execve(2).
 *
 * @see proc(5), /proc/pid/attr; apparmor(7), selinux(8)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { type Errno, textOf } from "../native/Errno.ts"
import type { SyscallError } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { selfCalls, writeSelf } from "./proc/self.ts"

/** A profile or label that the security module refuses. */
export class LabelError extends Data.TaggedError("LabelError")<{
  readonly module: "AppArmor" | "SELinux"
  readonly label: string
  readonly code: Errno
}> {
  override get message(): string {
    const what = this.module === "AppArmor" ? "AppArmor profile" : "SELinux label"
    return `can't set the ${what} ${JSON.stringify(this.label)}: ${this.code} (${textOf(this.code)})`
  }
  get advice(): string {
    const { code, label } = this
    if (this.module === "SELinux") {
      return "check that SELinux is enabled on this host (getenforce) and that its policy knows the label, " +
        "or leave selinuxLabel out"
    }
    return code === "ENOENT"
      ? `load the profile ${label} (apparmor_parser), or leave apparmorProfile out`
      : "check that AppArmor is enabled on this host (aa-enabled), or leave apparmorProfile out"
  }
}

const setProfile = (profile: string) => {
  const command = `exec ${profile}`
  return Effect.catchIf(
    writeSelf("attr/apparmor/exec", command),
    ({ call, code }) => code === "ENOENT" && call._tag === "openat2",
    // older kernels have one set of files, for the module that is active
    () => writeSelf("attr/exec", command)
  )
}

const labelError = (module: "AppArmor" | "SELinux", label: string) => ({ code }: SyscallError) =>
  new LabelError({ module, label, code })

/** Sets `process.apparmorProfile` and `process.selinuxLabel`, if the configuration has them. */
export const applyLabels = Step.make("applyLabels", {
  doc: "set the AppArmor profile and the SELinux label for the exec",
  calls: selfCalls,
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  run: Effect.gen(function*() {
    const { apparmorProfile, selinuxLabel } = (yield* Init).process
    if (apparmorProfile !== undefined) {
      yield* Effect.mapError(setProfile(apparmorProfile), labelError("AppArmor", apparmorProfile))
    }
    if (selinuxLabel !== undefined) {
      yield* Effect.mapError(writeSelf("attr/exec", selinuxLabel), labelError("SELinux", selinuxLabel))
    }
  })
})
