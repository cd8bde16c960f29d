/**
 * The exec trampoline: a program of some hundred bytes (`trampoline.c`) that runs between the init and the program of a
 * container with a seccomp filter. It loads the filter, so the filter need not allow any call of the init.
 *
 * Like the program that makes the init's calls (see `linux/rpc`), it is a sealed memfd with nothing but this code. So
 * `/proc/self/exe` never leads a container to a file of the host (CVE-2019-5736).
 *
 * What the trampoline does:
 *
 * 1. fcntl(2): the channel to the parent gets close-on-exec, which it must not have had before. So the parent sees the
 *    end of the channel exactly when the program has taken over. It is not closed, because step 4 needs it.
 * 2. seccomp(2), if there is a filter: the last thing before the program, so that the filter needs to allow execve(2)
 *    and what the program itself uses, and not execveat(2), fcntl(2) and write(2) for our sake.
 * 3. execve(2), with the arguments and the environment that the trampoline itself was given.
 * 4. If one of these fails, it sends a report (see {@link failureOf}), and exits with status 127 if there is no such
 * program, otherwise 126, as shells do. If there is no channel, it is executed a second time, as the interpreter of its program,
 * by /proc/self/exe: then it says so on standard error.
 *
 * Between 1 and 3 the process has the credentials of the container, no memory of Node, and only the channel and the
 * descriptors that the program inherits. The memfd may be executed but not read. So without CAP_DAC_OVERRIDE, the process
 * is not dumpable until the program runs (`would_dump` of the kernel), and others of the same user can't trace it.
 *
 * @see execveat(2), memfd_create(2), elf(5), syscall(2)
 */
import * as Effect from "effect/Effect"
import * as process from "node:process"
import * as Ahead from "./Ahead.ts"
import * as c from "./constants.ts"
import { type Architecture, architectureOf, contentAt, executable, MFD_EXEC } from "./elf.ts"
import { type Errno, nameOf } from "./Errno.ts"
import { type Kernel, sys, type SyscallError } from "./Kernel.ts"
import { code as withReaper } from "./reaperCode.ts"
import { code as plain } from "./trampolineCode.ts"

/** What a trampoline is made for. */
export interface Options {
  /** The program, as for execve(2): absolute, or relative to the working directory; it may be a script. */
  readonly path: string
  /** The descriptor that gets close-on-exec, and to which a failure is reported. */
  readonly channel: number
  /**
   * Whether the process stays as process 1, with the program as its child. It then reaps all orphans, passes signals on to
   * the program, and exits with the program's status, or 128 plus the signal that ended it.
   */
  readonly reaper?: boolean
  /** A seccomp filter to load before the program. The process must have `no_new_privs` or CAP_SYS_ADMIN. */
  readonly filter?: Filter
}

/**
 * The value of `LISTEN_PID` for a program below a reaper, which alone knows the program's number: it writes that in its place. So it
 * has room for ten digits.
 *
 * @since 0.2.0
 */
export const listenerMark = "##########"

/** A seccomp filter as seccomp(2) takes it. */
export interface Filter {
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number
  /** Classic BPF instructions, 8 bytes each. */
  readonly program: Uint8Array
}

/** The first byte of the report of a failure: `E`. */
const failureTag = 0x45

/** The errno in a trampoline's report: `E`, then 32 bits, little-endian. `undefined` for other bytes. */
export const failureOf = (record: Uint8Array): Errno | undefined =>
  record.length === 5 && record[0] === failureTag
    ? nameOf(new DataView(record.buffer, record.byteOffset, 5).getUint32(1, true))
    : undefined

// -- the image --------------------------------------------------------------------------------------------------------

/** The parameters of `trampoline.c`: names of fields, and their offsets in bytes. The path follows them. */
const at = { channel: 0, flags: 4, length: 8, filter: 12, path: 16 } as const

/**
 * What the trampoline says if it is executed a second time, as the interpreter of its program: `/proc/self/exe` leads each process to
 * what it runs. The channel has closed by then. It is before the filter, and has the length that `trampoline.c` knows.
 */
const misled = Buffer.from("runfx: the program's interpreter leads to /proc/self/exe, which is the start itself\n")

/** An offset that leads nowhere, so that a write(2) fails: the smallest trampoline has no text. */
const nowhere = 0xffff_ffff

const align8 = (size: number): number => size + 7 & ~7

