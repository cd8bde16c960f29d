/**
 * execve(2) and execveat(2): finding the program, and the process after it. @see execve(2), execveat(2), fs/exec.c
 */
import { AT, CLD, F, FD, MS, O, P, RLIMIT, SECCOMP, SIG, W } from "../../native/constants.ts"
import { numberOf } from "../../native/Errno.ts"
import type { Arguments, Call } from "../../native/Kernel.ts"
import { type Options as Trampoline, optionsOf } from "../../native/trampoline.ts"
import { hasTooManyProcesses } from "../Counts.ts"
import { commit, hasNames, isWithin, untraceable } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { closeAll, end } from "../ending.ts"
import { afterExec, type ExecutedFile } from "../execCredentials.ts"
import { decode, encode, Gone, type Machine, Refusal, refuse } from "../Machine.ts"
import * as Nodes from "../Nodes.ts"
import { fileText, mountinfo } from "../procTexts.ts"
import { at, existing, pathOf } from "../Resolve.ts"
import { passFilters } from "../seccompFilter.ts"
import type { Executed, Location, Process } from "../State.ts"
import { enterTime } from "../Times.ts"
import { fcntl } from "./descriptors.ts"
import { seccomp } from "./filters.ts"
import { clone } from "./processes.ts"
import { write } from "./readWrite.ts"

export const execve = (m: Machine, args: Arguments<"execve">): never =>
  execveat(m, { dirfd: AT.FDCWD, path: args.path, argv: args.argv, envp: args.envp, flags: 0 })

export const execveat = (m: Machine, args: Arguments<"execveat">): never => {
  mayExecute(m)
  const image = replaceProgram(m, args)
  const inner = image === undefined ? undefined : optionsOf(image)
  if (inner === undefined) m.executed = [...m.executed, snapshot(m, args)]
  else runTrampoline(m, inner, args)
  throw new Gone()
}

/** What `native/reaper.h` does: from here on, the caller is the child that becomes the program. */
const becomeInit = (m: Machine): void => {
  const init = m.pid
  const calls: ReadonlyArray<Call> = [
    { _tag: "rt_sigprocmask", how: 2, signals: [] },
    { _tag: "waitid", idtype: P.ALL, id: 0, options: W.EXITED | W.NOHANG },
    { _tag: "kill", pid: 1, signal: 0 },
    { _tag: "clone", flags: 0 }
  ]
  for (const call of calls) if (passFilters(m, call) !== undefined) m.unmodelled("a filter that answers for process 1")
  const program = clone(m, { flags: 0 })
  closeAll(m, init, () => true)
  m.change({ reaps: program, blocked: allSignals })
  m.pid = program
  m.change({ group: program })
  const terminal = m.self.terminal
  if (terminal !== undefined) m.ptys.update(terminal, (pty) => ({ ...pty, foreground: program }))
}

/** All that can be blocked. */
const allSignals = Array.from({ length: 64 }, (_, index) => index + 1).filter((signal) =>
  signal !== SIG.KILL && signal !== SIG.STOP
)

/** Does what the machine code of `native/trampoline.ts` does: the only program that the model can run. */
const runTrampoline = (
  m: Machine,
  { channel, filter, path, reaper = false }: Trampoline,
  { argv, envp }: Arguments<"execveat">
): void => {
  try {
    fcntl(m, { fd: channel, command: F.SETFD, argument: FD.CLOEXEC })
    if (filter !== undefined) seccomp(m, { ...filter, operation: SECCOMP.SET_MODE_FILTER })
    if (reaper) becomeInit(m)
    const args = { dirfd: AT.FDCWD, path, argv, envp, flags: 0 }
    if (passFilters(m, { _tag: "execve", path, argv, envp }) !== undefined) {
      m.unmodelled("a program that is not executed")
    }
    replaceProgram(m, args)
    m.executed = [...m.executed, snapshot(m, args)]
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const record = new Uint8Array(5)
    record[0] = 0x45
    new DataView(record.buffer).setUint32(1, numberOf(error.code), true)
    try {
      write(m, { fd: channel, data: record })
    } catch {
      // nobody is left to report to
    }
    end(m, m.pid, CLD.EXITED, error.code === "ENOENT" ? 127 : 126)
  }
}

