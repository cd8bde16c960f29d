/**
 * Whether a call that waits keeps this process alive. By default it does. But an idle application must be able to end
 * although something waits that may never be needed, such as a sandbox in a pool.
 */
import * as Context from "effect/Context"

/** Whether a call that waits on the event loop keeps this process alive; `true` by default. */
export const KeepsAlive = Context.Reference<boolean>("runfx/native/KeepsAlive", { defaultValue: () => true })
