/**
 * The environment of a program that is executed in a container: that of the container's configuration.
 *
 * It is not in the state, because it may hold secrets. It is not read from `/proc/<pid>/environ` either, which is memory of the
 * container's process: a user without privileges there could set a variable of a program that is executed as root.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Config from "../config/Config.ts"
import type { Process } from "../config/Container.ts"
import { defaultSpec } from "../config/defaults.ts"
import type { State } from "../steps/state/State.ts"

/**
 * The environment in the bundle's `config.json`, as it is now, if the container came from a bundle. Otherwise, or if that file
 * is gone or no longer a configuration, the default one. A state of 0.1.0 holds it itself.
 */
export const environmentOf = ({ bundle, container, rootfs }: State): Effect.Effect<Process["env"]> =>
  Effect.sync(() => {
    if (container.process.env.length > 0) return container.process.env
    if (bundle === undefined) return defaultSpec({ rootfs, args: ["/bin/sh"] }).process.env
    try {
      const decoded = Effect.runSyncExit(
        Effect.fromResult(Config.decode(readFileSync(join(bundle, "config.json"), "utf8"), bundle, {}))
      )
      if (Exit.isSuccess(decoded)) return decoded.value.container.process.env
    } catch {
      // the bundle may be gone by now: its container continues without it
    }
    return defaultSpec({ rootfs, args: ["/bin/sh"] }).process.env
  })
