/** Options with podman's words: what they change in a container, and how they are refused. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sizeOf, timeOf, withPodmanOptions } from "../../src/cli/podman.ts"
import type { PodmanOptions } from "../../src/cli/podmanOptions.ts"
import type { Container } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { infinity } from "../../src/config/rlimits.ts"
import { validate } from "../../src/config/validate.ts"
import { MS, RLIMIT, S } from "../../src/native/constants.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import { scripted } from "../support/scripted.ts"

const base = defaultSpec({ rootfs: "/srv/root", args: ["true"] })

const device = { mode: S.IFCHR | 0o600, rdev: { major: 10, minor: 229 } }

const made = (options: PodmanOptions): Container => {
  const { kernel } = scripted((call) =>
    call._tag === "statx" ? call.path === "/dev/fuse" ? device : "ENOENT" : undefined
  )
  const container = Effect.runSync(Effect.provideService(withPodmanOptions(base, options), Kernel, kernel))
  assert.deepStrictEqual(validate(container), [])
  return container
}

const refused = (options: PodmanOptions): string => {
  const { kernel } = scripted(() => "ENOENT")
  return Effect.runSync(Effect.provideService(Effect.flip(withPodmanOptions(base, options)), Kernel, kernel)).message
}

describe("options with podman's words", () => {
  it("change nothing where none is given", () => assert.deepStrictEqual(made({}), base))

  it("mount: a volume, a file system in memory, and both in the long form", () => {
    const { mounts } = made({
      volume: ["/data:/data", "/a:/b:ro,nosuid"],
      tmpfs: ["/cache:size=64m"],
      mount: ["type=bind,src=/x,dst=/y,ro", "type=tmpfs,target=/z,tmpfs-size=1m,tmpfs-mode=700"]
    })
    const added = mounts.slice(base.mounts.length).map((
      { data, destination, flags, source, type }
    ) => [type, source, destination, flags & (MS.BIND | MS.RDONLY), data.at(-1)])
    assert.deepStrictEqual(added, [
      ["tmpfs", "tmpfs", "/cache", 0, "size=64m"],
      ["bind", "/data", "/data", MS.BIND, undefined],
      ["bind", "/a", "/b", MS.BIND | MS.RDONLY, undefined],
      ["bind", "/x", "/y", MS.BIND | MS.RDONLY, undefined],
      ["tmpfs", "tmpfs", "/z", 0, "mode=700"]
    ])
  })

  it("limit: by the cgroup, and by each process", () => {
    const { cgroup, process } = made({
      memory: "256m",
      memorySwap: "1g",
      cpus: "0.5",
      pidsLimit: "64",
      ulimit: ["nofile=100:200", "core=-1"]
    })
    assert.deepStrictEqual(cgroup, {
      devices: base.cgroup!.devices,
      memory: { limit: 2n ** 28n, swap: 2n ** 30n },
      cpu: { period: 100_000n, quota: 50_000n },
      pids: { limit: 64n }
    })
    assert.deepStrictEqual(process.rlimits, [
      { resource: RLIMIT.NOFILE, soft: 100n, hard: 200n },
      { resource: RLIMIT.CORE, soft: infinity, hard: infinity }
    ])
  })

  it("take capabilities away, but for those that are added by name", () => {
    const kill = 5
    assert.deepStrictEqual(made({ capDrop: ["ALL"] }).process.capabilities?.effective, [])
    assert.deepStrictEqual(made({ capDrop: ["ALL"], capAdd: ["KILL"] }).process.capabilities?.effective, [kill])
    assert.notInclude(made({ capDrop: ["CAP_KILL,AUDIT_WRITE"] }).process.capabilities!.bounding, kill)
  })

  it("give a device, and a filter", () => {
    const { cgroup, devices, seccomp } = made({ device: ["/dev/fuse:/dev/other:rw"], seccomp: "strict" })
    assert.deepInclude(devices, {
      path: "/dev/other",
      type: "c",
      major: 10,
      minor: 229,
      fileMode: 0o600,
      uid: 0,
      gid: 0
    })
    assert.deepStrictEqual(cgroup?.devices.at(-1), { allow: true, type: "c", major: 10, minor: 229, access: "rw" })
    assert.strictEqual(made({ device: ["/dev/fuse:r"] }).cgroup?.devices.at(-1)?.access, "r")
    assert.strictEqual(seccomp?.defaultAction, "SCMP_ACT_ERRNO")
    assert.notProperty(made({ seccomp: "none" }), "seccomp")
  })

  it.each<[PodmanOptions, RegExp]>([
    [{ volume: ["data:/data"] }, /^--volume data:\/data: must be two absolute paths/],
    [{ volume: ["/data:/data:z"] }, /^--volume .*the option "z" is not known/],
    [{ mount: ["type=nfs,dst=/x"] }, /^--mount .*must be bind or tmpfs$/],
    [{ mount: ["src=/x,dst=/y,foo=1"] }, /^--mount .*"foo" is not known: there are /],
    [{ tmpfs: ["cache"] }, /^--tmpfs cache: must name an absolute path/],
    [{ memory: "much" }, /^--memory much: must be a size/],
    [{ memorySwap: "1g" }, /^--memory-swap 1g: needs --memory$/],
    [{ cpus: "0" }, /^--cpus 0: must be a number of processors/],
    [{ pidsLimit: "0" }, /^--pids-limit 0: must be a whole number above 0/],
    [{ ulimit: ["foo=1"] }, /^--ulimit foo=1: must be a limit/],
    [{ ulimit: ["nofile=2:1"] }, /^--ulimit nofile=2:1: its soft limit/],
    [{ cpus: "Infinity" }, /^--cpus Infinity: must be a number of processors/],
    [{ cpus: "0x10" }, /^--cpus 0x10: must be a number of processors/],
    [{ cpus: "1e3" }, /^--cpus 1e3: must be a number of processors/],
    [{ cpus: "" }, /^--cpus : must be a number of processors/],
    [{ memory: "99999999999t" }, /^--memory 99999999999t: must be a size/],
    [{ memory: "-1" }, /^--memory -1: must be a size/],
    [{ pidsLimit: "4194305" }, /^--pids-limit 4194305: must be a whole number above 0, at most 4194304/],
    [{ pidsLimit: "1.5" }, /^--pids-limit 1\.5: must be a whole number/],
    [{ ulimit: ["nofile=99999999999999999999"] }, /^--ulimit nofile=9+: is more than a limit can be/],
    [{ ulimit: ["nofile=1024:"] }, /^--ulimit nofile=1024:: must be a limit/],
    [{ volume: ["/a:/b:ro:z"] }, /^--volume .*must be two absolute paths/],
    [{ mount: ["src=/x,dst=/y,ro=maybe"] }, /^--mount .*ro must be true or false/],
    [{ mount: ["type=tmpfs,src=/x,dst=/y"] }, /^--mount .*a tmpfs has no source/],
    [{ mount: ["src=/x,dst=/y,tmpfs-size=1m"] }, /^--mount .*are for type=tmpfs/],
    [{ device: ["/dev/fuse:rx"] }, /^--device .*must be a path/],
    [{ device: ["/dev/fuse:rrr"] }, /^--device .*must be a path/],
    [{ device: ["/dev/fuse:/dev/a:/dev/b:rw"] }, /^--device .*must be a path/],
    [{ capDrop: ["FLY"] }, /^--cap-drop FLY: is not the name of a capability$/],
    [{ seccomp: "/nonesuch" }, /^--seccomp \/nonesuch: must be default, strict, none or a file: ENOENT/],
    [{ device: ["/dev/nonesuch"] }, /^--device \/dev\/nonesuch: must be a device on the host$/]
  ])("%o is refused by its name", (options, message) => assert.match(refused(options), message))
})

describe("sizes and times", () => {
  it.each([["1", 1n], ["2b", 2n], ["3k", 3072n], ["256m", 2n ** 28n], ["1G", 2n ** 30n], ["1x", undefined], [
    "",
    undefined
  ]])(
    "%s",
    (text, bytes) => assert.strictEqual(sizeOf(text), bytes)
  )
  it.each([["10", 10_000], ["0.5s", 500], ["5m", 300_000], ["1h", 3_600_000]])(
    "%s",
    (text, milliseconds) => assert.strictEqual(Effect.runSync(timeOf(text)), milliseconds)
  )
  it.each(["0", "soon", "-1s", "1d", "1000h"])(
    "%s is no time",
    (text) => assert.match(Effect.runSync(Effect.flip(timeOf(text))).message, /^--time .*must be a time/)
  )
})
