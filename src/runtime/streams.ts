/**
 * The standard streams of this process. What is written there arrives, or its writer gets an error. Node alone would end the
 * process on an error, with all that it has made left behind; or it would lose a part of a text if a disk is full.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { createReadStream, fstatSync, writeSync } from "node:fs"
import process from "node:process"
import { SIG } from "../native/constants.ts"
import * as Errno from "../native/Errno.ts"
import type { AnyFd } from "../native/Handle.ts"

/** The two output streams. */
export type Output = "stdout" | "stderr"

const names = { stdin: "standard input", stdout: "standard output", stderr: "standard error" } as const

const advices: Readonly<Record<string, string>> = {
  EBADF: "it is not open in this direction, as under nohup(1): redirect it from or to a file, or /dev/null",
  EIO: "its terminal has hung up, or belongs to another job: redirect it from or to a file, or /dev/null",
  EISDIR: "it is a directory: redirect it from or to a file, or /dev/null",
  ENOSPC: "make room on its file system, or redirect it",
  EDQUOT: "its user has used up their quota: make room, or redirect it",
  EFBIG: "it would become larger than its file system or the caller's limit (ulimit -f) lets it"
}

/** A standard stream of this process has failed. */
export class StreamError extends Data.TaggedError("StreamError")<{
  readonly stream: keyof typeof names
  /** The name of an errno, or of an error of Node's. */
  readonly code: string
}> {
  override get message(): string {
    const known = Errno.names.find((name) => name === this.code)
    const text = known === undefined ? "" : ` (${Errno.textOf(known)})`
    return `${names[this.stream]} can't be ${this.stream === "stdin" ? "read" : "written"}: ${this.code}${text}`
  }
  get advice(): string | undefined {
    return advices[this.code]
  }
  /** 1; if nobody reads any more, that of a process which SIGPIPE has ended. */
  get exitCode(): number {
    return this.code === "EPIPE" ? 128 + SIG.PIPE : 1
  }
}

const errorOf = (stream: keyof typeof names, error: unknown): StreamError =>
  new StreamError({
    stream,
    code: error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error)
  })

/** Listens to the errors of a stream, no matter who wrote. */
type Listener = (error: StreamError) => void

const listeners = new Set<Listener>()

/** Node's own streams whose errors are listened to. */
const watched = new Set<Output>()

/** Node's own stream; its errors go to the {@link Listener}s, and never end the process. */
const nodeStream = (to: Output): NodeJS.WriteStream => {
  const stream = process[to]
  if (!watched.has(to)) {
    watched.add(to)
    stream.on("error", (error) => listeners.forEach((listener) => listener(errorOf(to, error))))
  }
  return stream
}

const descriptors = { stdout: 1, stderr: 2 } as const

/** Whether it is a terminal. */
export const isTerminal = (to: Output): boolean =>
  // to ask Node first would load streams and sockets: 3 ms
  fstatSync(descriptors[to]).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(descriptors[to])

/** `makedev(1, 3)` @see null(4) */
const nullDevice = 0x103

/** Whether it is a file, or the null device. Then Node's own stream is not needed, which would load streams and sockets. */
const isPlain = (to: Output): boolean => {
  const found = fstatSync(descriptors[to])
  return found.isFile() || found.isCharacterDevice() && found.rdev === nullDevice
}

/** Reports errors of standard output and standard error, until the function that it returns is called. */
export const watch = (listener: Listener): () => void => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/**
 * Whether Node's stream is a pipe, a socket or a terminal. To a file, Node writes what fits, and reports no error for the rest.
 * To what it does not know (a directory, a block device, another kind of socket) it writes nothing, and reports success.
 */
const isSocket = (stream: NodeJS.WriteStream): boolean => "connecting" in stream

/** Writes all bytes: a disk that becomes full takes a part of them, and only the next write fails. */
const writeAll = (fd: AnyFd, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

/** How many chunks have not been written yet, and what waits for the last one. */
let pending = 0
const waiting = new Set<() => void>()

/** Whether something was written that has not arrived yet. */
export const isPending = (): boolean => pending > 0

/** Settles when all that was written has arrived, or has failed. */
export const flushed = (): Promise<void> =>
  pending === 0 ? Promise.resolve() : new Promise((resolve) => void waiting.add(resolve))

/** Erases a {@link showStatus}: moves to the start of the line, and clears it. */
const erase = "\r\u001b[K"

/** Whether a status is on the terminal. */
let hasStatus = false

/**
 * Shows a status on the last line of the terminal that standard error is; `undefined` removes it. {@link write} replaces it by
 * its text.
 */
export const showStatus = (text: string | undefined): void => {
  if (text === undefined && !hasStatus) return
  const { columns = 80 } = process.stderr
  write("stderr", text === undefined ? "" : `${erase}${text.slice(0, columns - 1)}`)
  hasStatus = text !== undefined
}

/**
 * Writes a chunk. Returns, as `stream.write` of Node does, whether more may be written before `done` is called.
 *
 * @param done is called once, later, with the error if there was one
 */
export const write = (
  to: Output,
  chunk: string | Uint8Array,
  done: (error: StreamError | undefined) => void = () => {}
): boolean => {
  if (hasStatus) {
    hasStatus = false
    write("stderr", erase)
  }
  const stream = isPlain(to) ? undefined : nodeStream(to)
  pending++
  const settle = (error?: StreamError) => {
    if (error !== undefined) listeners.forEach((listener) => listener(error))
    done(error)
    if (--pending > 0) return
    waiting.forEach((resolve) => resolve())
    waiting.clear()
  }
  if (stream !== undefined && isSocket(stream)) {
    return stream.write(chunk, (error) => settle(error == null ? undefined : errorOf(to, error)))
  }
  try {
    writeAll(descriptors[to], typeof chunk === "string" ? Buffer.from(chunk) : chunk)
    queueMicrotask(settle)
  } catch (cause) {
    queueMicrotask(() => settle(errorOf(to, cause)))
  }
  return true
}

const printOn = (to: Output) => (text: string): Effect.Effect<void, StreamError> =>
  Effect.callback((resume) => {
    if (text === "") return resume(Effect.void)
    write(to, text, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
  })

/** Writes a text on standard output; done when it has arrived. */
export const print = printOn("stdout")

/** Writes a text on standard error; done when it has arrived. */
export const printError = printOn("stderr")

/** Standard input. A kind that Node does not know (a directory, a block device) is read as a file; Node would read nothing. */
export const input = (): NodeJS.ReadableStream =>
  "bytesRead" in process.stdin ? process.stdin : createReadStream("", { fd: 0, autoClose: false })

/** The error of standard input. */
export const inputError = (error: unknown): StreamError => errorOf("stdin", error)
