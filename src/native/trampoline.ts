/**
 * The exec trampoline: a program of some hundred bytes that stands between the init and the program of a container that has
 * a seccomp filter. It loads the filter, which therefore has to allow nothing for the init's sake.
 *
 * Like the program that makes the init's calls (see `linux/remote`), it is a memfd, sealed against every change, that holds
 * nothing but this code. So what a container gets hold of by `/proc/self/exe`, should it have that executed, is never a
 * file of the host (CVE-2019-5736).
 *
 * What the trampoline does:
 *
 * 1. fcntl(2): the channel to the parent gets close-on-exec, which it must not have had before. So the parent sees the
 *    end of the channel exactly when the program has taken over. It is not closed, because step 4 needs it.
 * 2. seccomp(2), where a filter is given: the last thing before the program, so that the filter needs to allow execve(2)
 *    and what the program itself uses, and not execveat(2), fcntl(2) and write(2) for our sake.
 * 3. execve(2), with the arguments and the environment that the trampoline itself was given.
 * 4. If one of them failed: it sends the record (see {@link failureOf}) and exits with status 127 where there is no such
 *    program, else with 126, as shells do.
 *
 * Between 1 and 3 the process has the credentials of the container, no memory of node's, and no descriptors but the
 * channel and those that the program inherits. The memfd may be executed but not read; so a process of a user without
 * CAP_DAC_OVERRIDE is not dumpable until the program runs (execve(2), "would_dump"), and others of that user can't trace
 * it.
 *
 * @see execveat(2), memfd_create(2), elf(5), syscall(2)
 */
import * as Effect from "effect/Effect"
import * as process from "node:process"
import * as c from "./constants.ts"
import { contentAddress, executable, type Machine } from "./elf.ts"
import { type Errno, nameOf, numberOf } from "./Errno.ts"
import { type Kernel, sys, type SyscallError } from "./Kernel.ts"

/** What a trampoline is made for. */
export interface Options {
  /** The program, as execve(2) takes it: relative to the working directory, or absolute; a script too. */
  readonly path: string
  /** The descriptor that gets close-on-exec, and a record if the program could not be executed. */
  readonly channel: number
  /** A seccomp filter to load before the program; the process must have `no_new_privs` or CAP_SYS_ADMIN. */
  readonly filter?: Filter
}

/** A seccomp filter as seccomp(2) takes it. */
export interface Filter {
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number
  /** Classic BPF instructions, 8 bytes each. */
  readonly program: Uint8Array
}

/** The first byte of the record of a failure: `E`. */
const failureTag = 0x45

/** The errno in the record that a trampoline sends: `E`, then 32 bits, little-endian. `undefined` for other bytes. */
export const failureOf = (record: Uint8Array): Errno | undefined =>
  record.length === 5 && record[0] === failureTag
    ? nameOf(new DataView(record.buffer, record.byteOffset, 5).getUint32(1, true))
    : undefined

// ── machine code ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the code refers to: constants, and addresses in the image. */
interface Places {
  readonly channel: number
  readonly path: number
  /** Address of a `struct sock_fprog`, and the flags; absent without a filter. */
  readonly filter?: { readonly address: number; readonly flags: number }
}

const F_SETFD = c.F.SETFD
const FD_CLOEXEC = c.FD.CLOEXEC
const SET_MODE_FILTER = c.SECCOMP.SET_MODE_FILTER
const ENOENT = numberOf("ENOENT")

const word = (value: number): ReadonlyArray<number> => [
  value & 0xff,
  value >>> 8 & 0xff,
  value >>> 16 & 0xff,
  value >>> 24 & 0xff
]

/**
 * x86-64. The kernel puts argc, argv, NULL, envp, NULL on the stack; rsp points to argc. A system call has its number in
 * rax, its arguments in rdi, rsi, rdx; rax is the result, -errno for a failure; rbp, rbx and r12 survive it.
 */
