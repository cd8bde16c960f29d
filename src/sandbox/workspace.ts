/**
 * A sandbox for an agent, or for another program that works in a directory and is not trusted with the rest.
 *
 * @category descriptions
 * @since 0.2.0
 */
import { ownHome } from "./decode/environment.ts"
import type { Description } from "./Description.ts"
import { make, type Sandbox } from "./Sandbox.ts"
import type { Workspace } from "./workspace/find.ts"

/** What is kept from a program in a workspace, and the rest of the description. */
export interface WorkspaceOptions
  extends Pick<Workspace, "readOnly" | "hidden">, Omit<Description, "workspace" | "hidden" | "readOnly">
{}

/** Git runs what stands in its directory. */
const usuallyReadOnly = [".git/"]

/** Where keys are. The list is short, since each that is missing has a placeholder while the sandbox runs. */
const usuallyHidden = [".env", ".ssh/"]

/** Caches of package managers are in it. */
export const usualHome = "256 MiB"

/** Whether there is a place for a home beside a workspace. */
export const hasHome = (directory: string): boolean => !`${ownHome}/`.startsWith(`${directory}/`)

/** The description of a sandbox for a workspace. */
export const workspaceDescription = (
  directory: string,
  { hidden = usuallyHidden, readOnly = usuallyReadOnly, ...rest }: WorkspaceOptions = {}
): Description => ({
  // another root may have no place for it, or one that the caller can't make
  ...((rest.root ?? "host") === "host" && hasHome(directory) ? { home: usualHome } : {}),
  ...rest,
  workspace: { directory, hidden, readOnly }
})

/**
 * A sandbox that can write a directory, its workspace, and nothing else of the host. `readOnly` and `hidden` are covered
 * wherever they appear in it: `.git/`, and `.env` and `.ssh/`, if nothing is said. What does not exist can't be made at the top
 * of the workspace. /tmp and the home are its own, and empty. If root starts it, its program has the rights of the workspace's
 * owner. Of output beyond the limit, the end is kept.
 *
 * **Example** (An agent's shell)
 *
 * ```ts
 * const shell = workspace("/srv/project", { network: { allow: ["registry.npmjs.org"] }, limits: { memory: "2 GiB" } })
 * const { stdout } = yield* run(shell, ["npm", "test"])
 * ```
 */
export const workspace = (directory: string, options: WorkspaceOptions = {}): Sandbox =>
  make(workspaceDescription(directory, options))
