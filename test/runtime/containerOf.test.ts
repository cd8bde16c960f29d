import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { numbers, toBits } from "../../src/config/capabilities.ts"
import { render } from "../../src/config/ConfigError.ts"
import * as ModelKernel from "../../src/model/ModelKernel.ts"
import { type Options, seed } from "../../src/model/Seed.ts"
import { RLIMIT } from "../../src/native/constants.ts"
import { type Chosen, type ContainerError, containerOf, type ContainerOptions } from "../../src/runtime/containerOf.ts"
import type { Authority } from "../../src/steps/caller/authority.ts"
import { containedRoot, nestedRoot, root, user } from "../support/callers.ts"

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

const chosen = (
  options: ContainerOptions,
  caller: Authority,
  host: Options = {}
): Effect.Effect<Chosen, ContainerError> =>
  Effect.provide(containerOf(options, caller, "/nowhere", Effect.succeed("")), ModelKernel.make(seed(host)).layer)

const cgroupOf = (caller: Authority, linux: object, options: Partial<ContainerOptions> = {}) =>
  within((directory) =>
    Effect.runSync(chosen({ bundle: bundle(directory, linux), cmd: [], ...options }, caller)).container.cgroup
  )

describe("containerOf", () => {
  it("a user whose configuration asks for no cgroup gets none; root does", () => {
    assert.isUndefined(cgroupOf(user(1001), {}))
    assert.isDefined(cgroupOf(root, {}))
  })

  it("refuses what is no variable by the option's name, and shows no value", () => {
    within((directory) => {
      const given = (env: string) =>
        Effect.runSync(Effect.flip(chosen({ bundle: bundle(directory, {}), cmd: [], env: [env] }, root))).message
      assert.strictEqual(given("A"), "--env A: must be NAME=value")
      assert.strictEqual(given("=secret"), "--env =…: must be NAME=value")
    })
  })

  it("the root of a bundle may be a link, or behind one: it is resolved once", () => {
    within((directory) => {
      const real = realpathSync(directory)
      mkdirSync(join(real, "b/real"), { recursive: true })
      symlinkSync("real", join(real, "b/rootfs"))
      symlinkSync("b", join(real, "via"))
      const rootOf = (path: string) => {
        writeFileSync(
          join(real, "b/config.json"),
          JSON.stringify({ ociVersion: "1.2.0", root: { path }, process: { args: ["a"], cwd: "/" } })
        )
        return Effect.runSync(chosen({ bundle: join(real, "via"), cmd: [] }, root)).container.rootfs
      }
      for (const path of ["rootfs", join(real, "via/rootfs"), "./real"]) {
        assert.strictEqual(rootOf(path), join(real, "b/real"))
      }
      // what is not there is told later, by its name in the document
      assert.strictEqual(rootOf("none"), join(real, "b/none"))
    })
  })

  it("root that does not rule the host is no root", () => {
    for (const caller of [nestedRoot, containedRoot]) {
      assert.isUndefined(cgroupOf(caller, {}), "a cgroup that limits nothing")
      const { container } = Effect.runSync(chosen({ cmd: [] }, caller))
      assert.deepStrictEqual(container.namespaces[0], { type: "user" })
      assert.deepStrictEqual(container.uidMappings, [{ containerId: 0, hostId: 0, size: 1 }])
    }
    assert.notDeepInclude(Effect.runSync(chosen({ cmd: [] }, root)).container.namespaces, { type: "user" })
  })

  it("--cgroups none takes every cgroup out, and no other word does", () => {
    const limited = { cgroupsPath: "/mine", resources: { pids: { limit: 5 } } }
    assert.isUndefined(cgroupOf(root, limited, { cgroups: "none" }))
    assert.isUndefined(cgroupOf(user(1001), limited, { cgroups: "none" }))
    assert.isUndefined(Effect.runSync(chosen({ cmd: [], cgroups: "none" }, root)).container.cgroup)
    assert.strictEqual(
      Effect.runSync(Effect.flip(chosen({ cmd: [], cgroups: "all" }, root))).message,
      "--cgroups all: must be none"
    )
  })

  it("--no-new-keyring leaves the session keyring", () => {
    assert.isTrue(Effect.runSync(chosen({ cmd: [], newKeyring: false }, root)).container.noNewKeyring)
    assert.isFalse(Effect.runSync(chosen({ cmd: [], newKeyring: true }, root)).container.noNewKeyring)
  })

  it("limits that are a default are no more than the caller has", () => {
    const limits = { [RLIMIT.NOFILE]: { soft: 256n, hard: 512n } }
    const given = (host: Options) => Effect.runSync(chosen({ cmd: [] }, root, host)).container.process.rlimits
    assert.deepStrictEqual(given({ limits }), [{ resource: RLIMIT.NOFILE, soft: 512n, hard: 512n }])
    assert.deepStrictEqual(given({}), [{ resource: RLIMIT.NOFILE, soft: 1024n, hard: 1024n }])
  })

  describe("--user of a caller who does not rule the host", () => {
    const passwd = { "/etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\ncaller:x:1000:1000::/:/bin/sh\n" }
    const programs = { "/usr/bin/newuidmap": { mode: 0o4755 }, "/usr/bin/newgidmap": { mode: 0o4755 } }
    const granted = { ...programs, "/etc/subuid": "caller:100000:65536\n", "/etc/subgid": "1000:200000:65536\n" }
    const plain = { uid: 1000, gid: 1000 }
    const of = (spec: string, files: Options["files"], caller: Authority = user(1000), more: Options = {}) =>
      Effect.runSync(
        chosen({ cmd: [], user: spec }, caller, { ...plain, files: { ...passwd, ...files }, ...more })
      ).container
    const single = (containerId: number, hostId = 1000) => [{ containerId, hostId, size: 1 }]

    it("is the caller itself where there is one id, and there is no root then", () => {
      const { gidMappings, mounts, process, uidMappings } = of("web", {})
      assert.deepStrictEqual(uidMappings, single(33))
      assert.deepStrictEqual(gidMappings, single(34))
      assert.deepStrictEqual(process.user, { _tag: "Ids", uid: 33, gid: 34, additionalGids: [] })
      assert.notInclude(mounts.map(({ type }) => type), "devpts")
      assert.deepStrictEqual(of("77:5", {}).gidMappings, single(5))
      assert.deepStrictEqual(of("77", {}).gidMappings, single(0))
    })

    it("is root as long as nobody asks for another", () => {
      for (const spec of ["root", "0", "0:0"]) {
        assert.deepStrictEqual(of(spec, granted).uidMappings, single(0))
        assert.deepStrictEqual(of(spec, granted).process.user, { _tag: "Named", spec, additionalGids: [] })
      }
    })

    it("is among the subordinate ids where there are such, and can be mapped", () => {
      const { gidMappings, process, uidMappings } = of("33", granted)
      assert.deepStrictEqual(uidMappings, [...single(0), { containerId: 1, hostId: 100_000, size: 65_536 }])
      assert.deepStrictEqual(gidMappings, [...single(0), { containerId: 1, hostId: 200_000, size: 65_536 }])
      assert.deepStrictEqual(process.user, { _tag: "Named", spec: "33", additionalGids: [] })
      assert.deepStrictEqual(of("70000", granted).uidMappings, single(70_000), "more than are granted")
    })

    it("is an id of the caller's own user namespace where the caller may map those", () => {
      const all = [{ containerId: 0, hostId: 0, size: 4_294_967_295 }]
      assert.deepStrictEqual(of("33", {}, containedRoot).uidMappings, all)
    })

    it("that nobody knows is an error, and so is a terminal without root", () => {
      assert.strictEqual(
        Effect.runSync(Effect.flip(chosen({ cmd: [], user: "nobody-at-all" }, user(1)))).message.includes(
          "nobody-at-all"
        ),
        true
      )
      const error = Effect.runSync(Effect.flip(chosen({ cmd: [], user: "33", tty: true }, user(1))))
      assert.include(error.message, "/etc/subuid")
    })
  })

  it("--cap-add ALL is all that the caller can give", () => {
    const all = Object.values(numbers)
    const without = all.filter((number) => number !== numbers.SYS_RESOURCE)
    const given = (options: Partial<ContainerOptions>) =>
      Effect.runSync(chosen({ cmd: [], capAdd: ["ALL"], ...options }, root, { bounding: toBits(without) })).container
        .process.capabilities
    assert.sameMembers([...given({})!.bounding], without)
    assert.sameMembers([...given({})!.permitted], without)
    assert.sameMembers([...given({ rootless: true })!.bounding], all, "a new user namespace has them all")
  })

  it("capabilities of a document that the caller can't give are left out, with a warning", () =>
    within((directory) => {
      const bounding = toBits(Object.values(numbers).filter((number) => number !== numbers.SYS_RESOURCE))
      const sets = ["CAP_KILL", "CAP_SYS_RESOURCE"]
      const process = { args: ["a"], cwd: "/", capabilities: { bounding: sets, permitted: sets, effective: sets } }
      const given = (linux: object, options: Partial<ContainerOptions> = {}) => {
        const config = { ociVersion: "1.2.0", root: { path: directory }, process, linux }
        writeFileSync(join(directory, "config.json"), JSON.stringify(config))
        const { container, notices } = Effect.runSync(
          chosen({ bundle: directory, cmd: [], ...options }, root, { bounding })
        )
        return { sets: container.process.capabilities, told: notices.map(render) }
      }
      const fewer = given({ namespaces: [{ type: "mount" }] })
      assert.deepStrictEqual(fewer.sets!.bounding, [numbers.KILL])
      assert.deepStrictEqual(fewer.sets!.permitted, [numbers.KILL])
      assert.deepStrictEqual(fewer.sets!.effective, [numbers.KILL])
      assert.deepStrictEqual(fewer.told, [
        "process.capabilities = [\"CAP_SYS_RESOURCE\"]: has no effect: the caller does not have it, or may not hand it on"
      ])
      // a new user namespace has them all
      const namespaces = [{ type: "mount" }, { type: "user" }]
      const all = given({ namespaces, uidMappings: ids, gidMappings: ids })
      assert.deepStrictEqual([all.sets!.bounding, all.told], [[numbers.KILL, numbers.SYS_RESOURCE], []])
      // who asks for it here does not get less
      const asked = given({ namespaces: [{ type: "mount" }] }, { capAdd: ["SYS_RESOURCE"] })
      assert.include(asked.sets!.bounding, numbers.SYS_RESOURCE)
    }))

  it("a user whose configuration names a cgroup or limits something is not let pass without", () => {
    assert.strictEqual(cgroupOf(user(1001), { cgroupsPath: "/mine" })?.path, "/mine")
    assert.strictEqual(cgroupOf(user(1001), { resources: { pids: { limit: 5 } } })?.pids?.limit, 5n)
    assert.isDefined(cgroupOf(user(1001), { resources: { devices: [{ allow: false, access: "rwm" }] } }))
  })

  it("what is wrong with a document as a whole is told of its file", () =>
    within((directory) => {
      const config = join(directory, "config.json")
      writeFileSync(config, "no JSON")
      const error = Effect.runSync(
        Effect.flip(chosen({ config, cmd: [] }, root))
      )
      assert.include(error.message, `${config}: must be JSON`)
    }))
})
