/**
 * Whether this process stays for a call that waits. It does by default; a wait for what may never come (a sandbox that
 * nobody asks for) must not keep an application that has nothing else to do from its end.
 */
import * as Context from "effect/Context"

/** Whether a call that waits on the event loop keeps this process from its end; `true` if nothing is said. */
export const KeepsAlive = Context.Reference<boolean>("runfx/native/KeepsAlive", { defaultValue: () => true })
