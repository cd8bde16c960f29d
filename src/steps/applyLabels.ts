/**
 * Set the AppArmor profile and the SELinux label that the program gets with its execve(2).
 *
 * @see proc(5), /proc/pid/attr; apparmor(7), selinux(8)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import type { SyscallError } from "../native/Kernel.ts"
import { LabelError } from "./errors.ts"
import { Init } from "./Init.ts"
import { selfCalls, writeSelf } from "./procSelf.ts"

const setProfile = (profile: string) => {
  const command = `exec ${profile}`
  return Effect.catchIf(
    writeSelf("attr/apparmor/exec", command),
    ({ call, code }) => code === "ENOENT" && call._tag === "openat2",
    // before Linux 5.1 there is one set of files, for the module that is active
    () => writeSelf("attr/exec", command)
  )
}

const labelError = (module: "AppArmor" | "SELinux", label: string) => ({ code }: SyscallError) =>
  new LabelError({ module, label, code })

/** Sets `process.apparmorProfile` and `process.selinuxLabel`, where the configuration has them. */
export const applyLabels = Step.make("applyLabels", {
  doc: "set the AppArmor profile and the SELinux label for the exec",
  calls: selfCalls,
  requires: [Init],
  reversal: "irreversible",
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
