/** Whether a sandbox can have a cgroup, and who can change that. */
import * as Effect from "effect/Effect"
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import type { Kernel } from "../../native/Kernel.ts"
import * as Cgroup from "../../steps/cgroup/Cgroup.ts"
import { type Finding, finding } from "./Finding.ts"

/**
 * Whether the last mount on the way to a path is read-only. A caller who lacks the permission as well gets only EACCES from the
 * kernel, and so this is looked up.
 *
 * @param mountinfo what /proc/self/mountinfo says
 */
export const isReadOnly = (path: string, mountinfo: string): boolean => {
  const mounts = [...mountinfo.matchAll(/^(?:\S+ ){4}(\S+) (\S+) /gm)].filter(([, at]) =>
    at === "/" || `${path}/`.startsWith(`${at}/`)
  )
  const [, , options = ""] = mounts.toSorted(([, one], [, other]) => one!.length - other!.length).at(-1) ?? []
  return options.split(",").includes("ro")
}

const refused = (path: string): string | undefined => {
  try {
    accessSync(path, constants.W_OK)
    return undefined
  } catch (error) {
    return isReadOnly(path, readFileSync("/proc/self/mountinfo", "utf8"))
      ? "EROFS"
      : (error as NodeJS.ErrnoException).code
  }
}

const purpose = "for limits of memory and processors:"

/** What to do about a cgroup that can't be written. */
export const remedyOf = (code: string, path: string, hasSystemd: boolean): string => {
  if (code === "EROFS") {
    return `${purpose} have the container in which this runs started with cgroups that it may write (podman, docker: --privileged)`
  }
  return hasSystemd
    ? `${purpose} start in a cgroup that is delegated (systemd-run --user --scope -p Delegate=yes)`
    : `${purpose} have root make a cgroup in ${path} and in each other hierarchy, own it to you (chown -R), and put your ` +
      "shell in it (cgroup.procs)"
}

/** Looks whether a cgroup can be made here. */
export const cgroups = (root: boolean): Effect.Effect<Finding, never, Kernel> =>
  Effect.flatMap(Cgroup.detect, (hierarchies) => Cgroup.plan(hierarchies, { id: "probe" })).pipe(
    Effect.map((manager) => {
      const above = Cgroup.groups(manager).map(({ path }) => path.slice(0, path.lastIndexOf("/")))
      for (const path of above) {
        const code = refused(path)
        if (code === undefined) continue
        const found = `${path} ${code === "EROFS" ? "is mounted read-only" : "can't be written"}`
        return finding("cgroups", false, found, remedyOf(code, path, existsSync("/run/systemd/system")))
      }
      return finding("cgroups", true, above.join(", "), "")
    }),
    Effect.catch(({ message }) => {
      const remedy = root
        ? "mount the cgroup file system on /sys/fs/cgroup"
        : "start where one is mounted on /sys/fs/cgroup: here only root of the host could do that"
      return Effect.succeed(finding("cgroups", false, message, `${purpose} ${remedy}`))
    })
  )
