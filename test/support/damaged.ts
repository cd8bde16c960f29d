/** A container of the model whose state can't be read any more. */
import * as Effect from "effect/Effect"
import { AT, O } from "../../src/native/constants.ts"
import { writeAll } from "../../src/native/Files.ts"
import { sys } from "../../src/native/Kernel.ts"
import type { State } from "../../src/testing/Testing.ts"
import { stateRoot } from "./flows/containers.ts"
import { perform } from "./flows/runs.ts"
import { id } from "./flows/scenes.ts"

const files = ["state.json", ".state.json.copy"]

/** The container's state, and the copy of it, are no states any more; or they are gone. */
export const damaged = (state: State.State, left: "text" | "nothing"): State.State => {
  const act = Effect.forEach(files, (file) =>
    Effect.gen(function*() {
      const path = `${stateRoot}/${id}/${file}`
      if (left === "nothing") return yield* sys.unlinkat({ dirfd: AT.FDCWD, path, flags: 0 })
      const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.WRONLY | O.TRUNC, mode: 0 })
      yield* writeAll(fd, Buffer.from("{"))
      yield* sys.close({ fd })
    }))
  return perform(state, act).model.state()
}