const x64 = ({ channel, filter, path }: Places): Uint8Array => {
  const load: ReadonlyArray<ReadonlyArray<number>> = filter === undefined ? [] : [
    [0xbf, ...word(SET_MODE_FILTER)], //     mov edi, SECCOMP_SET_MODE_FILTER
    [0xbe, ...word(filter.flags)], //        mov esi, flags
    [0xba, ...word(filter.address)], //      mov edx, the sock_fprog
    [0xb8, ...word(317)], //                 mov eax, seccomp
    [0x0f, 0x05], //                         syscall
    [0x48, 0x85, 0xc0], //                   test rax, rax
    [0x75, 0x12] //                          jnz fail (over the 18 bytes of execve)
  ]
  const execute = [
    [0xbf, ...word(path)], //                mov edi, the path
    [0x48, 0x89, 0xee], //                   mov rsi, rbp
    [0x4c, 0x89, 0xe2], //                   mov rdx, r12
    [0xb8, ...word(59)], //                  mov eax, execve
    [0x0f, 0x05] //                          syscall: comes back only if it failed
  ]
  return Uint8Array.from([
    [0x48, 0x8d, 0x6c, 0x24, 0x08], //       lea rbp, [rsp + 8]: argv
    [0x48, 0x8b, 0x04, 0x24], //             mov rax, [rsp]: argc
    [0x4c, 0x8d, 0x64, 0xc5, 0x08], //       lea r12, [rbp + rax * 8 + 8]: envp, behind argv's NULL
    [0xbf, ...word(channel)], //             mov edi, channel
    [0xbe, ...word(F_SETFD)], //             mov esi, F_SETFD
    [0xba, ...word(FD_CLOEXEC)], //          mov edx, FD_CLOEXEC
    [0xb8, ...word(72)], //                  mov eax, fcntl
    [0x0f, 0x05], //                         syscall
    [0x48, 0x85, 0xc0], //                   test rax, rax
    [0x75, load.flat().length + execute.flat().length], // jnz fail
    ...load,
    ...execute,
    [0xf7, 0xd8], //                         fail: neg eax: the errno
    [0x89, 0xc3], //                         mov ebx, eax
    [0x50], //                               push rax: its low half is the record from the second byte on
    [0xc6, 0x44, 0x24, 0xff, failureTag], // mov byte [rsp - 1], 'E': below the stack, but no signal handler is set
    [0x48, 0x8d, 0x74, 0x24, 0xff], //       lea rsi, [rsp - 1]
    [0xbf, ...word(channel)], //             mov edi, channel
    [0xba, ...word(5)], //                   mov edx, 5
    [0xb8, ...word(1)], //                   mov eax, write
    [0x0f, 0x05], //                         syscall: nobody is left to tell if it fails
    [0xbf, ...word(126)], //                 mov edi, 126
    [0x83, 0xfb, ENOENT], //                 cmp ebx, ENOENT
    [0x75, 0x02], //                         jne over the next
    [0xff, 0xc7], //                         inc edi: 127
    [0xb8, ...word(231)], //                 mov eax, exit_group
    [0x0f, 0x05], //                         syscall
    [0xf4] //                                hlt: faults, should a filter forbid even that
  ].flat())
}

/**
 * arm64. As above; sp points to argc. A system call has its number in x8, its arguments in x0, x1, x2; x0 is the result;
 * x19 to x21 survive it.
 */
const arm64 = ({ channel, filter, path }: Places): Uint8Array => {
  /** movz and movk: a register gets 32 bits. */
  const set = (register: number, value: number): ReadonlyArray<number> => [
    0x52800000 | (value & 0xffff) << 5 | register,
    0x72a00000 | (value >>> 16) << 5 | register
  ]
  const svc = 0xd4000001
  const unlessZero = (distance: number): number => 0xb5000000 | distance << 5 // cbnz x0, + distance instructions

  const load = filter === undefined ? [] : [
    ...set(0, SET_MODE_FILTER),
    ...set(1, filter.flags),
    ...set(2, filter.address), //               the sock_fprog
    ...set(8, 277), //                          seccomp
    svc,
    unlessZero(8) //                            to fail, over the 7 instructions of execve
  ]
  const execute = [
    ...set(0, path),
    0xaa1403e1, //                              mov x1, x20
    0xaa1503e2, //                              mov x2, x21
    ...set(8, 221), //                          execve
    svc //                                      comes back only if it failed
  ]
  const code = [
    0x910023f4, //                              add x20, sp, #8: argv
    0xf94003e9, //                              ldr x9, [sp]: argc
    0x8b090e95, //                              add x21, x20, x9, lsl #3
    0x910022b5, //                              add x21, x21, #8: envp, behind argv's NULL
    ...set(0, channel),
    ...set(1, F_SETFD),
    ...set(2, FD_CLOEXEC),
    ...set(8, 25), //                           fcntl
    svc,
    unlessZero(1 + load.length + execute.length), // to fail
    ...load,
    ...execute,
    0x4b0003f3, //                              fail: neg w19, w0: the errno
    0xd10043ff, //                              sub sp, sp, #16
    0xb9000bf3, //                              str w19, [sp, #8]: the record from the second byte on
    ...set(9, failureTag),
    0x39001fe9, //                              strb w9, [sp, #7]: 'E'
    ...set(0, channel),
    0x91001fe1, //                              add x1, sp, #7
    ...set(2, 5),
    ...set(8, 64), //                           write
    svc, //                                     nobody is left to tell if it fails
    ...set(0, 126),
    0x71000a7f, //                              cmp w19, #2: ENOENT
    0x1a801400, //                              cinc w0, w0, eq: 127
    ...set(8, 94), //                           exit_group
    svc,
    0x00000000 //                               udf: faults, should a filter forbid even that
  ]
  return Uint8Array.from(code.flatMap(word))
}

