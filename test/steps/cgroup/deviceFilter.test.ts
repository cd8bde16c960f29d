import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DeviceRule } from "../../../src/config/Container.ts"
import { allowDefaults, defaultRules, denyAll } from "../../../src/config/devices.ts"
import * as ModelKernel from "../../../src/model/ModelKernel.ts"
import { type Options, seed } from "../../../src/model/Seed.ts"
import { AT } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Cgroup from "../../../src/steps/cgroup/Cgroup.ts"
import { applyLimits } from "../../../src/steps/cgroup/limits.ts"
import { capabilities } from "../../support/callers.ts"

const group = "/sys/fs/cgroup/box"

const manager: Cgroup.CgroupManager = {
  version: "v2",
  paths: { unified: group },
  mountpoints: { unified: "/sys/fs/cgroup" },
  made: [group]
}

/** As {@link manager}, of version 1. */
const devicesOf = "/sys/fs/cgroup/devices/box"
const manager1: Cgroup.CgroupManager = {
  version: "v1",
  paths: { devices: devicesOf },
  mountpoints: { devices: "/sys/fs/cgroup/devices" },
  made: [devicesOf]
}

const rule = (allow: boolean): DeviceRule => ({ allow, type: "c", major: 1, minor: 3, access: "rwm" })

/** Limits a group that is the caller's, who may load no BPF program. */
const limited = (devices: ReadonlyArray<DeviceRule>, host: Options) =>
  Effect.gen(function*() {
    yield* sys.mkdirat({ dirfd: AT.FDCWD, path: group, mode: 0o755 })
    const { permitted } = yield* sys.capget({ pid: 0 })
    const kept = permitted & (host.capabilities ?? 0n)
    yield* sys.capset({ effective: kept, permitted: kept, inheritable: 0n })
    yield* applyLimits(manager, { devices, pids: { limit: 5n } })
  })

const run = (devices: ReadonlyArray<DeviceRule>, host: Options = {}) =>
  Effect.runSync(
    Effect.result(Effect.provide(limited(devices, host), ModelKernel.make(seed({ cgroup: "v2" })).layer))
  )

const refusal = (devices: ReadonlyArray<DeviceRule>, host: Options = {}) => {
  const result = run(devices, host)
  assert.strictEqual(result._tag, "Failure", "the filter should be missed")
  return (result as Extract<typeof result, { readonly _tag: "Failure" }>).failure
}

describe("a caller who may load no device filter", () => {
  it("gets its limits where the rules deny no more than those of every container", () => {
    for (const devices of [[denyAll, ...defaultRules], [denyAll, rule(true), ...defaultRules], [rule(true)]]) {
      assert.strictEqual(run(devices)._tag, "Success")
    }
  })

  it("is told of rules that deny more", () => {
    const error = refusal([denyAll, ...defaultRules, rule(false)])
    assert.strictEqual(error._tag, "DeviceFilterRefused")
    assert.include((error as { readonly advice?: string }).advice, "CAP_BPF")
  })

  it("nor write rules in a cgroup of version 1, is the same", () => {
    const tried = (devices: ReadonlyArray<DeviceRule>) =>
      Effect.runSync(Effect.result(
        Effect.gen(function*() {
          yield* sys.mkdirat({ dirfd: AT.FDCWD, path: devicesOf, mode: 0o755 })
          yield* sys.capset({ effective: 0n, permitted: 0n, inheritable: 0n })
          yield* applyLimits(manager1, { devices })
        }).pipe(Effect.provide(ModelKernel.make(seed({ cgroup: "v1" })).layer))
      ))
    assert.strictEqual(tried([denyAll, ...defaultRules])._tag, "Success")
    assert.include(JSON.stringify(tried([denyAll])), "CgroupValueRefused")
  })

  it("and who may make device nodes is not let pass without a filter", () => {
    const error = refusal([denyAll, ...defaultRules], { capabilities: capabilities("MKNOD") })
    assert.strictEqual(error._tag, "DeviceFilterRefused")
  })
})

it("rules deny no more than those of every container if they end in these, or deny nothing", () => {
  assert.isTrue(allowDefaults([denyAll, ...defaultRules]))
  assert.isTrue(allowDefaults([denyAll, denyAll, rule(false), ...defaultRules]))
  assert.isTrue(allowDefaults([]))
  assert.isFalse(allowDefaults([denyAll]))
  assert.isFalse(allowDefaults([denyAll, ...defaultRules, rule(false)]))
})
