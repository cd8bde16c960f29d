/** mount(2) and umount2(2): binds, flags, moves, what user namespaces may do. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { binds } from "./mounts/binds.ts"
import { newMounts } from "./mounts/new.ts"
import { umounts } from "./mounts/umounts.ts"
import { ofUserNamespaces } from "./mounts/userNamespaces.ts"

export const mounts: Scenarios = union(newMounts, binds, umounts, ofUserNamespaces)