// -- which file -------------------------------------------------------------------------------------------------------

/** Whether a file is open for writing; the first descriptor of a memfd does not count. */
const isWritten = (m: Machine, location: Location): boolean =>
  m.files.values().some(({ flags, kind }) =>
    kind._tag === "Node" && kind.location.node === location.node && kind.memfd === undefined &&
    (flags & 3) !== O.RDONLY && (flags & O.PATH) === 0
  )

/**
 * Opens a program (`do_open_execat`). Names from the kernel may be empty, which means the working directory
 * (`getname_kernel`).
 */
const openProgram = (m: Machine, dirfd: number, path: string, flags = 0): Location => {
  const location = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const node = at(m, location)
  if (node.type === "l") refuse("ELOOP")
  // EACCES: not a regular file, a noexec mount, or no execute permission (may_open)
  const noexec = ((m.mounts.get(location.mount)?.flags ?? 0) & MS.NOEXEC) !== 0
  if (node.type !== "f" || noexec || !Nodes.permitted(m, node, Nodes.X)) refuse("EACCES")
  if (isWritten(m, location)) refuse("ETXTBSY")
  return location
}

/** The longest string of an argument or a variable: `MAX_ARG_STRLEN`, 32 pages. */
const longestString = 131072

/** E2BIG: a string is too long, or all strings take more than a quarter of the stack (`bprm_stack_limits`). */
const checkSize = (m: Machine, argv: ReadonlyArray<string>, strings: ReadonlyArray<string>): void => {
  const sizes = strings.map((text) => encode(text).length + 1)
  const stack = m.self.limits.get(RLIMIT.STACK)?.soft ?? Descriptors.infinity
  const quarter = stack / 4n
  const most = 6n << 20n
  const room = Number(quarter < most ? quarter : most)
  const pointers = 8 * (strings.length + (argv.length === 0 ? 1 : 0))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (sizes.some((size) => size > longestString) || total + pointers > Math.max(room, longestString)) refuse("E2BIG")
}

const isBlank = (letter: string | undefined): boolean => letter === " " || letter === "\t"

/** The interpreter and its one argument of a script (`load_script`); `undefined` for other files. */
const interpreterOf = (head: Uint8Array): ReadonlyArray<string> | undefined => {
  // the first 256 bytes, filled up with NULs (BINPRM_BUF_SIZE)
  const buffer = [...decode(head.slice(0, 256)).padEnd(256, "\0")]
  if (buffer[0] !== "#" || buffer[1] !== "!") return undefined
  const skip = (from: number, end: number): number => {
    let at = from
    while (at < end && isBlank(buffer[at])) at++
    return at
  }
  const terminator = (from: number, end: number): number => {
    let at = from
    while (at < end && !isBlank(buffer[at]) && buffer[at] !== "\0") at++
    return at
  }
  const nul = buffer.indexOf("\0")
  const newline = buffer.indexOf("\n")
  let end = newline
  if (newline < 0 || (nul >= 0 && nul < newline)) {
    // ENOEXEC: the end of the interpreter's path is not in the buffer
    end = 255
    if (terminator(skip(2, 256), 256) === 256) refuse("ENOEXEC")
  }
  while (isBlank(buffer[end - 1])) end--
  const name = skip(2, end)
  if (name >= end) refuse("ENOEXEC")
  const separator = terminator(name, end)
  const text = (from: number): string => buffer.slice(from, end).join("").split("\0")[0]!
  const interpreter = buffer.slice(name, separator).join("")
  return isBlank(buffer[separator]) && separator < end ? [interpreter, text(skip(separator, end))] : [interpreter]
}

/** `e_machine` of elf(5), by what uname(2) says. */
const machineCodes: Readonly<Record<string, number>> = { x86_64: 62, aarch64: 183 }

const [ET_EXEC, ET_DYN, PT_INTERP] = [2, 3, 3] as const

const isElf = (head: Uint8Array): boolean =>
  head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46

