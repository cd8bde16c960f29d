/** Paths: how they are resolved, and what open(2) and openat2(2) make of where they lead. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { links } from "./paths/links.ts"
import { names } from "./paths/names.ts"
import { opening } from "./paths/opening.ts"
import { proc } from "./paths/proc.ts"
import { readonly } from "./paths/readonly.ts"
import { resolve } from "./paths/resolve.ts"
import { roots } from "./paths/roots.ts"

export const paths: Scenarios = union(names, links, opening, readonly, resolve, roots, proc)
