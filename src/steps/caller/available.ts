/**
 * The capabilities that a process of a container can get.
 *
 * In a user namespace of the container's these are all that the kernel knows. Otherwise they are those in the caller's permitted
 * set and in its bounding set, which may lack some in a container or a service.
 *
 * @see capabilities(7), user_namespaces(7)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { numbers } from "../../config/capabilities.ts"
import { type Container, hasNamespace } from "../../config/Container.ts"
import { PR } from "../../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"

/** The numbers of all capabilities that a process of the container can have. */
export const available = (container: Container): Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const inNamespace = hasNamespace(container, "user")
    const { permitted } = yield* sys.capget({ pid: 0 })
    const found: Array<number> = []
    for (const capability of Object.values(numbers)) {
      const bounding = yield* sys.prctl({ option: PR.CAPBSET_READ, arg2: capability, arg3: 0, arg4: 0, arg5: 0 }).pipe(
        // the kernel does not know it
        orOn(["EINVAL"], undefined)
      )
      if (bounding === undefined) continue
      if (inNamespace || bounding === 1 && (permitted >> BigInt(capability) & 1n) === 1n) found.push(capability)
    }
    return found
  })
