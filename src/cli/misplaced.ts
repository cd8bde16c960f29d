/**
 * The help of a command lists the options of `runfx` itself, too. They belong before the command: after it, commander does
 * not accept them.
 */
export const misplaced = (text: string): string =>
  /unknown option '--(?:root|debug)\b/.test(text)
    ? `${text.trimEnd()}\n  what to do: put it before the command, as in runfx --debug run\n`
    : text
