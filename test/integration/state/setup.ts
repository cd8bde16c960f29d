/** What the tests of the state share. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Step from "../../../src/engine/Step.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { Kernel } from "../../../src/native/Kernel.ts"
import { ContainerId } from "../../../src/steps/state/ContainerId.ts"
import type { State } from "../../../src/steps/state/State.ts"
import { live } from "../../support/cgroups.ts"
import { container } from "../../support/steps.ts"

export const state = (id: string, given: Partial<State> = {}): State => ({
  id: ContainerId(id),
  init: { pid: 4711, startTime: 12345n },
  namespacePaths: { net: "/proc/4711/ns/net" },
  rootfs: "/srv/rootfs",
  bundle: "/srv",
  created: "2025-01-02T03:04:05.678Z",
  owner: 0,
  networks: [{ network: { strategy: "veth", name: "eth0" }, links: [] }],
  container: { ...container, cgroup: { devices: [], memory: { limit: 1n << 62n } } },
  ...given
})

/** Runs on the kernel of this host, with an empty directory for a root that is not there yet. */
export const withRoot = <A>(use: (root: string) => Effect.Effect<A, unknown, Kernel | Fork | Step.Rollback>) =>
  live(Effect.acquireUseRelease(
    Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "state-"))),
    (directory) => Effect.provideService(use(`${directory}/deep/root`), Step.Rollback, { add: () => undefined }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  ))
