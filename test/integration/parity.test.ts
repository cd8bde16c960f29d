/**
 * The model kernel held to the real one: the same scenarios on both, call by call.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isDeepStrictEqual } from "node:util"
import { fromHost, ModelKernel } from "../../src/testing/Testing.ts"
import { addresses } from "../parity/addresses.ts"
import { basics } from "../parity/basics.ts"
import { cgroupsV1 } from "../parity/cgroupsV1.ts"
import { cgroupsV2 } from "../parity/cgroupsV2.ts"
import { credentials } from "../parity/credentials.ts"
import { descriptors } from "../parity/descriptors.ts"
import { devices } from "../parity/devices.ts"
import { exec } from "../parity/exec.ts"
import { files } from "../parity/files.ts"
import { found } from "../parity/found.ts"
import { groupFiles } from "../parity/groupFiles.ts"
import { keyrings } from "../parity/keyrings.ts"
import { limits } from "../parity/limits.ts"
import { links } from "../parity/links.ts"
import { memoryFiles } from "../parity/memoryFiles.ts"
import { mountData } from "../parity/mountData.ts"
import { mounts } from "../parity/mounts.ts"
import { newMountApi } from "../parity/newMountApi.ts"
import { numbers } from "../parity/numbers.ts"
import { opening } from "../parity/opening.ts"
import { overlayfs } from "../parity/overlay.ts"
import { ownership } from "../parity/ownership.ts"
import { paths } from "../parity/paths.ts"
import { pidNamespaces } from "../parity/pidNamespaces.ts"
import { pivotRoot } from "../parity/pivotRoot.ts"
import { processes } from "../parity/processes.ts"
import { procFiles } from "../parity/procFiles.ts"
import { propagation } from "../parity/propagation.ts"
import { routes } from "../parity/routes.ts"
import { seccomp } from "../parity/seccomp.ts"
import { settings } from "../parity/settings.ts"
import { signals } from "../parity/signals.ts"
import { sockets } from "../parity/sockets.ts"
import { sysctl } from "../parity/sysctl.ts"
import { terminals } from "../parity/terminals.ts"
import { userNamespaces } from "../parity/userNamespaces.ts"
import { uts } from "../parity/uts.ts"
import { xattrs } from "../parity/xattrs.ts"
import { onLinux } from "../support/bounded.ts"
import { play } from "../support/parity.ts"
import { lengthened, pauses, type Scenario } from "../support/parityLines.ts"

/** By area; each is one file of `test/parity`. */
const areas: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = {
  paths,
  mounts,
  mountData,
  propagation,
  pivotRoot,
  newMountApi,
  overlayfs,
  files,
  memoryFiles,
  numbers,
  opening,
  xattrs,
  addresses,
  basics,
  cgroupsV1,
  cgroupsV2,
  sockets,
  descriptors,
  keyrings,
  limits,
  links,
  processes,
  routes,
  seccomp,
  procFiles,
  settings,
  signals,
  sysctl,
  terminals,
  uts,
  credentials,
  devices,
  exec,
  found,
  groupFiles,
  userNamespaces,
  ownership,
  pidNamespaces
}

const onModel = (scenario: Scenario) =>
  Effect.suspend(() => Effect.provide(play(scenario), ModelKernel.make(fromHost()).layer))

for (const [area, scenarios] of Object.entries(areas)) {
  // cgroups of a version that this machine has not
  if (Object.keys(scenarios).length === 0) continue
  describe(`the model kernel does as Linux does: ${area}`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      it.effect(name, () =>
        Effect.gen(function*() {
          for (const times of [1, 8, 64]) {
            const slower = lengthened(scenario, times)
            const expected = yield* onLinux(() => `${area}: ${name}`, play(slower))
            const actual = yield* onModel(slower)
            // a busy machine is behind with what it does later: a difference is one if it stays, however long the pauses are
            if (times < 64 && pauses(scenario) && !isDeepStrictEqual(actual, expected)) continue
            assert.deepStrictEqual(actual, expected)
            break
          }
        }))
    }
  })
}
