import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { decodeOci } from "../../src/config/Config.ts"
import type { Container } from "../../src/config/Container.ts"
import { defaultSpec, rootlessSpec } from "../../src/config/defaults.ts"
import { validate } from "../../src/config/validate.ts"

const options = { rootfs: "/srv/root", args: ["sh"] }

describe("defaultSpec", () => {
  it("breaks no rule, plain, with user namespace and rootless", () => {
    const mappings = (size: number) => [{ containerId: 0, hostId: 100_000, size }]
    assert.deepStrictEqual(validate(defaultSpec(options)), [])
    for (const size of [1, 65536]) {
      assert.deepStrictEqual(
        validate(defaultSpec({ ...options, mappings: { uid: mappings(size), gid: mappings(size) } })),
        []
      )
    }
    const rootless = rootlessSpec({ ...options, uid: 1000, gid: 1000 })
    assert.deepStrictEqual(validate(rootless), [])
    // where the kernel gives no new ones; root always gets its own
    const orCallers = (container: Container) =>
      container.mounts.filter((mount) => mount.orCallers).map(({ destination }) => destination)
    assert.deepStrictEqual(orCallers(rootless), ["/proc", "/sys"])
    assert.deepStrictEqual(orCallers(defaultSpec(options)), [])
  })

  it("gives devpts to the tty group only where it is mapped", () => {
    const data = (size: number) => {
      const mappings = [{ containerId: 0, hostId: 1000, size }]
      return defaultSpec({ ...options, mappings: { uid: mappings, gid: mappings } })
        .mounts.find(({ type }) => type === "devpts")?.data ?? []
    }
    assert.notInclude(data(5), "gid=5")
    assert.include(data(6), "gid=5")
  })

  it("takes what differs", () => {
    const { process, readonlyRootfs } = defaultSpec({
      ...options,
      user: "bob",
      env: [],
      cwd: "/x",
      readonly: false,
      terminal: true
    })
    assert.deepInclude(process, {
      env: [],
      cwd: "/x",
      terminal: true,
      user: { _tag: "Named", spec: "bob", additionalGids: [] }
    })
    assert.isFalse(readonlyRootfs)
  })

  const runcAt = ["/usr/bin/runc", "/usr/sbin/runc", "/usr/local/sbin/runc"].find((file) => fs.existsSync(file))
  it.skipIf(runcAt === undefined)("is what runc spec writes, apart from a few fields", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-config-"))
    try {
      execFileSync(runcAt!, ["spec"], { cwd: directory })
      const runc = Result.getOrThrow(decodeOci(fs.readFileSync(path.join(directory, "config.json"), "utf8"), directory))
      const own = defaultSpec({ rootfs: runc.rootfs, args: ["sh"], hostname: "runc", terminal: true })
      const { capabilities: _, ...process } = runc.process
      const { capabilities: __, ...ownProcess } = own.process
      assert.deepStrictEqual(ownProcess, process)
      assert.deepStrictEqual(
        { ...own, process, namespaces: [], cgroup: undefined },
        { ...runc, process, namespaces: [], cgroup: undefined }
      )
      // runc of old has no cgroup namespace, and names ambient capabilities that the kernel would not raise
      assert.includeDeepMembers([...own.namespaces], [...runc.namespaces])
      assert.deepStrictEqual<unknown>({ ...runc.process.capabilities, ambient: [] }, own.process.capabilities)
    } finally {
      fs.rmSync(directory, { recursive: true })
    }
  })
})
