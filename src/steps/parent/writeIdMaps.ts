/**
 * Write the id maps of the init's new user namespace, from outside: in one write(2) a map, once.
 *
 * Root writes them itself. A user without privileges may map only the own id that way, and must give up setgroups(2)
 * first; for more, newuidmap(1) and newgidmap(1) write what /etc/subuid and /etc/subgid grant.
 *
 * @see user_namespaces(7), newuidmap(1)
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Container, IdMapping } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { AT, CLD, CLONE, O } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { Fork } from "../../native/Fork.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { childCalls, spawnChild } from "./child.ts"
import { peerCalls, reap, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, IdsMapped } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** newuidmap(1) or newgidmap(1) refused, or is not there. */
export class IdMapRefused extends Data.TaggedError("IdMapRefused")<{
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly status: number
}> {
  override get message(): string {
    return `${this.program} ${this.args.join(" ")} ended with status ${this.status}`
  }
  get advice(): string {
    const file = this.program.endsWith("newuidmap") ? "/etc/subuid" : "/etc/subgid"
    return this.status === 127
      ? `install newuidmap and newgidmap (package uidmap or shadow-utils), or map only your own id`
      : `grant the range to the user in ${file}, or map only your own id`
  }
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

const line = ({ containerId, hostId, size }: IdMapping): string => `${containerId} ${hostId} ${size}\n`

const write = (path: string, text: string): Effect.Effect<void, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.WRONLY | O.CLOEXEC, mode: 0 }),
    // the kernel takes a map in one write only
    (fd) => Effect.asVoid(sys.write({ fd, data: Buffer.from(text) }))
  )

const helper = Effect.fnUntraced(function*(
  program: string,
  pid: number,
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
  const { pidfd } = yield* spawnChild(0, child, (end) => Effect.suspend(() => finished ? Effect.void : end))
  const status = yield* reap(pidfd, patience)
  if (status === null) return yield* new IdMapHelperStuck({ program, args, milliseconds: patience })
  yield* Effect.uninterruptible(Effect.suspend(() => {
    finished = true
    return sys.close({ fd: pidfd })
  }))
  if (status.code === CLD.EXITED && status.status === 0) return
  return yield* new IdMapRefused({ program, args, status: status.status })
})

const isOwnIdOnly = (mappings: ReadonlyArray<IdMapping>, id: number): boolean =>
  mappings.length === 1 && mappings[0]!.size === 1 && mappings[0]!.hostId === id

/** Writes both maps; does nothing for a container without a new user namespace. */
export const writeIdMaps = Step.make("writeIdMaps", {
  doc: "map the ids of the new user namespace",
  calls: ["getresuid", "getresgid", "openat", "write", "execve", "exit_group", ...childCalls, ...peerCalls],
  requires: [Launch, Channel, ClonedProcess, Fork],
  provides: IdsMapped,
  reversal: "compensated",
  advice: {
    EPERM: "the map holds ids that the caller may not use: map only ids that /etc/subuid and /etc/subgid grant",
    EINVAL: "the ranges overlap, are empty, or are more than 340"
  },
  run: Effect.gen(function*() {
    const { container, namespaces, patience } = yield* Launch
    if ((namespaces.clone & CLONE.NEWUSER) === 0) return true as const
    const { parent: channel } = yield* Channel
    const { pid, pidfd } = yield* ClonedProcess
    yield* whileInitWaits({ channel, pidfd, patience }, writeMaps(pid, container, patience))
    return true as const
  })
})

const writeMaps = Effect.fnUntraced(function*(
  pid: number,
  { gidMappings, uidMappings }: Container,
  patience: number
) {
  const uid = (yield* sys.getresuid({})).effective
  const gid = (yield* sys.getresgid({})).effective
  const proc = `/proc/${pid}`
  if (uid === 0) {
    yield* write(`${proc}/uid_map`, uidMappings.map(line).join(""))
    yield* write(`${proc}/gid_map`, gidMappings.map(line).join(""))
    return
  }
  if (isOwnIdOnly(uidMappings, uid)) yield* write(`${proc}/uid_map`, uidMappings.map(line).join(""))
  else yield* helper("/usr/bin/newuidmap", pid, uidMappings, patience)
  if (isOwnIdOnly(gidMappings, gid)) {
    // since Linux 3.19 (CVE-2014-8989): who could drop a group could gain what the group is denied
    yield* write(`${proc}/setgroups`, "deny")
    yield* write(`${proc}/gid_map`, gidMappings.map(line).join(""))
  } else yield* helper("/usr/bin/newgidmap", pid, gidMappings, patience)
})
