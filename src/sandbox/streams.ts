/** The streams of a program as Node has them, whether it has pipes or a terminal. */
import type { Readable, Writable } from "node:stream"
import type { Pipes } from "./pipes.ts"
import type { Terminal } from "./terminal.ts"

/** What a program reads and writes, from this process's side. */
export interface Streams {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

/** A program's pipes; or its terminal, which has no standard error of its own. */
export const streamsOf = (pipes: Pipes, terminal: Terminal | undefined): Streams => {
  if (terminal === undefined) return { stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr }
  pipes.stdin.destroy()
  pipes.stdout.destroy()
  // nobody has its other end: it ends at once
  return { stdin: terminal.input, stdout: terminal.output, stderr: pipes.stderr.resume() }
}
