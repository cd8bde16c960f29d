/** Words for the scenarios here. */
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { line } from "../../support/vocabulary.ts"

export const openat2 = (path: string, flags: number, resolve: number, mode = 0): Scenario[number] =>
  line("openat2", { dirfd: cwd, path, flags, mode, resolve })
