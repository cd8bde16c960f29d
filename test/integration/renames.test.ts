/**
 * Somebody who may rename in the root file system exchanges a place for another while the container's mounts are made,
 * masked and checked: at each call, on the real kernel. Either the start fails, or what the program sees is masked.
 */
import { afterAll, assert, beforeAll, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Container } from "../../src/config/Container.ts"
import { CLONE, MS } from "../../src/native/constants.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as contained from "../support/contained.ts"
import { build, type Built, usualDevices, usualMounts } from "../support/contained.ts"

const live = layer(Linux.layer)

let base = ""
let rootfs = ""

// what other processes mount in the meantime must not disturb the comparison of mount tables
beforeAll(() => Effect.runPromise(Effect.provide(sys.unshare({ flags: CLONE.NEWNS }), Linux.layer)))
beforeAll(() => {
  base = contained.temporary()
  fs.chmodSync(base, 0o755)
  rootfs = path.join(base, "rootfs")
  for (const name of ["proc", "sys", "dev"]) {
    fs.mkdirSync(path.join(rootfs, name), { recursive: true })
    fs.mkdirSync(path.join(rootfs, `${name}.x`))
  }
})
afterAll(() => fs.rmSync(base, { recursive: true }))

const container = {
  mounts: usualMounts,
  devices: usualDevices,
  readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger"],
  maskedPaths: ["/proc/kcore", "/proc/scsi", "/sys/firmware"]
}

/** Exchanges a directory of the root for another one, as a process of the host that is in no namespace of the container. */
const exchange = (name: string): void => {
  const [place, other, between] = ["", ".x", ".y"].map((end) => path.join(rootfs, name + end))
  fs.renameSync(place!, between!)
  fs.renameSync(other!, place!)
  fs.renameSync(between!, other!)
}

/** A kernel that exchanges the directories before each of the calls with these numbers. */
const exchangingAt = (kernel: Kernel["Service"], name: string, at: ReadonlySet<number>) => {
  let count = 0
  const attacked: Kernel["Service"] = {
    invoke: (call) => {
      if (at.has(count++)) exchange(name)
      return kernel.invoke(call)
    }
  }
  return { kernel: attacked, count: () => count }
}

/** What is open of the procfs and sysfs mounts of a container, wherever they stand. */
const openOf = (built: Built): ReadonlyArray<string> => {
  const mounts = built.mounts()
  return mounts.filter(({ root, type }) => root === "/" && (type === "proc" || type === "sysfs")).flatMap((mount) => {
    const { mountpoint, type } = mount
    const covered = type === "proc"
      ? ["/sys", "/sysrq-trigger", "/kcore", "/scsi"].filter((name) => fs.existsSync(`/proc${name}`))
      : ["/firmware"].filter((name) => fs.existsSync(`/sys${name}`))
    return covered.map((name) => mountpoint + name).filter((place) =>
      !mounts.some((other) => other.mountpoint === place)
    )
  })
}

/** Builds a container while a directory with a mark in it is exchanged. */
const attemptOn = <A extends object>(
  container: Partial<Container>,
  name: string,
  at: ReadonlySet<number>,
  look: (built: Built) => A
) =>
  Effect.gen(function*() {
    let calls = 0
    const result = yield* build({
      container: { rootfs, ...container },
      around: (kernel) => {
        const attack = exchangingAt(kernel, name, at)
        return { kernel: attack.kernel, end: () => void (calls = attack.count()) }
      }
    }, look)
    // an odd number of exchanges is put right
    if (!fs.existsSync(path.join(rootfs, name, "mark"))) exchange(name)
    return { ...result, calls }
  })

