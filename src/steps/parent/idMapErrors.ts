/**
 * Why the kernel refused a map of ids: its rules are checked one by one afterwards.
 *
 * @see user_namespaces(7), "Defining user and group ID mappings"
 * @category parent
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { IdMapping } from "../../config/Container.ts"
import { PR } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { authority, authorityCalls, holds } from "../caller/authority.ts"
import { hasRange, ownMap, ownMapCalls } from "../caller/ownMap.ts"

/**
 * Users or groups.
 *
 * @since 0.2.0
 */
export type IdKind = "uid" | "gid"

/**
 * The calls that {@link whyDenied} and {@link whyRefused} make; for the headers of steps.
 *
 * @since 0.2.0
 */
export const reasonCalls = [...authorityCalls, ...ownMapCalls, "prctl"] as const

const rangeText = ({ hostId, size }: IdMapping): string =>
  size === 1 ? `${hostId}` : `${hostId} to ${hostId + size - 1}`

/**
 * The kernel refused an id map.
 *
 * @since 0.2.0
 */
export class IdMapDenied extends Data.TaggedError("IdMapDenied")<{
  readonly kind: IdKind
  readonly reason: SyscallError
  /** The capability that the caller lacks for it. */
  readonly lacks?: "CAP_SETUID" | "CAP_SETGID" | "CAP_SETFCAP"
  /** A range that the caller's own user namespace does not have. */
  readonly outside?: IdMapping
}> {
  /** The errno. */
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  override get message(): string {
    return this.reason.message
  }
  get advice(): string | undefined {
    const { kind, lacks, outside, reason } = this
    if (reason.call._tag === "openat") {
      return "the runtime needs a procfs of its own pid namespace at /proc: mount one there (mount -t proc proc /proc)"
    }
    if (outside !== undefined) {
      return `the runtime's own user namespace does not have the ${kind} ${rangeText(outside)}: map only ids that ` +
        `/proc/self/${kind}_map has`
    }
    if (lacks === "CAP_SETFCAP") {
      return "since Linux 5.12 it takes CAP_SETFCAP to map uid 0, and the runtime lacks it: run it with that capability " +
        "(in another runfx: --cap-add SETFCAP there) or as another user, or map other ids of the host"
    }
    if (lacks !== undefined) return `the runtime lacks ${lacks}: run it with that capability, or map only your own id`
    switch (reason.code) {
      case "EPERM":
        return "the kernel's own rules allow it: a security module or a seccomp filter around the runtime forbids it"
      case "EINVAL":
        return "the ranges overlap, are empty, or are more than 340"
      default:
        return undefined
    }
  }
}

/**
 * Finds the rule that a map has broken.
 *
 * @since 0.2.0
 */
export const whyDenied = (
  reason: SyscallError,
  kind: IdKind,
  mappings: ReadonlyArray<IdMapping>
): Effect.Effect<IdMapDenied, never, Kernel> =>
  Effect.gen(function*() {
    if (reason.code !== "EPERM" || reason.call._tag !== "write" || mappings.length === 0) {
      return new IdMapDenied({ kind, reason })
    }
    const outer = yield* ownMap(kind)
    const outside = mappings.find(({ hostId, size }) => !hasRange(outer, hostId, size))
    if (outside !== undefined) return new IdMapDenied({ kind, reason, outside })
    const caller = yield* authority
    const mapsRoot = kind === "uid" && mappings.some(({ hostId }) => hostId === 0)
    if (mapsRoot && !holds(caller, "SETFCAP")) return new IdMapDenied({ kind, reason, lacks: "CAP_SETFCAP" })
    const own = kind === "uid" ? caller.uid : caller.gid
    const isOwn = mappings.length === 1 && mappings[0]!.size === 1 && mappings[0]!.hostId === own
    const needed = kind === "uid" ? "SETUID" : "SETGID"
    return isOwn || holds(caller, needed)
      ? new IdMapDenied({ kind, reason })
      : new IdMapDenied({ kind, reason, lacks: `CAP_${needed}` })
    // if the look-up fails, the refusal is reported without an explanation
  }).pipe(Effect.orElseSucceed(() => new IdMapDenied({ kind, reason })))

/** newuidmap(1) or newgidmap(1) refused, or is not there. */
export class IdMapRefused extends Data.TaggedError("IdMapRefused")<{
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly status: number
  /** Whether no program that the runtime starts can gain privileges. */
  readonly noNewPrivileges: boolean
}> {
  override get message(): string {
    return `${this.program} ${this.args.join(" ")} ended with status ${this.status}`
  }
  get advice(): string {
    const { noNewPrivileges, program, status } = this
    const file = program.endsWith("newuidmap") ? "/etc/subuid" : "/etc/subgid"
    if (status === 127) {
      return "install newuidmap and newgidmap (package uidmap or shadow-utils), or map only your own id"
    }
    if (noNewPrivileges) {
      return "the runtime was started with no_new_privs, under which no program gains privileges: start it without " +
        "(systemd: NoNewPrivileges=no), or map only your own id"
    }
    return `grant the range to the user in ${file}, or map only your own id; if it is granted, check whether ${program} ` +
      "has its set-user-id bit (or capabilities of its own) and lies on a file system without nosuid"
  }
}

/**
 * Finds out what keeps a helper from working.
 *
 * @since 0.2.0
 */
export const whyRefused = (
  program: string,
  args: ReadonlyArray<string>,
  status: number
): Effect.Effect<never, IdMapRefused, Kernel> => {
  const option = { option: PR.GET_NO_NEW_PRIVS, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }
  return Effect.flatMap(
    Effect.orElseSucceed(sys.prctl(option), () => 0),
    (value) => Effect.fail(new IdMapRefused({ program, args, status, noNewPrivileges: value === 1 }))
  )
}

/** newuidmap(1) or newgidmap(1) did not end. */
export class IdMapHelperStuck extends Data.TaggedError("IdMapHelperStuck")<{
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly milliseconds: number
}> {
  override get message(): string {
    return `${this.program} ${this.args.join(" ")} did not end within ${this.milliseconds} ms, and is killed`
  }
  get advice(): string {
    return "it asks the host's user database for subordinate ids (subid in /etc/nsswitch.conf): see whether that answers"
  }
}
