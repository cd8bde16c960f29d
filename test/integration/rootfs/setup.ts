/** What the steps of the root file system share here: a place for each test, in a mount namespace of their own. */
import { afterEach, assert, beforeAll, beforeEach, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { AT, CLONE, MNT, MS, O } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { parseMountInfo } from "../../../src/steps/proc/mountinfo.ts"
import * as contained from "../../support/contained.ts"
import { type Built } from "../../support/contained.ts"

export const live = layer(Linux.layer)

export let base = ""

export let rootfs = ""

export let hostMounts = ""

const hostTable = (): string => fs.readFileSync("/proc/self/mountinfo", "utf8")
export const inRootfs = (name: string): string => path.join(rootfs, name)

/** Makes a mount namespace in which nobody else's containers are: what others mount must not disturb these tests. */
const alone = Effect.gen(function*() {
  yield* sys.unshare({ flags: CLONE.NEWNS })
  yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
  const others = parseMountInfo(hostTable()).filter(({ mountpoint, type }) =>
    (type === "proc" || type === "sysfs") && !/^\/(proc|sys)(\/|$)/.test(mountpoint)
  )
  for (const { mountpoint } of others.toReversed()) {
    // one that another mount covers is not reached; it went with that one, or nobody finds it
    yield* Effect.ignore(sys.umount2({ target: mountpoint, flags: MNT.DETACH }))
  }
})

beforeAll(() => Effect.runPromise(Effect.provide(alone, Linux.layer)))

beforeEach(() => {
  hostMounts = hostTable()
  base = contained.temporary()
  fs.chmodSync(base, 0o755)
  rootfs = path.join(base, "rootfs")
  fs.mkdirSync(inRootfs("etc"), { recursive: true })
})

afterEach(() => {
  assert.strictEqual(hostTable(), hostMounts, "the host's mount table changed")
  fs.rmSync(base, { recursive: true })
})

export const fine = (built: Built) => assert.isUndefined(built.error)
export const failed = (built: Built): string => built.error ?? assert.fail("the container was built")

export const nodeOf = (file: string) => {
  const stat = fs.lstatSync(file)
  return {
    type: stat.mode & 0o170000,
    mode: stat.mode & 0o7777,
    rdev: [stat.rdev >> 8, stat.rdev & 0xff],
    uid: stat.uid,
    gid: stat.gid
  }
}

export const codeOf = (act: () => unknown): string => {
  try {
    act()
    return "no error"
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Whether this host has cgroup hierarchies of version 1, among them one for memory. */
export const v1 = fs.existsSync("/sys/fs/cgroup/memory/cgroup.procs")

/** Puts the host's null device on standard input and output. */
export const nullStdio = Effect.gen(function*() {
  const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/dev/null", flags: O.RDONLY, mode: 0 })
  yield* sys.dup3({ oldfd: fd, newfd: 0, flags: 0 })
  yield* sys.dup3({ oldfd: fd, newfd: 1, flags: 0 })
})
