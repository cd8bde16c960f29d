/**
 * Set kernel parameters of the container's namespaces, through a private procfs: the image could have put something at the
 * container's `/proc` that swallows the write (CVE-2019-16884, CVE-2025-52881).
 *
 * @see OCI config-linux.md#sysctl, sysctl(8), proc_sys(5)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { cut } from "../engine/errorText.ts"
import * as Step from "../engine/Step.ts"
import type { Errno } from "../native/Errno.ts"
import * as Files from "../native/Files.ts"
import { SyscallError } from "../native/Kernel.ts"
import * as Procfs from "../native/Procfs.ts"
import { InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** An invalid name of a sysctl. */
export class SysctlNameError extends Data.TaggedError("SysctlNameError")<{
  readonly key: string
}> {
  override get message(): string {
    return `sysctl ${cut(JSON.stringify(this.key))}: not a name of the form net.ipv4.ip_forward`
  }
}

/** A kernel parameter could not be set. */
export class SysctlError extends Data.TaggedError("SysctlError")<{
  readonly key: string
  readonly value: string
  readonly reason: SyscallError
}> {
  get code(): Errno {
    return this.reason.code
  }
  override get message(): string {
    return `sysctl ${cut(this.key)}=${cut(this.value)}: ${this.reason.message}`
  }
}

/**
 * The path of a parameter below `/proc/sys`; `undefined` if the name is none. As in sysctl.d(5), the first separator
 * says which of the two stands for a slash: `net.ipv4.conf.eth0/100.forwarding` and
 * `net/ipv4/conf/eth0.100/forwarding` are the same.
 */
export const sysctlPath = (key: string): string | undefined => {
  const dotted = key.indexOf(".") >= 0 && (key.indexOf("/") < 0 || key.indexOf(".") < key.indexOf("/"))
  const path = dotted ? key.replace(/[./]/g, (separator) => separator === "." ? "/" : ".") : key
  return path.split("/").some((part) => part === "" || part === "." || part === "..") ? undefined : path
}

/** Writes every parameter of the configuration. */
export const writeSysctl = Step.make("writeSysctl", {
  doc: "set kernel parameters of the container's namespaces",
  calls: [...new Set([...Procfs.openProcCalls, ...Procfs.useProcCalls])],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  replayable: true,
  advice: {
    ENOENT: "this kernel has no such parameter, or the module that brings it is not loaded",
    EACCES: "the parameter is read-only, or belongs to a namespace that the container does not have for itself",
    EPERM: "the parameter belongs to a namespace that the container does not have for itself",
    EINVAL: "the kernel does not take this value"
  },
  run: Effect.gen(function*() {
    const entries = Object.entries((yield* Init).container.sysctl)
    if (entries.length === 0) return
    yield* Files.using(
      Procfs.openProc,
      Effect.fnUntraced(function*(proc) {
        for (const [key, value] of entries) {
          const path = sysctlPath(key)
          if (path === undefined) return yield* new SysctlNameError({ key })
          yield* Procfs.writeProc(proc, `sys/${path}`, value).pipe(
            Effect.mapError((reason) => new SysctlError({ key, value, reason }))
          )
        }
      })
    )
  })
})
