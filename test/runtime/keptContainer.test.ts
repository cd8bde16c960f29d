/** Which container a start has, if the same one is started again. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { decode } from "../../src/config/Config.ts"
import type { Container } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { immutable, isImmutable } from "../../src/engine/immutable.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { ModelKernel } from "../../src/testing/Testing.ts"

const files = { "/srv/web/bin/server": { mode: 0o755, text: "\x7fELF" } }
const made = (): Container => defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })

const start = (container: Container) => {
  const launch = Runtime.launchOf({ id: "web", container, stateRoot: "/run/runfx" })
  return Effect.runSyncExit(Effect.provide(launch, ModelKernel.make({ cgroup: "v2", files }).layer))
}

const recordOf = (container: Container) => {
  const exit = start(container)
  if (Exit.isFailure(exit)) throw new Error(Cause.pretty(exit.cause))
  return exit.value.record
}

/** As plain JavaScript does it. */
const change = (value: object, parts: object): void => void Object.assign(value, parts)

describe("a container that is started again", () => {
  it("is the same object from the second start on, with its process, and can't be changed", () => {
    const container = made()
    const [first, second, third] = [recordOf(container), recordOf(container), recordOf(container)]
    assert.deepStrictEqual(second, first)
    assert.isTrue(isImmutable(second.container))
    assert.strictEqual(third.container, second.container)
    assert.strictEqual(third.process, second.container.process)
    assert.isFalse(Object.isFrozen(container))
  })

  it("is itself from the first start on if nobody can change it", () => {
    const container = immutable(made())!
    for (let time = 0; time < 3; time++) assert.strictEqual(recordOf(container).container, container)
  })

  it("is what its document is decoded to, if that is decoded again", () => {
    const process = { args: ["/bin/server"], cwd: "/", capabilities: {} }
    const text = JSON.stringify({ ociVersion: "1.2.0", root: { path: "/srv/web" }, process })
    const decoded = () => Result.getOrThrow(decode(text, "/srv")).container
    recordOf(decoded())
    for (let time = 0; time < 3; time++) assert.strictEqual(recordOf(decoded()).container, decoded())
  })

  it("has no capabilities if it names none, and is the same object all the same", () => {
    const { process: { capabilities: _, ...process }, ...rest } = made()
    const container = { ...rest, process }
    const [first, second, third] = [recordOf(container), recordOf(container), recordOf(container)]
    assert.deepStrictEqual(second, first)
    assert.deepStrictEqual(second.process.capabilities?.bounding, [])
    assert.strictEqual(third.container, second.container)
    assert.isUndefined(container.process["capabilities" as never])
  })

  it("is checked again if it was changed, and started as it is then", () => {
    const container = made()
    for (let time = 0; time < 3; time++) recordOf(container)
    change(container.process, { args: ["/bin/other"] })
    for (let time = 0; time < 3; time++) assert.deepStrictEqual(recordOf(container).process.args, ["/bin/other"])
    change(container.process, { cwd: "relative" })
    for (let time = 0; time < 3; time++) {
      const exit = start(container)
      assert.match(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "", /process\.cwd = "relative"/)
    }
  })

  it("is the caller's own object each time if it holds a secret, which nothing keeps", () => {
    const { process, ...rest } = made()
    const container = { ...rest, process: { ...process, env: [Redacted.make("TOKEN=abc")] } }
    for (let time = 0; time < 3; time++) assert.strictEqual(recordOf(container).container, container)
    change(container.process, { env: [] })
    for (let time = 0; time < 3; time++) assert.strictEqual(recordOf(container).container, container)
  })
})
