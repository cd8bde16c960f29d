/**
 * Write the id maps of the init's new user namespace, from outside: each map once, by one write(2).
 *
 * A caller with CAP_SETUID and CAP_SETGID writes them itself. Any other caller can write only a map of its own id, and
 * must give up setgroups(2) first. For more, newuidmap(1) and newgidmap(1) write what /etc/subuid and /etc/subgid grant.
 *
 * @see user_namespaces(7), newuidmap(1)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type Container, type IdMapping, mapText } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { AT, CLD, CLONE, O } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { Fork } from "../../native/Fork.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { authority, authorityCalls, holds } from "../caller/authority.ts"
import { mapPrograms } from "../caller/subordinateIds.ts"
import { procNumber, procView, viewCalls } from "../proc/numbers.ts"
import { childCalls, spawnChild } from "./child.ts"
import { peerCalls, reapWithin, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, IdsMapped } from "./facts.ts"
import { type IdKind, type IdMapDenied, IdMapHelperStuck, reasonCalls, whyDenied, whyRefused } from "./idMapErrors.ts"
import { Launch } from "./Launch.ts"

/** Writes one of the files that map the ids of a namespace; the kernel accepts a map only as one write. */
const write = (
  pid: AnyPid,
  kind: IdKind,
  text: string,
  file = `${kind}_map`,
  mappings: ReadonlyArray<IdMapping> = []
): Effect.Effect<void, SyscallError | IdMapDenied, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path: `/proc/${pid}/${file}`, flags: O.WRONLY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.asVoid(sys.write({ fd, data: Buffer.from(text) }))
  ).pipe(Effect.catchTag("SyscallError", (reason) => Effect.flatMap(whyDenied(reason, kind, mappings), Effect.fail)))

const writeMap = (pid: AnyPid, kind: IdKind, mappings: ReadonlyArray<IdMapping>) =>
  write(pid, kind, mapText(mappings), `${kind}_map`, mappings)

const helper = Effect.fnUntraced(function*(
  program: string,
  pid: AnyPid,
  mappings: ReadonlyArray<IdMapping>,
  patience: number
) {
  const args = [
    String(pid),
    ...mappings.flatMap(({ containerId, hostId, size }) => [containerId, hostId, size].map(String))
  ]
  const child = Effect.catch(
    sys.execve({ path: program, argv: [program, ...args], envp: [] }),
    () => sys.exit_group({ status: 127 })
  )
  let finished = false
  const { forget, pidfd } = yield* spawnChild(0, child, [], (end) => Effect.suspend(() => finished ? Effect.void : end))
  const status = yield* reapWithin(pidfd, patience)
  if (status === null) return yield* new IdMapHelperStuck({ program, args, milliseconds: patience })
  yield* Effect.uninterruptible(Effect.suspend(() => {
    finished = true
    return Effect.ensuring(sys.close({ fd: pidfd }), forget)
  }))
  if (status.code === CLD.EXITED && status.status === 0) return
  return yield* whyRefused(program, args, status.status)
})

const isOwnIdOnly = (mappings: ReadonlyArray<IdMapping>, id: number): boolean =>
  mappings.length === 1 && mappings[0]!.size === 1 && mappings[0]!.hostId === id

/** Writes both maps; does nothing for a container without a new user namespace. */
export const writeIdMaps = Step.make("writeIdMaps", {
  doc: "map the ids of the new user namespace",
  calls: [
    ...new Set([
      "openat" as const,
      "write" as const,
      "execve" as const,
      "exit_group" as const,
      ...authorityCalls,
      ...viewCalls,
      ...reasonCalls,
      ...childCalls,
      ...peerCalls
    ])
  ],
  requires: [Launch, Channel, ClonedProcess, Fork],
  provides: IdsMapped,
  reversal: "compensated",
  run: Effect.gen(function*() {
    const { namespaces, patience, record: { container } } = yield* Launch
    if ((namespaces.clone & CLONE.NEWUSER) === 0) return true as const
    const { parent: channel } = yield* Channel
    const { pid, pidfd, report } = yield* ClonedProcess
    const write = Effect.gen(function*() {
      // /proc may show an outer pid namespace, where another process has this number
      const number = yield* procNumber(pid, yield* procView)
      yield* writeMaps(number ?? pid, container, patience)
    })
    yield* whileInitWaits({ channel, pidfd, report }, write)
    return true as const
  })
})

const writeMaps = Effect.fnUntraced(function*(
  pid: AnyPid,
  { gidMappings, uidMappings }: Container,
  patience: number
) {
  const caller = yield* authority
  if (holds(caller, "SETUID") || isOwnIdOnly(uidMappings, caller.uid)) yield* writeMap(pid, "uid", uidMappings)
  else yield* helper(mapPrograms.uid, pid, uidMappings, patience)
  if (holds(caller, "SETGID")) yield* writeMap(pid, "gid", gidMappings)
  else if (isOwnIdOnly(gidMappings, caller.gid)) {
    // since Linux 3.19 (CVE-2014-8989): a process that drops a group could gain access that the group is denied
    yield* write(pid, "gid", "deny", "setgroups")
    yield* writeMap(pid, "gid", gidMappings)
  } else yield* helper(mapPrograms.gid, pid, gidMappings, patience)
})
