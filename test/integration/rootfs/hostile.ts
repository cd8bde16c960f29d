/** Images that mean harm: links, races, names that lead outside. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { Worker } from "node:worker_threads"
import { AT } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { numbersFor } from "../../../src/native/linux/syscallNumbers.ts"
import * as Procfs from "../../../src/native/Procfs.ts"
import * as contained from "../../support/contained.ts"
import { bindMount, build, device, mount, usualDevices, usualMounts } from "../../support/contained.ts"
import { base, failed, fine, hostMounts, inRootfs, live, nullStdio, rootfs } from "./setup.ts"

/** A directory beside the root file system, which nothing in the container may reach. */
const outsideDirectory = (): string => {
  const outside = path.join(base, "outside")
  fs.mkdirSync(outside)
  fs.writeFileSync(path.join(outside, "secret"), "secret")
  return outside
}

const untouched = (outside: string) => {
  assert.deepStrictEqual(fs.readdirSync(outside), ["secret"])
  assert.strictEqual(fs.readFileSync(path.join(outside, "secret"), "utf8"), "secret")
}

/** Exchanges a directory for links, again and again, in a thread of its own: it waits for nobody. */
const race = (): { readonly end: Effect.Effect<unknown> } => {
  const exchange = 2
  const numbers = numbersFor(process.arch)
  const worker = new Worker(
    `const syscall = require("koffi").load(null).func("syscall", "long", ["long", "long", "str", "long", "str", "long"])
    const { workerData: { exchange, number, others, volume } } = require("node:worker_threads")
    for (;;) for (const other of others) {
      for (let n = 0; n < 2; n++) syscall(number, ${AT.FDCWD}, volume, ${AT.FDCWD}, other, exchange)
    }`,
    {
      eval: true,
      workerData: {
        exchange,
        number: numbers.renameat2,
        others: [inRootfs("swap"), inRootfs("up")],
        volume: inRootfs("volume")
      }
    }
  )
  return { end: Effect.promise(() => worker.terminate()) }
}

