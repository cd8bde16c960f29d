/** no_new_privs, keyrings, and what else a program is given. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as nodeProcess from "node:process"
import * as Step from "../../../src/engine/Step.ts"
import * as c from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { applyLabels } from "../../../src/steps/applyLabels.ts"
import { dropBoundingSet } from "../../../src/steps/dropBoundingSet.ts"
import { joinSessionKeyring } from "../../../src/steps/joinSessionKeyring.ts"
import { populateEnv } from "../../../src/steps/populateEnv.ts"
import { protectProcess } from "../../../src/steps/protectProcess.ts"
import { restoreParentDeathSignal } from "../../../src/steps/restoreParentDeathSignal.ts"
import { saveParentDeathSignal } from "../../../src/steps/saveParentDeathSignal.ts"
import { sessionKeyring } from "../../../src/steps/sessionKeyring.ts"
import { setKeepCaps } from "../../../src/steps/setKeepCaps.ts"
import { setupUser } from "../../../src/steps/setupUser.ts"
import { verifyParent } from "../../../src/steps/verifyParent.ts"
import { inChild } from "../../support/child.ts"
import { init } from "../../support/steps.ts"
import { directory, exec, failing, finalize, type Given, runSteps, sleeping, user } from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("the rest", () => {
    const inited = (steps: ReadonlyArray<Step.Any>, given: Given = {}) =>
      runSteps(steps, init({ parentPid: nodeProcess.pid, ...given }))

    it.effect("the parent-death signal outlives the change of the user", () =>
      Effect.gen(function*() {
        const steps = [
          populateEnv,
          saveParentDeathSignal,
          dropBoundingSet,
          setKeepCaps,
          setupUser,
          restoreParentDeathSignal,
          verifyParent
        ]
        const get = sys.prctl({ option: c.PR.GET_PDEATHSIG, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
        const given = { container: { parentDeathSignal: c.SIG.TERM }, process: { user: user(1000, 1000) } }
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited(steps, given), get)), c.SIG.TERM)
        const cleared = steps.filter(({ name }) => name !== "restoreParentDeathSignal")
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited(cleared, given), get)), 0)
      }))

    it.effect("another parent is noticed", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(inChild(0, inited([verifyParent], { parentPid: 1 })))
        assert.include(error.message, "the parent process is gone")
      }))

    it.effect("the process is not dumpable", () =>
      Effect.gen(function*() {
        const get = sys.prctl({ option: c.PR.GET_DUMPABLE, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
        assert.strictEqual(yield* inChild(0, get), 1)
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited([protectProcess]), get)), 0)
      }))

    it.effect("the session keyring is the container's own, and a later process finds it by name", () =>
      Effect.gen(function*() {
        /** `KEY_SPEC_SESSION_KEYRING` of keyctl(2). */
        const session = -3
        const get = sys.keyctl({ operation: c.KEYCTL.GET_KEYRING_ID, arg2: session, arg3: 0 })
        const id = `runfx-test-${nodeProcess.pid}`
        const pair = Effect.gen(function*() {
          const before = yield* get
          yield* inited([sessionKeyring], { id })
          const joined = yield* inChild(0, Effect.andThen(inited([joinSessionKeyring], { id }), get))
          return { before, own: yield* get, joined }
        })
        const { before, joined, own } = yield* inChild(0, pair)
        assert.notStrictEqual(own, before)
        assert.strictEqual(joined, own)
      }))

    it.effect("a missing program is exit status 127, one without permission 126", () =>
      Effect.gen(function*() {
        fs.writeFileSync(path.join(directory, "plain"), "", { mode: 0o644 })
        const run = (program: string) =>
          failing({ steps: [...finalize, exec], given: { process: { ...sleeping, args: [program] } } })
        const missing = yield* run("no-such-program")
        assert.include(missing.message, "\"no-such-program\" is in no directory of PATH=/usr/bin:/bin")
        const plain = yield* run(path.join(directory, "plain"))
        assert.include(plain.message, "can't be executed by uid 0: permission denied")
        assert.strictEqual((yield* run(directory)).reason, "ProgramNotExecutable")
      }))

    it.effect("labels are refused where no security module takes them", (context) =>
      Effect.gen(function*() {
        const modules = fs.existsSync("/sys/kernel/security/lsm")
          ? fs.readFileSync("/sys/kernel/security/lsm", "utf8")
          : ""
        if (/apparmor|selinux/.test(modules)) return context.skip("this host has a security module")
        for (const process of [{ apparmorProfile: "box" }, { selinuxLabel: "a:b:c:s0" }]) {
          const error = yield* failing({ steps: [applyLabels], given: { process } })
          assert.strictEqual(error.reason, "LabelError")
          assert.include(error.failure?.advice, "is enabled")
        }
      }))
  })
})
