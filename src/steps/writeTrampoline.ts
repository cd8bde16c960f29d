/**
 * Write the small program that is executed before a program with a filter, or that stays as its process 1: see
 * `native/trampoline.ts`. It is a memory file, so it needs no path of the container.
 *
 * @see memfd_create(2)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { given } from "../engine/given.ts"
import * as Step from "../engine/Step.ts"
import type { SyscallError } from "../native/Kernel.ts"
import { advice, writeCalls, writeTrampoline as write } from "../native/trampoline.ts"
import { DescriptorsClosed, ExecFilter, ProcessRestored, Program, Trampoline } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** `vm.memfd_noexec` of the container's pid namespace is 2. */
const isForbidden = (error: { readonly _tag: string }): boolean => {
  if (error._tag !== "SyscallError") return false
  const { call, code } = error as SyscallError
  return call._tag === "memfd_create" && code === "EACCES"
}

/** Writes the trampoline, if a filter is loaded at the very end, or if process 1 is runfx's own. */
export const writeTrampoline = Step.make("writeTrampoline", {
  doc: "write the program that loads the filter, stays as process 1 if that is asked for, and becomes the program",
  calls: [...writeCalls],
  // from here on, only exec closes what is opened
  requires: [Init, DescriptorsClosed, ProcessRestored, ExecFilter, Program],
  provides: Trampoline,
  reversal: "harmless",
  replayable: true,
  advice,
  run: Effect.gen(function*() {
    const { channel, process: { selinuxLabel }, reaper = false } = yield* Init
    const { path } = yield* Program
    const { filter } = yield* ExecFilter
    // without a memory file there is no process 1 of our own: what is refused is an error then
    if (reaper) return { fd: yield* write({ path, channel, reaper, ...given({ filter }) }) }
    // SELinux lets a domain be entered by files of certain types only
    if (filter === undefined || selinuxLabel !== undefined) return { fd: undefined }
    return yield* write({ path, channel, filter }).pipe(
      Effect.map((fd): Trampoline["Service"] => ({ fd })),
      // nothing has been done yet
      Effect.catchIf(isForbidden, () => Effect.succeed({ fd: undefined }))
    )
  })
})
