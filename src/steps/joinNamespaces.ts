/**
 * Join the namespaces for which the configuration has a path, or, for exec, those of the running container.
 *
 * Every path is opened before the first namespace is entered, since a joined mount namespace has other paths. The user
 * namespace comes after those that the caller may join with its present capabilities, and before those that only root of that
 * user namespace may join: a join that failed with EPERM is tried again after it. Each setns(2) names the type, so a path of a
 * namespace of another type is refused.
 *
 * A container can end at any moment, and a process of the host can get its init's pid. So that process is checked again when
 * everything is open: if it is still the same one, all that was opened by its pid belongs to it.
 *
 * Joined pid namespaces take effect in {@link forkIntoNamespaces}, ids of the joined user namespace in
 * {@link becomeNamespaceRoot}.
 *
 * @see setns(2), namespaces(7)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../config/Container.ts"
import { flagOf } from "../config/namespaceFlags.ts"
import * as Step from "../engine/Step.ts"
import { AT, O } from "../native/constants.ts"
import { type Errno, textOf } from "../native/Errno.ts"
import { generalAdvice } from "../native/generalAdvice.ts"
import type { AnyFd } from "../native/Handle.ts"
import { sys } from "../native/Kernel.ts"
import { NamespacesJoined, Unreachable } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { isAlive, statCalls } from "./proc/processes.ts"

/** A namespace that can't be joined. */
export class NamespaceJoinError extends Data.TaggedError("NamespaceJoinError")<{
  readonly operation: "open" | "join"
  readonly type: NamespaceType
  readonly path: string
  readonly code: Errno
}> {
  override get message(): string {
    const { code, operation, path, type } = this
    return `can't ${operation} the ${type} namespace ${path}: ${code} (${textOf(code)})`
  }
  get advice(): string | undefined {
    const { operation, path, type } = this
    switch (this.code) {
      case "ENOENT":
      case "ESRCH":
        return `${path} is gone: the process that it belonged to has ended, or the path was never bound`
      case "EACCES":
        return `the process that ${path} belongs to is another user's, or may not be inspected: run as that user or as root`
      case "EPERM":
        return type === "user"
          ? "joining a user namespace needs CAP_SYS_ADMIN in it, which its owner outside and root have: run as one of them"
          : `joining needs CAP_SYS_ADMIN${
            type === "mnt" ? " and CAP_SYS_CHROOT" : ""
          }, also in the user namespace that ` +
            "owns it: join that user namespace too, or run as root of the host"
      case "EINVAL":
        if (operation === "open") break
        return type === "user"
          ? `${path} must be another user namespace than the one that the runtime is in already`
          : `${path} must be a namespace of the type ${type}`
    }
    return generalAdvice(operation === "open" ? "openat" : "setns", this.code)
  }
}

interface Opened {
  readonly type: NamespaceType
  readonly path: string
  readonly fd: AnyFd
}

const enter = ({ fd, path, type }: Opened) =>
  Effect.mapError(
    sys.setns({ fd, nstype: flagOf[type] }),
    ({ code }) => new NamespaceJoinError({ operation: "join", type, path, code })
  )

const enterAll = Effect.fnUntraced(function*(opened: ReadonlyArray<Opened>) {
  const user = opened.filter(({ type }) => type === "user")
  const others = opened.filter(({ type }) => type !== "user")
  const refused: Array<Opened> = []
  for (const namespace of others) {
    yield* Effect.catchIf(
      enter(namespace),
      ({ code }) => code === "EPERM" && user.length > 0,
      () => Effect.sync(() => void refused.push(namespace))
    )
  }
  for (const namespace of user) yield* enter(namespace)
  for (const namespace of refused) yield* enter(namespace)
})

/** Opens and enters namespaces; what it opens is in `opened` also if it fails. */
const openAndEnter = Effect.fnUntraced(function*(
  { joined, joins }: Pick<Init["Service"], "joined" | "joins">,
  opened: Array<Opened>
) {
  for (const { path, type } of joins) {
    const fd = yield* Effect.mapError(
      sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.CLOEXEC, mode: 0 }),
      ({ code }) => new NamespaceJoinError({ operation: "open", type, path, code })
    )
    opened.push({ type, path, fd })
  }
  if (joined !== undefined && !(yield* isAlive(joined))) {
    const { path = "", type = "mnt" } = joins[0] ?? {}
    return yield* new NamespaceJoinError({ operation: "open", type, path, code: "ESRCH" })
  }
  yield* enterAll(opened)
})

/** Joins all of `Init.joins`. */
export const joinNamespaces = Step.make("joinNamespaces", {
  doc: "join the namespaces that are given by path",
  calls: ["setns", ...statCalls],
  requires: [Init, Unreachable],
  provides: NamespacesJoined,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const opened: Array<Opened> = []
    const exit = yield* Effect.exit(openAndEnter(yield* Init, opened))
    // a descriptor of a host namespace would be a way out of the container: a close that fails is an error
    const closed = yield* Effect.forEach(opened, ({ fd }) => Effect.exit(sys.close({ fd })))
    yield* exit
    yield* Effect.all(closed, { discard: true })
  }).pipe(Effect.as(true as const))
})
