/** What tests of the command have in common: a root, the command as a process, and a host on which nothing is left. */
import { afterAll, afterEach, assert, beforeAll, beforeEach } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Command, makeCommand } from "./command.ts"
import { changes, isolate, snapshot } from "./host.ts"
import { markOf } from "./mark.ts"
import { makeRoot, missing, removeRoot } from "./rootfs.ts"

/**
 * Makes a root and the command before all tests of a file, and compares the host after each test with what it was before.
 *
 * @param name goes into the ids of its containers
 * @param use takes what was made, once
 */
export const leavingNothing = (
  name: string,
  use: (made: { readonly root: string; readonly command: Command }) => void
): { readonly mark: string; readonly fresh: () => string; readonly state: () => ReturnType<typeof snapshot> } => {
  const mark = markOf(name)
  let count = 0
  let root = ""
  let command: Command
  let before: ReturnType<typeof snapshot>
  const state = () => ({ ...snapshot(mark, command.stateRoot), descriptors: [] })
  beforeAll(async () => {
    if (missing !== undefined) return
    await Effect.runPromise(isolate)
    root = makeRoot()
    command = makeCommand()
    use({ root, command })
  })
  afterAll(() => {
    if (missing !== undefined) return
    command.remove()
    removeRoot(root)
  })
  beforeEach(() => {
    if (missing === undefined) before = state()
  })
  afterEach(() => {
    if (missing === undefined) assert.deepStrictEqual(changes(before, state()), {}, "something is left")
  })
  return { mark, fresh: () => `${mark}-${count++}`, state }
}
