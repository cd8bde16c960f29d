/**
 * All pipelines of the runtime, those of an init and those of the parent.
 *
 * @category pipelines
 * @since 0.2.0
 */
import type * as Pipeline from "../engine/Pipeline.ts"
import { create } from "./create.ts"
import { createLate } from "./createLate.ts"
import { exec } from "./exec.ts"
import { kill } from "./kill.ts"
import { list } from "./list.ts"
import { ownerless } from "./ownerless.ts"
import { remove } from "./remove.ts"
import { removeBroken } from "./removeBroken.ts"
import { setns } from "./setns.ts"
import { signal } from "./signal.ts"
import { standard } from "./standard.ts"
import { standardLate } from "./standardLate.ts"
import { userns } from "./userns.ts"
import { usernsLate } from "./usernsLate.ts"
import { usernsSetup } from "./usernsSetup.ts"

/**
 * The pipelines as runfx has them, before anybody edits them.
 *
 * **Example** (Where a step is)
 *
 * ```ts
 * const having = (name: string) =>
 *   presets.filter(({ steps }) => steps.some((step) => step.name === name)).map((preset) => preset.name)
 * ```
 */
export const presets: ReadonlyArray<Pipeline.Any> = [
  create,
  createLate,
  exec,
  kill,
  list,
  ownerless,
  remove,
  removeBroken,
  setns,
  signal,
  standard,
  standardLate,
  userns,
  usernsLate,
  usernsSetup
]