describe("renames in the root file system", () => {
  live("at any call of the start", (it) => {
    for (const name of ["proc", "sys", "dev"]) {
      it.effect(`/${name}: leave no part of procfs or sysfs open`, () =>
        Effect.gen(function*() {
          const attempt = (at: ReadonlySet<number>) =>
            attemptOn(container, name, at, (built) => ({
              error: built.error,
              open: built.error === undefined ? openOf(built) : []
            }))
          fs.writeFileSync(path.join(rootfs, name, "mark"), "")
          const { calls, error } = yield* attempt(new Set())
          assert.isUndefined(error)
          let failed = 0
          let built = 0
          for (let at = 0; at < calls; at += 10) {
            // once and for all; and there and back
            for (const numbers of [[at], [at, at + 7 + at % 40]]) {
              const { error, open } = yield* attempt(new Set(numbers))
              assert.deepStrictEqual(open, [], `exchanged before calls ${numbers.join(" and ")} of ${calls}`)
              if (error === undefined) built++
              else failed++
            }
          }
          // some are noticed, and some come too early, too late, or are undone in time
          assert.isAbove(failed, 0)
          assert.isAbove(built, 0)
          for (const place of ["", ".x"]) {
            const left = fs.readdirSync(path.join(rootfs, name + place)).filter((file) => file !== "mark")
            // a place for a mount, or a link: nothing that opens a device
            for (const file of left) {
              const stat = fs.lstatSync(path.join(rootfs, name + place, file))
              assert.isFalse(stat.isCharacterDevice() || stat.isBlockDevice(), file)
            }
          }
        }))
    }
    it.effect("a remount changes no other mount than its own", () =>
      Effect.gen(function*() {
        const source = path.join(base, "of-the-host")
        fs.mkdirSync(source)
        for (const place of ["vol", "vol.x"]) fs.mkdirSync(path.join(rootfs, place))
        fs.writeFileSync(path.join(rootfs, "vol", "mark"), "")
        const mounts = [
          contained.bindMount(source, "/vol", { flags: MS.RDONLY }),
          contained.mount("tmpfs", "/vol.x", { flags: MS.RDONLY }),
          contained.mount("tmpfs", "/vol.x", { flags: MS.REMOUNT, clearedFlags: MS.RDONLY })
        ]
        const attempt = (at: ReadonlySet<number>) =>
          attemptOn({ mounts }, "vol", at, (built) => ({
            error: built.error,
            isWritable: built.error === undefined &&
              ["/vol", "/vol.x"].some((place) => /\/of-the-host \/\S+ rw,/.test(built.line(place)))
          }))
        const { calls, error } = yield* attempt(new Set())
        assert.isUndefined(error)
        let built = 0
        for (let at = 0; at < calls; at++) {
          for (const numbers of [[at], [at, at + 1], [at, at + 4]]) {
            const { error, isWritable } = yield* attempt(new Set(numbers))
            assert.isFalse(isWritable, `exchanged before calls ${numbers.join(" and ")} of ${calls}`)
            if (error === undefined) built++
          }
        }
        assert.isAbove(built, 0)
      }))
    it.effect("a remount of what the root brings along changes no mount of a volume", () =>
      Effect.gen(function*() {
        // nothing of it reaches the host
        yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.SLAVE, data: null })
        const volume = path.join(base, "volume")
        const own = path.join(rootfs, "deep/m")
        for (const place of [`${volume}/m`, own, path.join(rootfs, "deep.x")]) fs.mkdirSync(place, { recursive: true })
        fs.writeFileSync(path.join(rootfs, "deep", "mark"), "")
        const tmpfs = (target: string, source: string) =>
          sys.mount({ source, target, type: "tmpfs", flags: MS.RDONLY, data: null })
        yield* tmpfs(`${volume}/m`, "of-the-volume")
        yield* tmpfs(own, "of-the-root")
        const mounts = [
          contained.bindMount(volume, "/deep.x", { flags: MS.REC }),
          contained.mount("tmpfs", "/deep/m", { flags: MS.REMOUNT, clearedFlags: MS.RDONLY })
        ]
        const attempt = (at: ReadonlySet<number>) =>
          attemptOn({ mounts }, "deep", at, (built) => ({
            error: built.error,
            writable: ["/deep/m", "/deep.x/m"].flatMap((place) => {
              const [, source] = / rw,.* - tmpfs (of-the-\w+) /.exec(built.line(place)) ?? []
              return built.error === undefined && source !== undefined ? [source] : []
            })
          }))
        const { calls, error, writable } = yield* attempt(new Set())
        assert.deepStrictEqual([error, writable], [undefined, ["of-the-root"]])
        for (let at = 0; at < calls; at++) {
          for (const numbers of [[at], [at, at + 1], [at, at + 4]]) {
            const { writable = [] } = yield* attempt(new Set(numbers))
            assert.notInclude(writable, "of-the-volume", `exchanged before calls ${numbers.join(" and ")} of ${calls}`)
          }
        }
        for (const target of [`${volume}/m`, own]) yield* sys.umount2({ target, flags: 0 })
      }))
  })
})
