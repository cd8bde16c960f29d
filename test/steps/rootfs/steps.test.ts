/** The steps of the root file system on a scripted kernel: what holds for several of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Container } from "../../../src/config/Container.ts"
import type * as Step from "../../../src/engine/Step.ts"
import { maskPaths } from "../../../src/steps/maskPaths.ts"
import { readonlyPaths } from "../../../src/steps/readonlyPaths.ts"
import { createDevices } from "../../../src/steps/rootfs/createDevices.ts"
import { createWorkingDirectory } from "../../../src/steps/rootfs/createWorkingDirectory.ts"
import { UnmappedIdError } from "../../../src/steps/rootfs/errors.ts"
import { Ownership } from "../../../src/steps/rootfs/facts.ts"
import { mountFilesystems } from "../../../src/steps/rootfs/mountFilesystems.ts"
import { ownershipInside } from "../../../src/steps/rootfs/ownershipInside.ts"
import { ownershipOutside } from "../../../src/steps/rootfs/ownershipOutside.ts"
import { setRootPropagation } from "../../../src/steps/rootfs/setRootPropagation.ts"
import { setDomainname } from "../../../src/steps/setDomainname.ts"
import { setHostname } from "../../../src/steps/setHostname.ts"
import { writeSysctl } from "../../../src/steps/writeSysctl.ts"
import { given } from "../../support/rootfsSteps.ts"
import { succeed } from "../../support/steps.ts"

describe("the steps of the root file system", () => {
  it("make no call where the configuration asks for nothing", () => {
    const idle: ReadonlyArray<Step.Any> = [
      ownershipInside,
      ownershipOutside,
      mountFilesystems,
      createDevices,
      createWorkingDirectory,
      setHostname,
      setDomainname,
      writeSysctl,
      readonlyPaths,
      maskPaths
    ]
    for (const step of idle) assert.deepStrictEqual(succeed(step, given()).trace, [], step.name)
    const without = given({ namespaces: [] }, { contained: false })
    assert.deepStrictEqual(succeed(setRootPropagation, without), { value: { contained: false }, trace: [] })
  })

  it("give ids as they are inside, and the host's outside", () => {
    const ids = (step: Step.Any, container: Partial<Container>) =>
      succeed(step, given(container)).value as Ownership["Service"]
    const mapped = {
      namespaces: [{ type: "user" }] as const,
      uidMappings: [{ containerId: 0, hostId: 1000, size: 10 }],
      gidMappings: [{ containerId: 5, hostId: 2000, size: 1 }]
    }
    assert.strictEqual(Effect.runSync(ids(ownershipInside, mapped).uid(3)), 3)
    const outside = ids(ownershipOutside, mapped)
    assert.isTrue(outside.outside)
    assert.strictEqual(Effect.runSync(outside.uid(3)), 1003)
    assert.strictEqual(Effect.runSync(outside.gid(5)), 2000)
    // what is root's is whose who stands for root
    assert.strictEqual(Effect.runSync(outside.gid(0)), 2000)
    assert.deepStrictEqual(Effect.runSync(Effect.flip(outside.gid(7))), new UnmappedIdError({ kind: "gid", id: 7 }))
  })
})
