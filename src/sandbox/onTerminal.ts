/** What a start does if its program gets a terminal. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Container } from "../config/Container.ts"
import { flag, open, type Shape } from "../config/shape/Shape.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import type { Resolved } from "./decode.ts"
import type { Description } from "./Description.ts"
import { type InvalidSandbox, SandboxUnavailable } from "./SandboxError.ts"
import { checkSize, type Console, makeConsole, type Size } from "./terminal.ts"

/** A terminal as it is asked for: its size, or that of most terminals. */
export interface TerminalChoice {
  /**
   * Whether the program has a terminal, and its size; `true` means 24 rows of 80 columns. Then both of its outputs come as one,
   * and the terminal is the controlling one of its session. Process 1 of a new sandbox is then one of runfx's own, unless the
   * description says `init: false`: the kernel would drop ^C and a hang-up for a program that is process 1 and does not handle
   * them.
   */
  readonly terminal?: boolean | Size
}

/** The shape of such a choice; {@link sizeOf} checks the size. */
export const terminalChoice: Shape = (value, at, tell) =>
  typeof value === "object" ? open<object>({})(value, at, tell) : flag(value, at, tell)

/** The size of a terminal if nothing is said. */
const usualSize: Size = { rows: 24, columns: 80 }

/** The size of the terminal that is asked for; `undefined` for none. Refuses what is no size. */
export const sizeOf = ({ terminal = false }: TerminalChoice): Effect.Effect<Size | undefined, InvalidSandbox> => {
  if (terminal === false) return Effect.undefined
  const size = terminal === true ? usualSize : terminal
  return Effect.as(checkSize(size, "terminal"), size)
}

/** What comes over a console, if there is to be a terminal. */
export const consoleFor = (
  size: Size | undefined
): Effect.Effect<Console | undefined, SyscallError, Kernel | Scope.Scope> =>
  size === undefined ? Effect.undefined : makeConsole

/** The kernel makes no devpts for a user namespace without a root. */
export const mayHaveTerminal = (
  size: Size | undefined,
  { container: { mounts } }: Pick<Resolved, "container">
): Effect.Effect<void, SandboxUnavailable> =>
  size === undefined || mounts.some(({ type }) => type === "devpts") ? Effect.void : Effect.fail(
    new SandboxUnavailable({
      what: ["terminal"],
      why: "the kernel makes no terminals for a user namespace without a root, and only the caller's own id is mapped",
      advice: "say user: \"root\", which is the caller outside, or have ids in /etc/subuid and /etc/subgid"
    })
  )

/** A description whose programs know what terminal they have. */
export const withTerm = (description: Description): Description => {
  const { env = {}, inherit = [] } = description
  const named = Object.hasOwn(env, "TERM") || inherit.includes("TERM")
  return named ? description : { ...description, env: { ...env, TERM: "xterm-256color" } }
}

/** The description of a sandbox whose first program has a terminal, if it is to have one. */
export const forTerminal = (size: Size | undefined, description: Description): Description =>
  size === undefined ? description : withTerm({ ...description, init: description.init ?? true })

/** A process that has a terminal, if it is to have one. */
export const onTerminal = (size: Size | undefined, process: Container["process"]): Container["process"] =>
  size === undefined ? process : { ...process, terminal: true, consoleSize: size }

/** The same for the first process of a container. */
export const startsOnTerminal = (size: Size | undefined, container: Container): Container => ({
  ...container,
  process: onTerminal(size, container.process)
})