/**
 * ENOEXEC for a file that is not a program of this machine; the errno of the dynamic linker if that can't be executed
 * (`load_elf_binary`). In the model, a file with only the four magic bytes is a static program.
 */
const checkElf = (m: Machine, node: Nodes.View, head: Uint8Array): void => {
  if (!isElf(head)) refuse("ENOEXEC")
  if (head.length < 64) return
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head[4] !== 2) m.unmodelled("a program for 32 bits")
  const type = view.getUint16(16, true)
  const code = machineCodes[m.facts.machine]
  if ((type !== ET_EXEC && type !== ET_DYN) || (code !== undefined && view.getUint16(18, true) !== code)) {
    refuse("ENOEXEC")
  }
  const [first, size, count] = [Number(view.getBigUint64(32, true)), view.getUint16(54, true), view.getUint16(56, true)]
  if (size !== 56 || count === 0 || first + count * size > head.length) refuse("ENOEXEC")
  for (let index = 0; index < count; index++) {
    const header = first + index * size
    if (view.getUint32(header, true) !== PT_INTERP) continue
    const offset = Number(view.getBigUint64(header + 8, true))
    const length = Number(view.getBigUint64(header + 32, true))
    const bytes = Nodes.head(m, node, offset + length).slice(offset, offset + length)
    // a name of at least one byte, with its NUL
    if (length < 2 || length > 4096 || bytes.at(-1) !== 0) refuse("ENOEXEC")
    const name = decode(bytes.slice(0, -1))
    const linker = Nodes.head(m, at(m, openProgram(m, AT.FDCWD, name, AT.EMPTY_PATH)), 64)
    // EIO: too short for a header; ELIBBAD: not a program (execve(2))
    if (linker.length < 64) refuse("EIO")
    if (!isElf(linker)) refuse("ELIBBAD")
    return
  }
}

interface Found {
  /** The file that is finally executed: the program itself, or the interpreter of a script. */
  readonly location: Location
  readonly argv: ReadonlyArray<string>
}

/** Goes from script to interpreter, at most five times (`exec_binprm`: ELOOP). */
const findProgram = (m: Machine, { argv, dirfd, path, ...args }: Arguments<"execveat">): Found => {
  let location = openProgram(m, dirfd, path, args.flags)
  let words = argv.length === 0 ? [""] : argv
  checkSize(m, argv, [...words, ...args.envp, path])
  // the path of the script as its interpreter gets it
  let name = dirfd === AT.FDCWD || path.startsWith("/") ? path : `/dev/fd/${dirfd}${path === "" ? "" : `/${path}`}`
  const closes = name !== path && m.self.descriptors.get(dirfd)?.cloexec === true
  for (let depth = 0;; depth++) {
    if (depth > 5) refuse("ELOOP")
    const node = at(m, location)
    const head = Nodes.head(m, node, 4096)
    const interpreter = interpreterOf(head)
    if (interpreter === undefined) {
      checkElf(m, node, head)
      return { location, argv: words }
    }
    // ENOENT: the script's path leads through a descriptor that exec closes (execveat(2), BUGS)
    if (closes) refuse("ENOENT")
    location = openProgram(m, AT.FDCWD, interpreter[0]!, AT.EMPTY_PATH)
    words = [...interpreter, name, ...words.slice(1)]
    name = interpreter[0]!
  }
}

// -- what becomes of the process --------------------------------------------------------------------------------------

/**
 * Whether a mount allows set-user-ID (`mnt_may_suid`): it is not nosuid, is in the caller's mount namespace, and belongs to
 * a user namespace that contains the caller's.
 */
const maySetIds = (m: Machine, { mount: id }: Location): boolean => {
  const mount = m.mounts.get(id)
  return mount !== undefined && (mount.flags & MS.NOSUID) === 0 && mount.ns === m.self.ns.mnt &&
    isWithin(m, m.self.ns.user, m.fileSystems.need(mount.fs).owner)
}

/**
 * The user namespace that owns the program's memory. For an unreadable file, it is the nearest one above with ids for the
 * file's owner (`would_dump`).
 */
