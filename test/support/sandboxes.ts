/** Sandboxes of several callers: root, and a user without privileges, each in a process of its own. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { bundleDriver } from "./bundleDriver.ts"
import { begin, type Started } from "./command.ts"
import type { Job, Outcome } from "./sandboxDriver.ts"

/** Who runs a sandbox. */
export type Caller = "root" | "user"

/** The callers of these tests. */
export const callers: ReadonlyArray<Caller> = ["root", "user"]

/** An id that is nobody's on most machines. */
export const userId = 54_322

/** Processes that run sandboxes. */
export interface Sandboxes {
  /** Where the states of a caller's containers are. */
  readonly stateRoot: (caller: Caller) => string
  /** A directory that everybody may write. */
  readonly shared: string
  /** Starts a module of `test/support` as a caller. */
  readonly begin: (caller: Caller, module: string, input: string, ...args: ReadonlyArray<string>) => Started
  /** Runs jobs as a caller. */
  readonly run: (caller: Caller, jobs: ReadonlyArray<Job>) => Promise<ReadonlyArray<Outcome>>
  /** The sandboxes of a caller whose states are there. */
  readonly left: (caller: Caller) => ReadonlyArray<string>
  readonly remove: () => void
}

/** Whether a user without privileges may make user namespaces here. */
export const usersMay = (): boolean => {
  const read = (file: string): string => {
    try {
      return fs.readFileSync(file, "utf8").trim()
    } catch {
      return ""
    }
  }
  return read("/proc/sys/kernel/unprivileged_userns_clone") !== "0" &&
    read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") !== "1" &&
    read("/proc/sys/user/max_user_namespaces") !== "0"
}

/** Bundles the modules that run sandboxes. */
export const makeSandboxes = (mark: string): Sandboxes => {
  const top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), `${mark}-`)))
  fs.chmodSync(top, 0o755)
  const shared = path.join(top, "shared")
  fs.mkdirSync(shared)
  fs.chmodSync(shared, 0o777)
  const stateRoot = (caller: Caller) => path.join(top, caller)
  for (const caller of callers) {
    fs.mkdirSync(stateRoot(caller), { mode: 0o700 })
    if (caller === "user") fs.chownSync(stateRoot(caller), userId, userId)
  }
  const built = (module: string): string => bundleDriver(top, module)
  const beginAs: Sandboxes["begin"] = (caller, module, input, ...args) => {
    const program = [process.execPath, built(module), ...args]
    const ids = ["--reuid", String(userId), "--regid", String(userId), "--clear-groups"]
    const [file, ...rest] = caller === "root" ? program : ["setpriv", ...ids, ...program]
    return begin(file!, rest, { input, cwd: "/", env: { PATH: process.env["PATH"], TOKEN: "of the caller" } })
  }
  return {
    stateRoot,
    shared,
    begin: beginAs,
    run: async (caller, jobs) => {
      const named = jobs.map((job) => ({ ...job, options: { stateRoot: stateRoot(caller), ...job.options } }))
      const { code, stderr, stdout } = await beginAs(caller, "sandboxDriver", JSON.stringify(named)).ended
      if (code !== 0 || stderr !== "") throw new Error(`the driver ended with ${code}: ${stderr}`)
      return JSON.parse(stdout) as ReadonlyArray<Outcome>
    },
    left: (caller) => fs.readdirSync(stateRoot(caller)).filter((name) => name.startsWith("sandbox-")),
    remove: () => fs.rmSync(top, { recursive: true })
  }
}
