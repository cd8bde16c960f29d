/** `runfx plan`: what a command would do. */
import type { ExecCommand } from "./exec.ts"
import type { RunCommand } from "./run.ts"

export const planRun = async (_: RunCommand): Promise<void> => {}
export const planExec = async (_: ExecCommand): Promise<void> => {}
export const planKill = async (_: { readonly id: string }): Promise<void> => {}
