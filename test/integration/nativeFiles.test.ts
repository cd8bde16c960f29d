/** The live layer against the kernel it runs on: files. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as c from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import { inChild } from "../support/child.ts"
import { firstWait } from "../support/host.ts"
import { AT_FDCWD, bytes, errorOf, live, noMoreThan, openFds, temporaryDirectory } from "../support/live.ts"

const { below, open } = temporaryDirectory()

describe("files", () => {
  live("calls", (it) => {
    it.effect("open, write, read, sync, cut, lock, close", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const fd = yield* open(below("file"), c.O.RDWR | c.O.CREAT | c.O.EXCL, 0o640)
        const data = Uint8Array.from({ length: 300_000 }, (_, n) => n % 251)
        assert.strictEqual(yield* sys.write({ fd, data }), data.length)
        yield* sys.fsync({ fd })
        const again = yield* open(below("file"), 0)
        assert.deepStrictEqual(yield* sys.read({ fd: again, count: 1_000_000 }), data)
        assert.strictEqual((yield* sys.read({ fd: again, count: 10 })).length, 0)
        assert.strictEqual((yield* sys.read({ fd: again, count: 0 })).length, 0)
        yield* sys.ftruncate({ fd, length: 2n ** 40n })
        const stat = yield* sys.statx({ dirfd: fd, path: "", flags: c.AT.EMPTY_PATH, mask: c.STATX.BASIC_STATS })
        assert.strictEqual(stat.size, 2n ** 40n)
        assert.strictEqual(stat.mode, c.S.IFREG | 0o640)
        yield* sys.flock({ fd, operation: c.LOCK.EX })
        assert.strictEqual((yield* errorOf(sys.flock({ fd: again, operation: c.LOCK.EX | c.LOCK.NB }))).code, "EAGAIN")
        yield* sys.close({ fd })
        yield* sys.close({ fd: again })
        assert.strictEqual((yield* errorOf(sys.close({ fd }))).code, "EBADF")
        yield* noMoreThan(before)
      }))

    it.effect("a buffer that is handed out is not changed by later calls", () =>
      Effect.gen(function*() {
        const fd = yield* open("/proc/self/cmdline", 0)
        const data = yield* sys.read({ fd, count: 100 })
        const copy = Uint8Array.from(data)
        yield* sys.statx({ dirfd: AT_FDCWD, path: "/", flags: 0, mask: 0 })
        yield* sys.close({ fd })
        assert.deepStrictEqual(data, copy)
      }))

    it.effect("fcntl, dup, dup3, close_range", () =>
      Effect.gen(function*() {
        const flags = yield* inChild(
          0,
          Effect.gen(function*() {
            const fd = yield* sys.memfd_create({ name: "mémoire", flags: c.MFD.CLOEXEC | c.MFD.ALLOW_SEALING })
            yield* sys.fcntl({ fd, command: c.F.ADD_SEALS, argument: c.F_SEAL.SHRINK | c.F_SEAL.SEAL })
            const get = (descriptor: number) => sys.fcntl({ fd: descriptor, command: c.F.GETFD, argument: 0 })
            const copy = yield* sys.dup({ fd })
            yield* sys.dup3({ oldfd: fd, newfd: 500, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: fd, newfd: 501, flags: 0 })
            yield* sys.close_range({ first: 501, last: 501, flags: c.CLOSE_RANGE.CLOEXEC })
            const marked = yield* get(501)
            yield* sys.close_range({ first: 500, last: 0xffffffff, flags: 0 })
            return {
              seals: yield* sys.fcntl({ fd, command: c.F.GET_SEALS, argument: 0 }),
              own: yield* get(fd),
              copy: yield* get(copy),
              marked,
              link: yield* sys.readlinkat({ dirfd: AT_FDCWD, path: `/proc/self/fd/${fd}` }),
              closed: (yield* errorOf(get(500))).code
            }
          })
        )
        assert.deepStrictEqual(flags, {
          seals: c.F_SEAL.SHRINK | c.F_SEAL.SEAL,
          own: c.FD.CLOEXEC,
          copy: 0,
          marked: c.FD.CLOEXEC,
          link: "/memfd:mémoire (deleted)",
          closed: "EBADF"
        })
      }))

    it.effect("directories, links, nodes, owners, modes, attributes", () =>
      Effect.gen(function*() {
        yield* sys.mkdirat({ dirfd: AT_FDCWD, path: below("tree"), mode: 0o755 })
        const dirfd = yield* open(below("tree"), c.O.DIRECTORY)
        yield* sys.mkdirat({ dirfd, path: "d", mode: 0o700 })
        yield* sys.mknodat({ dirfd, path: "null", mode: c.S.IFCHR | 0o600, major: 1, minor: 3 })
        yield* sys.mknodat({ dirfd, path: "block", mode: c.S.IFBLK | 0o600, major: 4095, minor: 0xfffff })
        yield* sys.mknodat({ dirfd, path: "pipe", mode: c.S.IFIFO | 0o600, major: 0, minor: 0 })
        yield* sys.mknodat({ dirfd, path: "sock", mode: c.S.IFSOCK | 0o600, major: 0, minor: 0 })
        yield* sys.mknodat({ dirfd, path: "flat", mode: c.S.IFREG | 0o600, major: 0, minor: 0 })
        yield* sys.symlinkat({ target: "../ziel ü", dirfd, path: "link" })
        const found: Array<string> = []
        for (;;) {
          const entries = yield* sys.getdents64({ fd: dirfd })
          if (entries.length === 0) break
          for (const { name, type } of entries) found.push(`${type} ${name}`)
        }
        assert.sameMembers(found, ["d d", "c null", "b block", "p pipe", "s sock", "f flat", "l link"])
        assert.strictEqual(yield* sys.readlinkat({ dirfd, path: "link" }), "../ziel ü")

        const stat = (name: string) =>
          sys.statx({ dirfd, path: name, flags: c.AT.SYMLINK_NOFOLLOW, mask: c.STATX.BASIC_STATS })
        const node = yield* stat("block")
        assert.deepStrictEqual(node.rdev, { major: 4095, minor: 0xfffff })
        assert.strictEqual(fs.statSync(below("tree/null")).rdev, 0x103)
        assert.strictEqual(node.ino, fs.lstatSync(below("tree/block"), { bigint: true }).ino)

        yield* sys.fchownat({ dirfd, path: "link", uid: 12, gid: 34, flags: c.AT.SYMLINK_NOFOLLOW })
        assert.deepInclude(yield* stat("link"), { uid: 12, gid: 34 })
        yield* sys.fchmodat({ dirfd, path: "flat", mode: 0o4755 })
        assert.strictEqual((yield* stat("flat")).mode, c.S.IFREG | 0o4755)
        yield* sys.fchmod({ fd: dirfd, mode: 0o711 })
        yield* sys.faccessat2({ dirfd, path: "flat", mode: 4, flags: 0 })
        assert.strictEqual(
          (yield* errorOf(sys.faccessat2({ dirfd, path: "absent", mode: 0, flags: c.AT.EACCESS }))).code,
          "ENOENT"
        )
        yield* sys.setxattr({ path: below("tree/flat"), name: "trusted.runfx", value: bytes("value") })
        yield* sys.renameat2({ olddirfd: dirfd, oldpath: "flat", newdirfd: dirfd, newpath: "flatter", flags: 1 })
        assert.strictEqual(
          (yield* errorOf(
            sys.renameat2({ olddirfd: dirfd, oldpath: "pipe", newdirfd: dirfd, newpath: "flatter", flags: 1 })
          )).code,
          "EEXIST"
        )
        yield* sys.unlinkat({ dirfd, path: "d", flags: c.AT.REMOVEDIR })
        yield* sys.unlinkat({ dirfd, path: "null", flags: 0 })
        assert.sameMembers(fs.readdirSync(below("tree")), ["block", "pipe", "sock", "flatter", "link"])
        const device = yield* errorOf(sys.mknodat({ dirfd, path: "x", mode: c.S.IFCHR, major: 4096, minor: 0 }))
        assert.strictEqual(device.code, "EINVAL")
        assert.include(device.message, "there is no device 4096:0")
        yield* sys.close({ fd: dirfd })
      }))

    it.effect("a directory of 3,000 entries comes whole", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("many"))
        const names = Array.from({ length: 3000 }, (_, n) => `entry-${n}-${"n".repeat(n % 200)}`)
        for (const name of names) fs.writeFileSync(below(`many/${name}`), "")
        const fd = yield* open(below("many"), c.O.DIRECTORY)
        const found: Array<string> = []
        for (;;) {
          const entries = yield* sys.getdents64({ fd })
          if (entries.length === 0) break
          found.push(...entries.map((entry) => entry.name))
        }
        yield* sys.close({ fd })
        assert.sameMembers(found, names)
      }))

    it.effect("names that are no UTF-8 can be read, opened and removed", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("odd"))
        const raw = [Buffer.of(0x66, 0xff, 0xc3, 0x28), Buffer.from("ok-ü-😀-\ufffd"), Buffer.of(0xed, 0xa0, 0x80)]
        for (const name of raw) fs.writeFileSync(Buffer.concat([Buffer.from(below("odd/")), name]), "x")
        const fd = yield* open(below("odd"), c.O.DIRECTORY)
        const entries = yield* sys.getdents64({ fd })
        assert.strictEqual(entries.length, 3)
        assert.include(entries.map((entry) => entry.name), "ok-ü-😀-\ufffd")
        assert.include(entries.map((entry) => entry.name), "f\udcff\udcc3(")
        for (const { name } of entries) yield* sys.unlinkat({ dirfd: fd, path: name, flags: 0 })
        yield* sys.close({ fd })
        assert.deepStrictEqual(fs.readdirSync(below("odd")), [])
        const half = yield* errorOf(sys.chdir({ path: "\ud83d" }))
        assert.deepInclude(half, { code: "EINVAL", detail: "a text holds half of a surrogate pair" })
      }))

    it.effect("openat2 keeps a path below its root", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("root"))
        fs.symlinkSync("/etc/passwd", below("root/out"))
        const dirfd = yield* open(below("root"), c.O.PATH)
        const resolve = (mode: number) =>
          sys.openat2({ dirfd, path: "out", flags: c.O.CLOEXEC, mode: 0, resolve: mode })
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.BENEATH))).code, "EXDEV")
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.IN_ROOT))).code, "ENOENT")
        assert.strictEqual((yield* errorOf(resolve(c.RESOLVE.NO_SYMLINKS))).code, "ELOOP")
        yield* sys.close({ fd: yield* resolve(0) })
        yield* sys.close({ fd: dirfd })
      }))

    it.effect("an argument that is no integer reaches no other descriptor", () =>
      Effect.gen(function*() {
        const error = yield* errorOf(sys.close({ fd: 0.5 }))
        assert.deepInclude(error, { code: "EINVAL", detail: "an argument is not an integer" })
        assert.strictEqual((yield* errorOf(sys.close({ fd: Number.NaN }))).code, "EINVAL")
      }))

    it.effect("fstatfs, and what statx tells of mounts", () =>
      Effect.gen(function*() {
        const fd = yield* open("/proc", c.O.PATH | c.O.DIRECTORY)
        assert.strictEqual((yield* sys.fstatfs({ fd })).type, 0x9fa0)
        const stat = yield* sys.statx({ dirfd: fd, path: "", flags: c.AT.EMPTY_PATH, mask: c.STATX.MNT_ID })
        assert.isTrue(stat.mountRoot)
        const line = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n").find((entry) =>
          entry.split(" ")[4] === "/proc"
        )!
        assert.strictEqual(String(stat.mountId), line.split(" ")[0])
        assert.strictEqual(`${stat.dev.major}:${stat.dev.minor}`, line.split(" ")[2])
        const inner = yield* sys.statx({ dirfd: fd, path: "self/status", flags: 0, mask: c.STATX.MNT_ID })
        assert.isFalse(inner.mountRoot)
        yield* sys.close({ fd })
      }))

    it.effect("umask, chdir, fchdir, getcwd, chroot", () =>
      Effect.gen(function*() {
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* sys.umask({ mask: 0o27 })
            const old = yield* sys.umask({ mask: 0o22 })
            yield* sys.chdir({ path: below(".") })
            const first = yield* sys.getcwd({})
            const fd = yield* open("/usr", c.O.PATH)
            yield* sys.fchdir({ fd })
            const second = yield* sys.getcwd({})
            yield* sys.chroot({ path: below(".") })
            return { old, first, second, third: yield* sys.getcwd({}) }
          })
        )
        assert.deepStrictEqual(child, { old: 0o27, first: below("."), second: "/usr", third: "(unreachable)/usr" })
      }))
  })
})
