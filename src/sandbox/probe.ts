/**
 * What this host allows this caller, asked before a sandbox is needed, with what to do about what it does not.
 *
 * @category hosts
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { Fork } from "../native/Fork.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { authority, rulesHost } from "../steps/caller/authority.ts"
import { cgroups } from "./probe/cgroups.ts"
import { type Finding, finding } from "./probe/Finding.ts"
import { ids } from "./probe/ids.ts"
import { run } from "./run.ts"
import { make } from "./Sandbox.ts"
import type { SandboxError } from "./SandboxError.ts"
import { inOwnWords, type StartOptions } from "./start.ts"

const text = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch {
    return undefined
  }
}

const kernel = Effect.map(sys.uname({}), ({ release }) => {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number)
  return finding("kernel", major > 5 || major === 5 && minor >= 12, release, "Linux 5.12 or newer is needed")
})

const userNamespaces = (root: boolean): Finding => {
  const most = text("/proc/sys/user/max_user_namespaces")
  const clone = text("/proc/sys/kernel/unprivileged_userns_clone")
  const apparmor = text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
  const of = (ok: boolean, found: string, remedy: string) => finding("user namespaces", ok, found, remedy)
  if (most === "0") return of(false, "user.max_user_namespaces is 0", "sysctl user.max_user_namespaces=15000, as root")
  if (!root && clone === "0") {
    return of(false, "kernel.unprivileged_userns_clone is 0", "sysctl kernel.unprivileged_userns_clone=1, as root")
  }
  if (!root && apparmor === "1") {
    const remedy =
      "give Node's program an AppArmor profile with \"userns,\", or sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    return of(false, "kernel.apparmor_restrict_unprivileged_userns is 1", remedy)
  }
  return of(true, `at most ${most ?? "as many as there is memory for"}`, "")
}

/**
 * Looks at what this host allows this caller. The first finding is the one that counts: whether a sandbox has just run;
 * the others say what may be missing, and what to do.
 *
 * **Example** (Before an application depends on it)
 *
 * ```ts
 * const [sandbox, ...others] = yield* probe()
 * if (!sandbox.ok) console.error(sandbox.found, sandbox.remedy)
 * ```
 */
export const probe = (
  options: StartOptions = {}
): Effect.Effect<ReadonlyArray<Finding>, SandboxError, Kernel | Fork> =>
  Effect.gen(function*() {
    const caller = yield* inOwnWords(authority)
    const root = rulesHost(caller)
    const tried = yield* Effect.result(run(make(), ["true"], options))
    const noexec = text("/proc/sys/vm/memfd_noexec")
    const actions = text("/proc/sys/kernel/seccomp/actions_avail")
    const overlay = text("/proc/filesystems")?.includes("\toverlay") === true
    return [
      tried._tag === "Success"
        ? finding("sandbox", tried.success.exitCode === 0, "a program has run in one", "look at the others")
        : finding("sandbox", false, tried.failure.message, tried.failure.advice ?? "look at the others"),
      yield* inOwnWords(kernel),
      finding("privileges", true, root ? "root of the host" : `user ${caller.uid}, without privileges`, ""),
      userNamespaces(root),
      yield* inOwnWords(ids(caller)),
      yield* cgroups(root),
      finding("seccomp", actions?.includes("errno") === true, actions ?? "none", "a kernel with CONFIG_SECCOMP_FILTER"),
      finding("overlay", overlay, overlay ? "there" : "not loaded", "for layers: modprobe overlay, as root"),
      finding(
        "memory files",
        noexec !== "2",
        noexec === "2" ? "vm.memfd_noexec is 2" : "may be executed",
        "sysctl vm.memfd_noexec=1"
      )
    ]
  })
