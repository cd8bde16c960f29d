import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { containerOf } from "../../src/runtime/containerOf.ts"

const within = <A>(use: (directory: string) => A): A => {
  const directory = mkdtempSync(join(tmpdir(), "runfx-"))
  try {
    return use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const ids = [{ containerID: 0, hostID: 1001, size: 1 }]

const bundle = (directory: string, linux: object): string => {
  writeFileSync(
    join(directory, "config.json"),
    JSON.stringify({
      ociVersion: "1.2.0",
      root: { path: directory },
      process: { args: ["a"], cwd: "/" },
      linux: {
        namespaces: [{ type: "mount" }, { type: "user" }, { type: "cgroup" }],
        uidMappings: ids,
        gidMappings: ids,
        ...linux
      }
    })
  )
  return directory
}

const cgroupOf = (uid: number, linux: object) =>
  within((directory) =>
    Effect.runSync(
      containerOf({ bundle: bundle(directory, linux), cmd: [] }, { uid, gid: uid }, "/nowhere", Effect.succeed(""))
    ).container.cgroup
  )

describe("containerOf", () => {
  it("a user whose configuration asks for no cgroup gets none; root does", () => {
    assert.isUndefined(cgroupOf(1001, {}))
    assert.isDefined(cgroupOf(0, {}))
  })

  it("a user whose configuration names a cgroup or limits something is not let pass without", () => {
    assert.strictEqual(cgroupOf(1001, { cgroupsPath: "/mine" })?.path, "/mine")
    assert.strictEqual(cgroupOf(1001, { resources: { pids: { limit: 5 } } })?.pids?.limit, 5n)
    assert.isDefined(cgroupOf(1001, { resources: { devices: [{ allow: false, access: "rwm" }] } }))
  })

  it("what is wrong with a document as a whole is told of its file", () =>
    within((directory) => {
      const config = join(directory, "config.json")
      writeFileSync(config, "no JSON")
      const error = Effect.runSync(
        Effect.flip(containerOf({ config, cmd: [] }, { uid: 0, gid: 0 }, "/nowhere", Effect.succeed("")))
      )
      assert.include(error.message, `${config}: must be JSON`)
    }))
})
