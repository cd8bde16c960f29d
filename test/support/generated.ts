/**
 * Scenarios that nobody thought of: for each area, sequences of calls over a few names, paths, ids and flags, so that calls
 * often meet what earlier ones have left.
 *
 * What could wait for ever is opened so that it does not, and what a sequence leaves ends with its namespaces.
 */
import * as fc from "fast-check"
import { existsSync } from "node:fs"
import { AT, CLONE } from "../../src/native/constants.ts"
import { credentials, credentialStep } from "./generated/credentials.ts"
import { mountDataStep, numberStep, thingStart, thingStep, userSteps } from "./generated/data.ts"
import { descriptors, descriptorStep } from "./generated/descriptors.ts"
import { edgeStart, edgeSteps } from "./generated/edges.ts"
import { files, fileStart, fileStep } from "./generated/files.ts"
import { groups } from "./generated/groups.ts"
import { groupValueSteps } from "./generated/groupValues.ts"
import { inUserStart, inUserSteps } from "./generated/inUser.ts"
import { mounts, mountStart, mountStep } from "./generated/mounts.ts"
import { forkFlags, namespaces, namespaceStep } from "./generated/namespaces.ts"
import { network } from "./generated/network.ts"
import { from } from "./generated/parts.ts"
import { powerStart, powerSteps } from "./generated/powers.ts"
import { processes } from "./generated/processes.ts"
import { inFork, sequence } from "./generated/sequences.ts"
import { treeStart, treeSteps } from "./generated/trees.ts"
import { markOf } from "./mark.ts"
import { cwd, type Scenario } from "./parityLines.ts"
import { line } from "./vocabulary.ts"

const mixed = sequence(
  fc.oneof(
    fileStep,
    mountStep,
    credentialStep,
    descriptorStep,
    namespaceStep,
    inFork(forkFlags, fc.oneof(fileStep, mountStep, credentialStep))
  ),
  [...fileStart, ...mountStart],
  16
)

const mountData = sequence(mountDataStep, [
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: "e", mode: 0o755 })
], 14)

const things = sequence(
  fc.oneof({ weight: 20, arbitrary: thingStep }, { weight: 1, arbitrary: inFork(from(0, CLONE.NEWUSER), thingStep) }),
  thingStart,
  14
)

const users = sequence(userSteps, [], 10)

/** In a process of its own, since some numbers stay with it. */
const numbers = sequence(numberStep, [], 8).map((lines): Scenario => [{ fork: CLONE.NEWIPC | CLONE.NEWNET, lines }])

const trees = sequence(treeSteps, treeStart)

const inUser = sequence(inUserSteps, inUserStart, 8)

const powers = sequence(powerSteps, powerStart, 16)

const edges = sequence(edgeSteps, edgeStart, 16)

/** Every family at once, and in processes within processes. */
const steps = fc.oneof(
  fileStep,
  mountStep,
  credentialStep,
  descriptorStep,
  namespaceStep,
  mountDataStep,
  thingStep,
  userSteps,
  treeSteps,
  inUserSteps,
  powerSteps,
  edgeSteps
)

const everything = sequence(
  fc.oneof({ weight: 6, arbitrary: steps }, { weight: 1, arbitrary: inFork(forkFlags, steps, 8) }),
  [...fileStart, ...mountStart, ...thingStart, ...treeStart, ...powerStart, ...edgeStart],
  20
)

/** Groups of their own in each hierarchy, which are removed again after each sequence. */
const valued = markOf("runfx-values-")

const hierarchies = ["cpu", "memory", "cpuset", "freezer", "pids", "unified"].filter((name) =>
  existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`)
)

const groupValues = sequence(groupValueSteps(valued, hierarchies), [], 10).map((lines): Scenario => [
  ...hierarchies.flatMap((name) =>
    ["", "/a"].map((below) =>
      line("mkdirat", { dirfd: cwd, path: `/sys/fs/cgroup/${name}/${valued}${below}`, mode: 0o755 })
    )
  ),
  ...lines,
  ...hierarchies.flatMap((name) =>
    ["/a/b", "/a", ""].map((below) =>
      line("unlinkat", { dirfd: cwd, path: `/sys/fs/cgroup/${name}/${valued}${below}`, flags: AT.REMOVEDIR })
    )
  )
])

/** Sequences by area, each with its share of a run. */
export const areas: Readonly<Record<string, { readonly share: number; readonly sequences: fc.Arbitrary<Scenario> }>> = {
  files: { share: 5, sequences: files },
  mounts: { share: 5, sequences: mounts },
  credentials: { share: 5, sequences: credentials },
  processes: { share: 2, sequences: processes },
  descriptors: { share: 5, sequences: descriptors },
  namespaces: { share: 3, sequences: namespaces },
  network: { share: 2, sequences: network },
  groups: { share: 1, sequences: groups },
  mountData: { share: 4, sequences: mountData },
  things: { share: 5, sequences: things },
  users: { share: 3, sequences: users },
  numbers: { share: 3, sequences: numbers },
  mixed: { share: 3, sequences: mixed },
  trees: { share: 3, sequences: trees },
  inUser: { share: 3, sequences: inUser },
  powers: { share: 3, sequences: powers },
  edges: { share: 3, sequences: edges },
  everything: { share: 3, sequences: everything },
  ...hierarchies.length === 0 ? {} : { groupValues: { share: 1, sequences: groupValues } }
}
