/**
 * Gives the program a terminal: makes one in the container's own devpts, sends its master to the caller, and puts its other
 * side on stdio.
 *
 * The image decides what is at `/dev`. So the multiplexer is opened below a directory that is certainly a devpts, without
 * crossing another mount, and its other side comes by ioctl, not by a path. The terminal is bound on a handle of
 * `/dev/console`: through a link there, the bind could reach any file before that is masked (CVE-2025-52565).
 *
 * @see pts(4), ioctl_tty(2), TIOCGPTPEER
 * @category init
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hasNamespace } from "../../config/Container.ts"
import { AT, MAGIC, MOVE_MOUNT, MSG, O, OPEN_TREE, RESOLVE, S, TIOC } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { sys } from "../../native/Kernel.ts"
import { Init } from "./Init.ts"

/** The terminal of the container can't be set up safely. */
export class ConsoleError extends Data.TaggedError("ConsoleError")<{
  /** Path inside the container. */
  readonly path: string
  readonly problem: string
  readonly advice: string
}> {
  override get message(): string {
    return `terminal: ${this.path} ${this.problem}`
  }
}

/** The process is inside the container: its root is the container's. */
const root = sys.openat({ dirfd: AT.FDCWD, path: "/", flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 })

const openMaster = (root: number) =>
  Files.using(
    Files.resolve(root, "/dev/pts", { flags: O.DIRECTORY, resolve: RESOLVE.NO_SYMLINKS }),
    (pts) =>
      Effect.gen(function*() {
        if ((yield* sys.fstatfs({ fd: pts })).type !== MAGIC.DEVPTS_SUPER_MAGIC) {
          return yield* new ConsoleError({
            path: "/dev/pts",
            problem: "is not a devpts",
            advice: "mount one there: type devpts, options newinstance,ptmxmode=0666,mode=0620"
          })
        }
        const master = sys.openat2({
          dirfd: pts,
          path: "ptmx",
          flags: O.RDWR | O.NOCTTY | O.CLOEXEC,
          mode: 0,
          resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV
        })
        return yield* Files.keeping(master, (fd) =>
          Effect.gen(function*() {
            if (Files.isDevice(yield* Files.stat(fd), S.IFCHR, 5, 2)) return
            return yield* new ConsoleError({
              path: "/dev/pts/ptmx",
              problem: "is not the multiplexer of terminals (character device 5:2)",
              advice: "mount nothing over it"
            })
          }))
      })
  )

const bindOnConsole = (root: number, terminal: number) =>
  Files.using(
    sys.open_tree({ dirfd: terminal, path: "", flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.EMPTY_PATH }),
    (tree) =>
      Files.using(
        Files.makeFile(root, "/dev/console", { mode: 0o620, resolve: RESOLVE.NO_SYMLINKS }),
        (target) =>
          Effect.gen(function*() {
            const stat = yield* Files.stat(target)
            if (!Files.isType(stat, S.IFREG) && !Files.isType(stat, S.IFCHR)) {
              return yield* new ConsoleError({
                path: "/dev/console",
                problem: "is neither a file nor a character device",
                advice: "remove it from the root file system: the terminal is bound there"
              })
            }
            yield* sys.move_mount({
              fromDirfd: tree,
              fromPath: "",
              toDirfd: target,
              toPath: "",
              flags: MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH
            })
          })
      )
  )

/** Puts a terminal on stdio and makes it the controlling one of the session. */
const useTerminal = Effect.fnUntraced(function*(terminal: number) {
  for (const fd of [0, 1, 2]) {
    if (fd !== terminal) yield* sys.dup3({ oldfd: terminal, newfd: fd, flags: 0 })
  }
  yield* sys.ioctl({ fd: terminal, request: TIOC.SCTTY, argument: 0 })
  if (terminal > 2) yield* sys.close({ fd: terminal })
})

/**
 * Sets up the terminal that `process.terminal` asks for; `bind` says whether it is bound on `/dev/console` too.
 *
 * @since 0.2.0
 */
export const setUpTerminal = (bind: boolean) =>
  Effect.gen(function*() {
    const { consoleSocket, container, process } = yield* Init
    if (!process.terminal) return
    if (consoleSocket === undefined) {
      return yield* new ConsoleError({
        path: "process.terminal",
        problem: "is set, but there is no socket to send the terminal to",
        advice: "give --console-socket, or run in the foreground on a terminal"
      })
    }
    yield* Files.using(root, (root) =>
      Files.using(openMaster(root), (master) =>
        Effect.gen(function*() {
          yield* sys.ioctl_sptlck({ fd: master, locked: 0 })
          const flags = O.RDWR | O.NOCTTY | O.CLOEXEC
          const terminal = yield* sys.ioctl({ fd: master, request: TIOC.GPTPEER, argument: flags })
          if (process.consoleSize !== undefined) yield* sys.ioctl_swinsz({ fd: master, ...process.consoleSize })
          // without a mount namespace the container's /dev/console is the host's
          if (bind && hasNamespace(container, "mnt")) yield* bindOnConsole(root, terminal)
          // the protocol requires a name with the descriptor
          const data = Buffer.from("/dev/ptmx")
          yield* sys.sendmsg({ fd: consoleSocket, data, fds: [master], flags: MSG.NOSIGNAL })
          yield* sys.close({ fd: consoleSocket })
          yield* useTerminal(terminal)
        })))
  })

/**
 * The calls of {@link setUpTerminal}, without those that bind.
 *
 * @since 0.2.0
 */
export const terminalCalls = [
  "openat",
  "openat2",
  "fstatfs",
  "statx",
  "ioctl_sptlck",
  "ioctl",
  "ioctl_swinsz",
  "sendmsg",
  "dup3",
  "close"
] as const

/**
 * What to do about errnos of {@link setUpTerminal}.
 *
 * @since 0.2.0
 */
export const terminalAdvice = {
  ENOENT: "a terminal needs a devpts on /dev/pts in the container, with ptmx in it",
  ENOSPC: "the limit of terminals is reached: /proc/sys/kernel/pty/max, or the max option of the devpts",
  ELOOP: "the image has a symlink at /dev, /dev/pts or /dev/console, where a real file must be",
  EROFS: "/dev/console is missing and can't be made: mount a tmpfs on /dev, or make the file in the image",
  EPIPE: "the receiver of the terminal has closed the console socket"
} as const
