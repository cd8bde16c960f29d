/** Terminals of the real machine that a model begins with. Only their modes are modelled. */
import type { TerminalModes } from "../native/results.ts"
import * as Descriptors from "./Descriptors.ts"
import type { Machine } from "./Machine.ts"

/** The modes of such a terminal; `undefined` for any other descriptor. */
export const outsideModes = (m: Machine, fd: number): TerminalModes | undefined => {
  const { outside } = Descriptors.usable(m, fd)
  return typeof outside === "object" ? outside : undefined
}

/** Sets the modes of such a terminal. */
export const setOutsideModes = (m: Machine, fd: number, modes: TerminalModes): void => {
  const file = Descriptors.usable(m, fd)
  m.files.set(file.id, { ...file, outside: modes })
}
