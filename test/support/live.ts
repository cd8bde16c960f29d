/** What the tests of the live layer have in common. */
import { afterAll, beforeAll, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as c from "../../src/native/constants.ts"
import { sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { eventually } from "./until.ts"

export const AT_FDCWD = c.AT.FDCWD
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (data: Uint8Array): string => new TextDecoder().decode(data)
export const openFds = (): number => fs.readdirSync("/proc/self/fd").length
/** How many pieces of memory this process shares with its children. */
export const piecesOfMemory = () => fs.readFileSync("/proc/self/maps", "utf8").match(/memfd:runfx-/g)?.length ?? 0
/** The end of a child is heard a moment later, and its link closed then. */
export const noMoreThan = (before: number) => eventually(() => openFds() <= before)

/** A failing call's error. */
export const errorOf = <A, R>(effect: Effect.Effect<A, SyscallError, R>) => Effect.flip(effect)

/** A directory for a test file, with what is in it by name. */
export const temporaryDirectory = () => {
  let directory = ""
  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-native-"))
  })
  afterAll(() => fs.rmSync(directory, { recursive: true }))
  const below = (name: string): string => path.join(directory, name)
  const open = (name: string, flags: number, mode = 0o600) =>
    sys.openat({ dirfd: AT_FDCWD, path: name, flags: flags | c.O.CLOEXEC, mode })
  return { below, open }
}

export const live = layer(Linux.layer)

/** New user namespace aside, all that a container has. */
export const containerFlags = c.CLONE.NEWNS | c.CLONE.NEWPID | c.CLONE.NEWUTS | c.CLONE.NEWIPC | c.CLONE.NEWNET |
  c.CLONE.NEWCGROUP

/** Makes the mounts of this (new) namespace private, so that nothing of it is seen outside. */
export const privately = sys.mount({
  source: null,
  target: "/",
  type: null,
  flags: c.MS.REC | c.MS.PRIVATE,
  data: null
})

export const waitFor = (pid: number) => sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