describe("rootfs", () => {
  live("of a hostile image", (it) => {
    const link = (name: string, target: string) => {
      fs.mkdirSync(path.dirname(inRootfs(name)), { recursive: true })
      fs.symlinkSync(target, inRootfs(name))
    }

    for (const name of ["proc", "sys"]) {
      it.effect(`with /${name} as a symlink`, () => {
        const outside = outsideDirectory()
        link(name, outside)
        return build({ container: { rootfs, mounts: usualMounts } }, (built) => {
          assert.match(failed(built), new RegExp(`/${name}: resolve the target: .*ELOOP`))
          untouched(outside)
        })
      })
    }

    for (
      const [what, mounts] of [
        ["a tmpfs on it", usualMounts],
        ["nothing on it", []],
        ["a volume where it leads", [bindMount("/tmp", "/volume")]]
      ] as const
    ) {
      it.effect(`with /dev as a symlink, and ${what} (CVE-2026-47766)`, () => {
        const outside = outsideDirectory()
        const volume = path.join(base, "volume")
        fs.mkdirSync(volume)
        fs.writeFileSync(path.join(volume, "ptmx"), "")
        link("dev", what.startsWith("a volume") ? "/volume" : outside)
        const own = mounts.map((mount) => mount.destination === "/volume" ? { ...mount, source: volume } : mount)
        return build({ container: { rootfs, mounts: own, devices: usualDevices } }, (built) => {
          assert.match(failed(built), /ELOOP/)
          untouched(outside)
          assert.deepStrictEqual(fs.readdirSync(volume), ["ptmx"])
        })
      })
    }

    it.effect("with a link at the directory of a device that is not below /dev", () => {
      const volume = path.join(base, "devices")
      fs.mkdirSync(volume)
      link("opt", "/volume")
      const mounts = [...usualMounts, bindMount(volume, "/volume")]
      return build({ container: { rootfs, mounts, devices: [device("/opt/kvm", 10, 232)] } }, (built) => {
        assert.match(failed(built), /ELOOP/)
        assert.deepStrictEqual(fs.readdirSync(volume), [])
      })
    })

    for (
      const [what, destination, target] of [
        ["an absolute link", "/tmp/link/deep/place", "/"],
        ["a relative link", "/tmp/link/deep/place", "../../../../../../.."],
        ["dots", "/../../../../../deep/place", undefined],
        ["a link to a magic link", "/tmp/link/deep/place", "/proc/self/root"]
      ] as const
    ) {
      it.effect(`with ${what} on the way to a mount`, () => {
        const outside = outsideDirectory()
        if (target !== undefined) link("tmp/link", target)
        return build({
          container: { rootfs, mounts: [mount("proc", "/proc"), bindMount(outside, destination)] }
        }, (built) => {
          untouched(outside)
          assert.isFalse(fs.existsSync("/deep"), "made on the host")
          if (target === "/proc/self/root") assert.match(failed(built), /resolve the target: .*ELOOP/)
          else {
            fine(built)
            assert.strictEqual(fs.readFileSync(built.at("/deep/place/secret"), "utf8"), "secret")
          }
        })
      })
    }

    it.effect("with a link to the host in the place of a mount", () => {
      const outside = outsideDirectory()
      link("data", outside)
      return build({ container: { rootfs, mounts: [mount("tmpfs", "/data")] } }, (built) => {
        fine(built)
        untouched(outside)
        assert.match(built.line(outside), / - tmpfs /)
      })
    })

    it.effect("with a link into /proc or to the root in the place of a mount", () =>
      Effect.gen(function*() {
        link("data", "/proc/sys")
        link("all", "/")
        const proc = mount("proc", "/proc")
        yield* build({ container: { rootfs, mounts: [proc, bindMount("/tmp", "/data")] } }, (built) => {
          assert.match(failed(built), /leads into \/proc/)
        })
        yield* build({ container: { rootfs, mounts: [proc, bindMount("/tmp", "/all")] } }, (built) => {
          assert.match(failed(built), /leads to the root itself/)
        })
      }))

    it.effect("with a /dev/null that is none", () =>
      Effect.gen(function*() {
        const outside = outsideDirectory()
        const make: ReadonlyArray<() => void> = [
          () => fs.writeFileSync(inRootfs("dev/null"), ""),
          () => link("dev/null", path.join(outside, "secret")),
          () => link("dev/null", "/proc/sysrq-trigger"),
          () => fs.mkdirSync(inRootfs("dev/null"))
        ]
        fs.mkdirSync(inRootfs("dev"))
        fs.writeFileSync(inRootfs("etc/shadow"), "shadow")
        for (const put of make) {
          put()
          yield* build({ container: { rootfs, devices: usualDevices } }, (built) => {
            assert.match(failed(built), /device \/dev\/null: what is there already is not character device 1:3/)
          })
          yield* build({ container: { rootfs, maskedPaths: ["/etc/shadow"] } }, (built) => {
            assert.match(failed(built), /is not the null device|ELOOP/)
          })
          yield* build({ container: { rootfs }, prepare: nullStdio }, (built) => {
            assert.match(failed(built), /is not the null device|ELOOP/)
          })
          untouched(outside)
          fs.rmSync(inRootfs("dev/null"), { recursive: true })
        }
      }))

    it.effect("with a link in the place of a device", () => {
      const outside = outsideDirectory()
      link("dev/console", path.join(outside, "secret"))
      return build({ container: { rootfs, devices: [device("/dev/console", 5, 1)] } }, (built) => {
        assert.match(failed(built), /device \/dev\/console: what is there already is not character device 5:1/)
        untouched(outside)
      })
    })

    it.effect("with a masked path that is a link", () => {
      const outside = outsideDirectory()
      link("masked", path.join(outside, "secret"))
      link("readonly", outside)
      return build({
        container: {
          rootfs,
          mounts: usualMounts,
          devices: usualDevices,
          maskedPaths: ["/masked"],
          readonlyPaths: ["/readonly"]
        }
      }, (built) => {
        fine(built)
        untouched(outside)
      })
    })

    it.effect("with a /proc of its own, sysctls are written to the kernel", () => {
      fs.mkdirSync(inRootfs("proc/sys/kernel"), { recursive: true })
      fs.writeFileSync(inRootfs("proc/sys/kernel/shmmax"), "fake")
      return build({
        container: { rootfs, sysctl: { "kernel.shmmax": "8192" } },
        ask: Files.using(Procfs.openProc, (proc) => Procfs.readProc(proc, "sys/kernel/shmmax"))
      }, (built) => {
        fine(built)
        assert.strictEqual(built.answer, "8192\n")
        assert.strictEqual(fs.readFileSync(inRootfs("proc/sys/kernel/shmmax"), "utf8"), "fake")
      })
    })

    it.effect("that changes while it is mounted never leads out", () =>
      Effect.gen(function*() {
        const outside = outsideDirectory()
        fs.mkdirSync(inRootfs("volume"))
        link("swap", outside)
        link("up", "../../../../../../../..")
        const racer = race()
        let built = 0
        let tries = 0
        // some of them fail: as many as it takes
        yield* Effect.whileLoop({
          while: () => built === 0 || tries < 200,
          body: () =>
            build({
              container: {
                rootfs,
                mounts: Array.from({ length: 10 }, (_, index) => mount("tmpfs", `/volume/${index}/deep`)),
                devices: [device("/volume/dev/null", 1, 3)]
              },
              pipeline: contained.mountsOnly
            }, (now) => {
              const before = new Set(hostMounts.split("\n").map((line) => line.split(" ")[4]))
              for (const { mountpoint } of now.mounts()) {
                if (before.has(mountpoint) || mountpoint === rootfs) continue
                tries++
                assert.isTrue(mountpoint.startsWith(`${rootfs}/`), mountpoint)
              }
              if (now.error === undefined) built++
              untouched(outside)
            }),
          step: () => {}
        }).pipe(Effect.ensuring(racer.end))
      }))
  })
})
