/** A state is written by several steps: what to do if it can't be is the same for each, and not what that step is for. */
import { describe, it } from "@effect/vitest"
import { defaultSpec } from "../../../src/config/defaults.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { unwritable } from "../../../src/steps/state/errors.ts"
import { Check, Faults } from "../../../src/testing/Testing.ts"

const start = Runtime.create({
  id: "web",
  container: defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] }),
  stateRoot: "/run/runfx"
})
const machine = { files: { "/srv/web/bin/server": { mode: 0o755 } } }
const toWriter = (call: { readonly _tag: string; readonly path?: string }) =>
  call._tag === "openat2" && call.path?.startsWith(".state.json.") === true

describe("a state that can't be written", () => {
  // in the order of what they write
  const steps = ["createState", "createCgroup"]

  for (const code of ["ENOSPC", "EDQUOT", "EROFS", "EFBIG"] as const) {
    it(`is what the advice is about, whichever step writes it: ${code}`, () => {
      for (const [nth, step] of steps.entries()) {
        let seen = 0
        const faults = Faults.failWhen((call) => toWriter(call) && seen++ === nth, code)
        Check.failed(Check.run(start, { machine, faults }), { step, code, message: unwritable[code]! })
      }
    })
  }
})