// ── the image ────────────────────────────────────────────────────────────────────────────────────────────────────────

const assemblers = { x64, arm64 } as const

const align8 = (size: number): number => size + 7 & ~7

/** A static ELF executable that executes a program (see the head of this file): code, path, and filter. */
export const trampoline = (machine: Machine, { channel, filter, path }: Options): Uint8Array => {
  const assemble = assemblers[machine]
  const name = Buffer.from(`${path}\0`)
  // the length of the code does not depend on the addresses in it
  const codeSize = assemble({ channel, path: 0, ...(filter === undefined ? {} : { filter: { address: 0, flags: 0 } }) })
    .length
  const nameAt = codeSize
  const sockFprogAt = align8(contentAddress + nameAt + name.length) - contentAddress
  const programAt = sockFprogAt + 16
  const content = new Uint8Array(filter === undefined ? nameAt + name.length : programAt + filter.program.length)
  content.set(assemble({
    channel,
    path: contentAddress + nameAt,
    ...(filter === undefined ? {} : { filter: { address: contentAddress + sockFprogAt, flags: filter.flags } })
  }))
  content.set(name, nameAt)
  if (filter !== undefined) {
    const view = new DataView(content.buffer)
    view.setUint16(sockFprogAt, filter.program.length / 8, true)
    view.setBigUint64(sockFprogAt + 8, BigInt(contentAddress + programAt), true)
    content.set(filter.program, programAt)
  }
  return executable(machine, content, 0)
}

// ── executing it ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What to do about an errno of {@link execThroughTrampoline}, for the header of a step. */
export const advice = {
  EACCES: "programs can't be executed from memory here: set the sysctl vm.memfd_noexec to 0 or 1, and look for a " +
    "security module that forbids to execute memfds"
} as const

/** The calls of {@link execThroughTrampoline}, for the header of a step. */
export const calls = ["memfd_create", "write", "fchmod", "fcntl", "execveat"] as const

/** `MFD_EXEC` of `linux/memfd.h`; since Linux 6.3, which refuses an executable memfd without it where `vm.memfd_noexec` is 1. */
const MFD_EXEC = 0x10

const makeMemfd = (flags: number): Effect.Effect<number, SyscallError, Kernel> =>
  sys.memfd_create({ name: "runfx-exec", flags })

const writeAll = (fd: number, data: Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.write({ fd, data }),
    (count) => count < data.length ? writeAll(fd, data.subarray(count)) : Effect.void
  )

/**
 * Executes a program by way of the trampoline. Comes back only if the trampoline itself could not be executed; a failure
 * of the program's own execve(2) arrives at the other end of the channel: see {@link failureOf}.
 *
 * `channel` loses close-on-exec here and gets it again in the trampoline. If this fails, it has lost it.
 *
 * @param lastly what is done once the trampoline is written, right before it is executed
 */
export const execThroughTrampoline = <E = never>(
  { argv, envp, ...options }: Options & { readonly argv: ReadonlyArray<string>; readonly envp: ReadonlyArray<string> },
  lastly: Effect.Effect<void, E, Kernel> = Effect.void
): Effect.Effect<never, SyscallError | E, Kernel> =>
  Effect.gen(function*() {
    const flags = c.MFD.CLOEXEC | c.MFD.ALLOW_SEALING
    const fd = yield* makeMemfd(flags | MFD_EXEC).pipe(
      Effect.catchTag("SyscallError", (error) => error.code === "EINVAL" ? makeMemfd(flags) : Effect.fail(error))
    )
    yield* writeAll(fd, trampoline(process.arch === "arm64" ? "arm64" : "x64", options))
    // executable, not readable: not dumpable
    yield* sys.fchmod({ fd, mode: 0o111 })
    const seals = c.F_SEAL.SEAL | c.F_SEAL.SHRINK | c.F_SEAL.GROW | c.F_SEAL.WRITE
    yield* sys.fcntl({ fd, command: c.F.ADD_SEALS, argument: seals })
    yield* sys.fcntl({ fd: options.channel, command: c.F.SETFD, argument: 0 })
    yield* lastly
    return yield* sys.execveat({ dirfd: fd, path: "", argv, envp, flags: c.AT.EMPTY_PATH })
  })
