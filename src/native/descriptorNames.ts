/**
 * What a descriptor stands for, by the call that has returned it.
 *
 * @category calls
 * @since 0.2.0
 */
import { AT, F, OPEN_TREE } from "./constants.ts"
import type { Call } from "./Kernel.ts"

/** The path of a name below a directory. */
const below = (directory: string | undefined, path: string): string =>
  path === ""
    ? directory ?? ""
    : directory === undefined
    ? path
    : `${directory.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`

/**
 * Names the descriptor that a call returns; `undefined` if it returns none, or if more than the call is needed to name it.
 *
 * @param nameOf the name of a descriptor in the call
 */
export const opened = (call: Call, nameOf: (fd: number) => string | undefined): string | undefined => {
  switch (call._tag) {
    case "openat":
    case "openat2":
    case "open_tree": {
      const { dirfd, path } = call
      const directory = dirfd === AT.FDCWD ? undefined : nameOf(dirfd) ?? `descriptor ${dirfd}`
      // only openat2(2) can take an absolute path for one below its directory
      const isWhole = path.startsWith("/") && call._tag !== "openat2"
      const place = isWhole ? path : below(directory, path)
      return call._tag === "open_tree" && (call.flags & OPEN_TREE.CLONE) !== 0 ? `mount of ${place}` : place
    }
    case "dup":
      return nameOf(call.fd) ?? String(call.fd)
    case "dup3":
      return nameOf(call.oldfd) ?? String(call.oldfd)
    case "fcntl":
      return call.command === F.DUPFD_CLOEXEC ? nameOf(call.fd) ?? String(call.fd) : undefined
    case "pidfd_getfd":
      return "a descriptor of it"
    case "memfd_create":
      return `memfd:${call.name}`
    case "fsopen":
      return `new ${call.type}`
    case "fsmount":
      return `mount of ${nameOf(call.fd) ?? "a new file system"}`
    case "seccomp":
      return "seccomp listener"
    case "bpf_prog_load":
      return "program for devices"
    default:
      return undefined
  }
}