/** A static ELF executable that executes a program (see the head of this file): code, parameters, path, text and filter. */
export const trampoline = (machine: Architecture, { channel, filter, path, reaper }: Options): Uint8Array => {
  const { entries: { parameters, start }, base64 } = (reaper === true ? withReaper : plain)[machine]
  const name = Buffer.from(`${path}\0`)
  const speaks = filter !== undefined || reaper === true
  const filterAt = align8(at.path + name.length + misled.length)
  const content = Buffer.alloc(
    parameters + (speaks ? filterAt + (filter?.program.length ?? 0) : at.path + name.length)
  )
  content.write(base64, "base64")
  content.writeInt32LE(channel, parameters + at.channel)
  content.set(name, parameters + at.path)
  content.writeUInt32LE(speaks ? filterAt : nowhere, parameters + at.filter)
  if (speaks) content.set(misled, parameters + filterAt - misled.length)
  if (filter !== undefined) {
    content.writeUInt32LE(filter.flags >>> 0, parameters + at.flags)
    content.writeUInt32LE(filter.program.length >>> 3, parameters + at.length)
    content.set(filter.program, parameters + filterAt)
  }
  return executable(machine, content, start)
}

/** What a trampoline was made for; `undefined` for any other file, also for a trampoline of another version. */
export const optionsOf = (image: Uint8Array): Options | undefined => readAs(image, false) ?? readAs(image, true)

const readAs = (image: Uint8Array, reaper: boolean): Options | undefined => {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  const machine = architectureOf(bytes)
  if (machine === undefined) return undefined
  const parameters = contentAt + (reaper ? withReaper : plain)[machine].entries.parameters
  if (bytes.length < parameters + at.path) return undefined
  const end = bytes.indexOf(0, parameters + at.path)
  if (end < 0) return undefined
  const number = (offset: number) => bytes.readInt32LE(parameters + offset)
  const program = image.slice(parameters + number(at.filter))
  const options: Options = {
    channel: number(at.channel),
    path: bytes.toString("utf8", parameters + at.path, end),
    ...number(at.length) === 0 ? {} : { filter: { flags: number(at.flags) >>> 0, program } },
    ...reaper ? { reaper } : {}
  }
  // it is a trampoline if making one with these options yields the same bytes
  return bytes.equals(trampoline(machine, options)) ? options : undefined
}

// -- executing it -----------------------------------------------------------------------------------------------------

/** What to do about an errno of {@link execTrampoline}, for the header of a step. */
export const advice = {
  EACCES: "programs can't be executed from memory here: set the sysctl vm.memfd_noexec to 0 or 1, and look for a " +
    "security module that forbids to execute memfds"
} as const

/** The calls of {@link writeTrampoline}, for the header of a step. */
export const writeCalls = ["memfd_create", "write", "fchmod", "fcntl"] as const

const makeMemfd = (flags: number, { reaper }: Options): Effect.Effect<number, SyscallError, Kernel> =>
  sys.memfd_create({ name: reaper === true ? "runfx-init" : "runfx-exec", flags })

const writeAll = (fd: number, data: Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.write({ fd, data }),
    (count) => count < data.length ? writeAll(fd, data.subarray(count)) : Effect.void
  )

/**
 * Writes a trampoline; returns the descriptor of its memory file. As the last step, `channel` loses close-on-exec; the
 * trampoline sets it again.
 */
export const writeTrampoline = (options: Options): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const flags = c.MFD.CLOEXEC | c.MFD.ALLOW_SEALING
    const fd = yield* makeMemfd(flags | MFD_EXEC, options).pipe(
      Effect.catchTag(
        "SyscallError",
        (error) => error.code === "EINVAL" ? makeMemfd(flags, options) : Effect.fail(error)
      )
    )
    yield* writeAll(fd, trampoline(process.arch === "arm64" ? "arm64" : "x64", options))
    // executable, not readable: not dumpable
    yield* sys.fchmod({ fd, mode: 0o111 })
    const seals = c.F_SEAL.SEAL | c.F_SEAL.SHRINK | c.F_SEAL.GROW | c.F_SEAL.WRITE
    yield* Ahead.unseen(sys.fcntl({ fd, command: c.F.ADD_SEALS, argument: seals }))
    yield* sys.fcntl({ fd: options.channel, command: c.F.SETFD, argument: 0 })
    return fd
  })

/**
 * Executes a trampoline. Returns only if the trampoline itself could not be executed. If the program's execve(2) fails, the
 * report arrives at the other end of the channel: see {@link failureOf}.
 */
export const execTrampoline = (
  { argv, envp, fd }: {
    readonly fd: number
    readonly argv: ReadonlyArray<string>
    readonly envp: ReadonlyArray<string>
  }
): Effect.Effect<never, SyscallError, Kernel> =>
  sys.execveat({ dirfd: fd, path: "", argv, envp, flags: c.AT.EMPTY_PATH })

/** Writes a trampoline and executes it: see {@link writeTrampoline} and {@link execTrampoline}. */
export const execThroughTrampoline = (
  { argv, envp, ...options }: Options & { readonly argv: ReadonlyArray<string>; readonly envp: ReadonlyArray<string> }
): Effect.Effect<never, SyscallError, Kernel> =>
  Effect.flatMap(writeTrampoline(options), (fd) => execTrampoline({ fd, argv, envp }))
