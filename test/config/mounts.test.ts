/** Mounts and devices as engines write them: what a `config.json` means by them. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decode } from "../../src/config/Config.ts"
import { defaultRules } from "../../src/config/devices.ts"

const decoded = (more: { readonly mounts?: unknown; readonly linux?: object }) =>
  Result.getOrThrow(decode(
    JSON.stringify({
      ociVersion: "1.2.0",
      root: { path: "/r" },
      process: { args: ["a"], cwd: "/" },
      mounts: more.mounts ?? [],
      linux: { namespaces: [{ type: "mount" }], ...more.linux }
    }),
    "/bundle"
  ))

describe("mounts", () => {
  it("may be below the root by way of `..`", () => {
    const { container } = decoded({ mounts: [{ destination: "/a/../tmp", type: "tmpfs", source: "tmpfs" }] })
    assert.strictEqual(container.mounts[0]!.destination, "/a/../tmp")
  })

  it("without a mount namespace get one, and say so; their masks alone need one", () => {
    const mounts = [{ destination: "/tmp", type: "tmpfs", source: "tmpfs" }]
    const { container, notices } = decoded({ mounts, linux: { namespaces: [{ type: "pid" }] } })
    assert.deepStrictEqual(container.namespaces, [{ type: "pid" }, { type: "mnt" }])
    assert.match(notices.map(({ path, rule }) => `${path} ${rule}`).join(), /^linux\.namespaces has no mount namespace/)
    assert.deepStrictEqual(decoded({ linux: { namespaces: [] } }).container.namespaces, [])
    assert.throws(() => decoded({ linux: { namespaces: [], maskedPaths: ["/x"] } }), /needs a private mount namespace/)
  })
})

describe("devices", () => {
  it("may be given twice where they are the same", () => {
    const device = { path: "/dev/x1", type: "c", major: 1, minor: 3 }
    assert.lengthOf(decoded({ linux: { devices: [device, device] } }).container.devices, 8)
    assert.throws(
      () => decoded({ linux: { devices: [device, { ...device, minor: 5 }] } }),
      /linux\.devices\[1\]\.path = "\/dev\/x1": must not be given twice with different values/
    )
  })

  it("may be the one that makes network interfaces, as with runc and crun", () => {
    assert.deepInclude(defaultRules, { allow: true, type: "c", major: 10, minor: 200, access: "rwm" })
  })
})
