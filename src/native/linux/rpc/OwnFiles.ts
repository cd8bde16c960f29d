/**
 * What this process knows of the files that it has just opened, so that it need not ask the kernel before each call whether the call
 * would wait.
 *
 * It is known from the calls that have opened or described them. It holds only until the event loop's next turn: then other code
 * may have closed a descriptor or passed it on, and who holds the same file can change how it is read.
 */
import * as Exit from "effect/Exit"
import { F, MAGIC, O, RESOLVE, S } from "../../constants.ts"
import type { Call } from "../../Kernel.ts"
import type { FileSystemStat, Stat } from "../../results.ts"
import type { LoopBudget } from "./LoopBudget.ts"

const made = O.CREAT | O.EXCL

/** How a look-up stays in the file system of the directory that it begins at. */
const within = RESOLVE.BENEATH | RESOLVE.NO_XDEV

const isCgroup = ({ type }: FileSystemStat): boolean =>
  type === MAGIC.CGROUP_SUPER_MAGIC || type === MAGIC.CGROUP2_SUPER_MAGIC

/** An epoch that does not come. */
const never = 0

/** The files of this process. */
export class OwnFiles {
  readonly #budget: Pick<LoopBudget, "turn">
  #turn = 0
  /** Goes up if all is forgotten. */
  #epoch = 1
  // a set that becomes empty again and again would be a new table each time, which only a collection of the whole heap frees
  /** The epoch in which each was seen to be so. */
  readonly #nonblocking = new Map<number, number>()
  readonly #regular = new Map<number, number>()

  constructor(budget: Pick<LoopBudget, "turn">) {
    this.#budget = budget
  }

  /** Whether a read of this file never waits. */
  isNonblocking(fd: number): boolean {
    return this.#now() === this.#nonblocking.get(fd)
  }

  /** Whether it is a regular file, to which a write never waits; or a directory of a cgroup file system, which has no other files. */
  isRegular(fd: number): boolean {
    return this.#now() === this.#regular.get(fd)
  }

  /** Takes in a call of this process, and what came of it. */
  seen(call: Call, exit: Exit.Exit<unknown, unknown>): void {
    switch (call._tag) {
      case "openat":
        if (Exit.isSuccess(exit)) this.#opened(exit.value as number, call.flags)
        return
      case "openat2":
        if (Exit.isSuccess(exit)) {
          const inCgroup = (call.resolve & within) === within && this.isRegular(call.dirfd)
          this.#opened(exit.value as number, call.flags, inCgroup)
        }
        return
      case "fstatfs":
        if (Exit.isSuccess(exit) && isCgroup(exit.value as FileSystemStat)) this.#regular.set(call.fd, this.#now())
        return
      case "statx":
        if (call.path !== "" || !Exit.isSuccess(exit) || ((exit.value as Stat).mode & S.IFMT) !== S.IFREG) return
        return void this.#regular.set(call.dirfd, this.#now())
      // the kernel frees the number even if it reports a failure
      case "close":
        return this.#forget(call.fd)
      case "dup3":
        return this.#forget(call.newfd)
      case "fcntl":
        if (call.command === F.SETFL) this.#forget(call.fd)
        return
      case "close_range":
        return this.forget()
      case "sendmsg":
        if (call.fds !== undefined && call.fds.length > 0) this.forget()
        return
      default:
    }
  }

  /** Forgets all: another process has got descriptors of this one. */
  forget(): void {
    this.#epoch++
  }

  #opened(fd: number, flags: number, inCgroup = false): void {
    const now = this.#now()
    this.#nonblocking.set(fd, (flags & O.NONBLOCK) === 0 ? never : now)
    this.#regular.set(fd, inCgroup || (flags & made) === made ? now : never)
  }

  #forget(fd: number): void {
    this.#nonblocking.set(fd, never)
    this.#regular.set(fd, never)
  }

  /** The epoch; another one in each turn, so that what was seen in an earlier one is forgotten. */
  #now(): number {
    const { turn } = this.#budget
    if (turn !== this.#turn) {
      this.#turn = turn
      this.forget()
    }
    return this.#epoch
  }
}
