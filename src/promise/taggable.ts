/** Functions that run a command, and can be called as the tag of a template. */
import type { Command, Result } from "./process.ts"
import { shell, type Value } from "./shell.ts"

/** Runs a command to its end; as a tag, a command line. */
export interface Run<Options> {
  (command: Command, options?: Options): Promise<Result>
  /** Runs a command line, in which each value is quoted for the shell. */
  (texts: TemplateStringsArray, ...values: ReadonlyArray<Value>): Promise<Result>
}

const isTemplate = (value: unknown): value is TemplateStringsArray =>
  Array.isArray(value) && Object.hasOwn(value, "raw")

/** Makes a function that runs a command callable as a tag. */
export const taggable =
  <Options>(run: (command: Command, options?: Options) => Promise<Result>): Run<Options> =>
  (command: Command | TemplateStringsArray, ...rest: ReadonlyArray<unknown>): Promise<Result> =>
    isTemplate(command)
      ? run(shell(command, ...rest as ReadonlyArray<Value>))
      : run(command, rest[0] as Options | undefined)
