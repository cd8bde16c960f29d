import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MAGIC } from "../../../src/native/constants.ts"
import { Kernel } from "../../../src/native/Kernel.ts"
import type { CgroupManager } from "../../../src/steps/cgroup/Manager.ts"
import { describeShortage, shortage } from "../../../src/steps/cgroup/shortage.ts"
import { scripted } from "../../support/scripted.ts"

const v2: CgroupManager = {
  version: "v2",
  paths: { unified: "/sys/fs/cgroup/box" },
  mountpoints: { unified: "/sys/fs/cgroup" },
  made: []
}

const v1: CgroupManager = {
  version: "v1",
  paths: { memory: "/sys/fs/cgroup/memory/box", pids: "/sys/fs/cgroup/pids/box" },
  mountpoints: { memory: "/sys/fs/cgroup/memory", pids: "/sys/fs/cgroup/pids" },
  made: []
}

/** What is short in a group with these files; the others are missing. */
const found = (manager: CgroupManager, files: Readonly<Record<string, string>>) => {
  let unread = ""
  const { kernel } = scripted((call) => {
    if (call._tag === "openat") return 3
    if (call._tag === "fstatfs") return { type: MAGIC.CGROUP2_SUPER_MAGIC, flags: 0 }
    if (call._tag === "openat2") {
      if (call.path === "box") return 4
      unread = files[call.path] ?? ""
      return files[call.path] === undefined ? "ENOENT" : 5
    }
    if (call._tag !== "read") return undefined
    const text = unread
    unread = ""
    return Buffer.from(text)
  })
  return Effect.runSync(Effect.provideService(shortage(manager), Kernel, kernel))
}

describe("what a container has run out of", () => {
  it("is what its cgroups count, in version 2", () => {
    const files = {
      "memory.events": "low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\n",
      "memory.max": "65536\n",
      "pids.events": "max 0\n",
      "pids.max": "max\n"
    }
    assert.deepStrictEqual(found(v2, files), { killed: 2, refused: 0, memoryLimit: 65_536n })
    assert.deepStrictEqual(found(v2, { ...files, "memory.max": "max\n" }), { killed: 2, refused: 0 })
    assert.deepStrictEqual(found(v2, { "pids.events": "max 3\n", "pids.max": "5\n" }), {
      killed: 0,
      refused: 3,
      pidsLimit: 5n
    })
  })

  it("is what its cgroups count, in version 1", () => {
    const files = {
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
      "memory.limit_in_bytes": "65536\n",
      "pids.events": "max 0\n"
    }
    assert.deepStrictEqual(found(v1, files), { killed: 1, refused: 0, memoryLimit: 65_536n })
    assert.deepStrictEqual(found(v1, { ...files, "memory.limit_in_bytes": "9223372036854771712\n" }), {
      killed: 1,
      refused: 0
    })
  })

  it("is nothing where nothing is counted, or no file is there", () => {
    assert.isUndefined(found(v2, {}))
    assert.isUndefined(found(v2, { "memory.events": "oom_kill 0\n", "pids.events": "max 0\n" }))
    assert.isUndefined(found(v1, {}))
  })

  it("is told with the limit, or with who else may have one", () => {
    assert.strictEqual(
      describeShortage({ killed: 1, refused: 2, memoryLimit: 4096n }),
      "the out-of-memory killer has ended 1 process of it: its memory limit is 4096 bytes; " +
        "2 forks were refused: a pids limit above its cgroup is reached"
    )
    assert.include(describeShortage({ killed: 2, refused: 0 }), "2 processes of it: a memory limit above its cgroup")
    assert.include(
      describeShortage({ killed: 0, refused: 1, pidsLimit: 3n }),
      "1 fork was refused: its pids limit is 3"
    )
  })
})