const memoryOwner = (m: Machine, file: Nodes.View, readable: boolean): number => {
  let ns = m.namespace("user", m.self.ns.user)
  if (readable) return ns.id
  while (ns.parent !== undefined && !hasNames(m, ns.id, file)) ns = m.namespace("user", ns.parent)
  return ns.id
}

/**
 * Bits of the personality that a program with more privileges does not keep (`PER_CLEAR_ON_SETID` of linux/personality.h):
 * READ_IMPLIES_EXEC, ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO, ADDR_NO_RANDOMIZE.
 */
const unsafePersonality = 0x400000 | 0x200000 | 0x100000 | 0x40000

/** The soft stack limit of a program with more privileges: `_STK_LIM`. */
const secureStack = 8n << 20n

const stackLimit = (process: Process, secure: boolean): Partial<Process> => {
  const limit = process.limits.get(RLIMIT.STACK)
  return !secure || limit === undefined || limit.soft <= secureStack
    ? {}
    : { limits: new Map(process.limits).set(RLIMIT.STACK, { ...limit, soft: secureStack }) }
}

/** Replaces the caller's program; returns the file's content if it is a memory file. */
const replaceProgram = (m: Machine, args: Arguments<"execveat">): Uint8Array | undefined => {
  if ((args.flags & ~(AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW)) !== 0) refuse("EINVAL")
  const { argv, location } = findProgram(m, args)
  const node = at(m, location)
  const file: ExecutedFile = {
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    maySetIds: maySetIds(m, location),
    capabilities: (node.real ?? node).stored?.xattrs?.get("security.capability")
  }
  const old = m.self.creds
  const { clearsPersonality, creds, secure } = afterExec(m, file)
  // a file that may be run but not read hides the process (would_dump)
  const readable = Nodes.permitted(m, node, Nodes.R)
  const memoryUserNs = memoryOwner(m, node, readable)
  const { path } = args

  closeAll(m, m.pid, (_, entry) => entry.cloexec)
  enterTime(m, m.self.ns.timeForChildren)
  m.change({
    // for a file without a path, its name in its directory (begin_new_exec)
    comm: (path === "" ? node.name : path.split("/").at(-1) ?? path).slice(0, 15),
    exe: pathOf(m, location, m.self.root).path,
    program: location,
    memoryUserNs,
    argv,
    envp: args.envp,
    executed: true,
    ...m.self.memory === undefined ? {} : { memory: 0n },
    // ignored signals stay ignored, handlers are reset (execve(2))
    dumpable: readable && old.uid === old.euid && old.gid === old.egid ? 1 : untraceable(m),
    ...secure ? { parentDeathSignal: 0 } : {},
    ...clearsPersonality ? { personality: m.self.personality & ~unsafePersonality } : {},
    ...stackLimit(m.self, secure),
    // at exec the process enters the time namespace of its children (time_namespaces(7))
    ns: { ...m.self.ns, time: m.self.ns.timeForChildren },
    attributes: new Map([...m.self.attributes].filter(([name]) => !name.endsWith("exec")))
  })
  commit(m, creds)
  return location.mount === 0 ? node.read?.() : undefined
}

/** The process as a program starts with it. */
const snapshot = (m: Machine, { envp, path }: Arguments<"execveat">): Executed => {
  const uts = m.namespace("uts", m.self.ns.uts)
  const cwd = pathOf(m, m.self.cwd, m.self.root)
  return {
    pid: m.pid,
    path,
    file: m.self.exe,
    argv: m.self.argv,
    envp,
    process: m.self,
    hostname: uts.nodename,
    domainname: uts.domainname,
    mountinfo: mountinfo(m, m.self),
    descriptors: new Map([...m.self.descriptors].map(([fd, entry]) => [fd, fileText(m, entry.file)])),
    cwd: cwd.reachable ? cwd.path : `(unreachable)${cwd.path}`
  }
}

/** EAGAIN: the caller became a user with too many processes, and that user still has (execve(2)). */
const mayExecute = (m: Machine): void => {
  if (m.self.nprocExceeded === true && hasTooManyProcesses(m, m.self.ns.user, m.self.creds.uid, 0)) refuse("EAGAIN")
}
