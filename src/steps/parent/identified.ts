/**
 * A container's first process, as a state names it.
 *
 * @category parent
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Container } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import { AT } from "../../native/constants.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { procNumber, procView } from "../proc/numbers.ts"
import { holdCalls, holdHidden, identify, statCalls } from "../proc/processes.ts"
import type { State } from "../state/State.ts"

/**
 * The calls that {@link identified} makes.
 *
 * @since 0.2.0
 */
export const identifyCalls = [...new Set([...statCalls, ...holdCalls, "readlinkat" as const])]

/** What a state says of a container's first process. */
type Identified = Pick<State, "init" | "namespacePaths">

/**
 * What a state says of a container's first process while `/proc` does not show it.
 *
 * @since 0.2.0
 */
export const identifiedLater = Effect.fnUntraced(function*(
  pid: AnyPid
): Effect.fn.Return<Required<Pick<State, "hidden">> | undefined, SyscallError, Kernel> {
  if ((yield* procView)._tag === "None") return undefined
  const hidden = yield* holdHidden(pid)
  return hidden === undefined ? undefined : { hidden }
})

/**
 * What a state says about the container's first process; `undefined` if `/proc` does not show that process.
 *
 * @since 0.2.0
 */
export const identified = (
  pid: AnyPid,
  container: Container
): Effect.Effect<Identified | undefined, SyscallError, Kernel> => identifiedIn(pid, container)

const identifiedIn = Effect.fnUntraced(function*(
  pid: AnyPid,
  { namespaces }: Container
): Effect.fn.Return<Identified | undefined, SyscallError, Kernel> {
  const view = yield* procView
  const identity = yield* identify(pid, view)
  if (identity === undefined) return undefined
  const number = yield* procNumber(pid, view)
  if (number === undefined) return { init: identity, namespacePaths: {} }
  // the runtime can't read this link of a process that it may not trace
  const pidNamespace = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/${number}/ns/pid` }).pipe(
    orOn(["ENOENT", "EACCES", "EPERM"], undefined)
  )
  return {
    init: { pid: identity.pid, startTime: identity.startTime, ...given({ pidNamespace }) },
    namespacePaths: Object.fromEntries(namespaces.map(({ type }) => [type, `/proc/${number}/ns/${type}`]))
  }
})
