/** The live layer against the kernel it runs on: namespaces, credentials, limits, mounts. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import { inChild } from "../support/child.ts"
import { AT_FDCWD, bytes, errorOf, live, privately, temporaryDirectory, text, waitFor } from "../support/live.ts"

const { below, open } = temporaryDirectory()

describe("namespaces and credentials", () => {
  live("calls", (it) => {
    it.effect("unshare and setns", () =>
      Effect.gen(function*() {
        const names = yield* inChild(
          0,
          Effect.gen(function*() {
            const fd = yield* open("/proc/self/ns/uts", 0)
            yield* sys.unshare({ flags: c.CLONE.NEWUTS })
            yield* sys.sethostname({ name: "inside" })
            const inside = (yield* sys.uname({})).nodename
            yield* sys.setns({ fd, nstype: c.CLONE.NEWUTS })
            return [inside, (yield* sys.uname({})).nodename]
          })
        )
        assert.deepStrictEqual(names, ["inside", os.hostname()])
      }))

    it.effect("a user namespace made by a process that has threads only in its parent", () =>
      Effect.gen(function*() {
        const ids = yield* inChild(c.CLONE.NEWUSER, sys.getresuid({}))
        assert.strictEqual(ids.real, 65534)
      }))

    it.effect("ids and groups", () =>
      Effect.gen(function*() {
        const ids = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.setgroups({ groups: [10, 4_000_000_000, 7] })
            const groups = yield* sys.getgroups({})
            yield* sys.setgroups({ groups: [] })
            yield* sys.setresgid({ rgid: 3, egid: 4, sgid: 5 })
            yield* sys.setresuid({ ruid: -1, euid: 1001, suid: 1002 })
            return {
              groups,
              none: yield* sys.getgroups({}),
              uids: yield* sys.getresuid({}),
              gids: yield* sys.getresgid({}),
              refused: (yield* errorOf(sys.setresuid({ ruid: 5, euid: 5, suid: 5 }))).code
            }
          })
        )
        assert.sameMembers([...ids.groups], [10, 4_000_000_000, 7])
        assert.deepStrictEqual(ids.none, [])
        assert.deepStrictEqual(ids.uids, { real: 0, effective: 1001, saved: 1002 })
        assert.deepStrictEqual(ids.gids, { real: 3, effective: 4, saved: 5 })
        assert.strictEqual(ids.refused, "EPERM")
      }))

    it.effect("capabilities", () =>
      Effect.gen(function*() {
        const some = 1n << 21n | 1n << 39n | 1n
        const sets = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.capset({ effective: 1n, permitted: some, inheritable: 1n << 39n })
            const fd = yield* open("/proc/self/status", 0)
            return { own: yield* sys.capget({ pid: 0 }), status: text(yield* sys.read({ fd, count: 65536 })) }
          })
        )
        assert.deepStrictEqual(sets.own, { effective: 1n, permitted: some, inheritable: 1n << 39n })
        assert.include(sets.status, `CapPrm:\t${some.toString(16).padStart(16, "0")}`)
        assert.strictEqual(
          (yield* sys.capget({ pid: process.pid })).effective,
          (yield* sys.capget({ pid: 0 })).effective
        )
      }))

    it.effect("a new session keyring", () =>
      Effect.gen(function*() {
        const key = yield* inChild(
          0,
          sys.keyctl({ operation: c.KEYCTL.JOIN_SESSION_KEYRING, arg2: "_runfx.test", arg3: 0 })
        )
        assert.isAbove(key, 0)
        const anonymous = yield* inChild(
          0,
          sys.keyctl({ operation: c.KEYCTL.JOIN_SESSION_KEYRING, arg2: null, arg3: 0 })
        )
        assert.notStrictEqual(anonymous, key)
      }))
  })
})

describe("limits and scheduling", () => {
  live("calls", (it) => {
    it.effect("prlimit64 gives what held before", () =>
      Effect.gen(function*() {
        const limits = yield* inChild(
          0,
          Effect.gen(function*() {
            const first = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CORE, limit: { soft: 0n, hard: 0n } })
            const second = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CORE, limit: null })
            const as = yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.AS, limit: null })
            return { first, second, as }
          })
        )
        assert.deepStrictEqual(limits.second, { soft: 0n, hard: 0n })
        assert.strictEqual(limits.as.hard, 2n ** 64n - 1n)
      }))

    it.effect("affinity, policy, io priority, personality, memory policy", () =>
      Effect.gen(function*() {
        const cpus = yield* sys.sched_getaffinity({ pid: 0 })
        assert.isAbove(cpus.length, 0)
        const child = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.sched_setaffinity({ pid: 0, cpus: cpus.slice(0, 1) })
            yield* sys.sched_setattr({
              pid: 0,
              attributes: {
                policy: c.SCHED.BATCH,
                flags: 0n,
                nice: 5,
                priority: 0,
                runtime: 0n,
                deadline: 0n,
                period: 0n
              }
            })
            yield* sys.ioprio_set({ which: c.IOPRIO_WHO.PROCESS, who: 0, ioprio: c.IOPRIO_CLASS.BE << 13 | 7 })
            const persona = yield* sys.personality({ persona: c.PER.LINUX32 })
            yield* sys.set_mempolicy({ mode: c.MPOL.BIND, nodes: [0] })
            const [policy, maps] = [
              yield* open("/proc/self/stat", 0),
              yield* open("/proc/self/numa_maps", 0)
            ]
            return {
              cpus: yield* sys.sched_getaffinity({ pid: 0 }),
              stat: text(yield* sys.read({ fd: policy, count: 4096 })),
              maps: text(yield* sys.read({ fd: maps, count: 4096 })),
              persona,
              personaNow: yield* sys.personality({ persona: 0xffffffff }),
              machine: (yield* sys.uname({})).machine,
              preferred: yield* Effect.exit(sys.set_mempolicy({ mode: c.MPOL.DEFAULT, nodes: [] })).pipe(
                Effect.map(Exit.isSuccess)
              )
            }
          })
        )
        const fields = child.stat.slice(child.stat.lastIndexOf(")") + 2).split(" ")
        assert.deepStrictEqual(child.cpus, cpus.slice(0, 1))
        assert.strictEqual(fields[16], "5", "nice")
        assert.strictEqual(fields[38], String(c.SCHED.BATCH), "policy")
        assert.strictEqual(child.persona, 0)
        assert.strictEqual(child.personaNow, c.PER.LINUX32)
        assert.notStrictEqual(child.machine, os.machine())
        assert.include(child.maps, "bind:0")
        assert.isTrue(child.preferred)
        assert.strictEqual((yield* errorOf(sys.sched_setaffinity({ pid: 0, cpus: [8191] }))).code, "EINVAL")
        const none = yield* errorOf(sys.sched_setaffinity({ pid: 0, cpus: [-1] }))
        assert.deepInclude(none, { code: "EINVAL", detail: "there is no processor -1" })
      }))
  })
})

describe("mounts", () => {
  live("calls", (it) => {
    it.effect("mount, bind, remount, pivot_root, umount2", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("new"))
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            yield* sys.mount({
              source: "tmpfs",
              target: below("new"),
              type: "tmpfs",
              flags: c.MS.NOSUID,
              data: "mode=0711,size=64k"
            })
            const root = yield* open(below("new"), c.O.PATH)
            yield* sys.mkdirat({ dirfd: root, path: "old", mode: 0o700 })
            yield* sys.mkdirat({ dirfd: root, path: "proc", mode: 0o700 })
            yield* sys.mount({
              source: "/proc",
              target: `${below("new")}/proc`,
              type: null,
              flags: c.MS.BIND | c.MS.REC,
              data: null
            })
            yield* sys.pivot_root({ newRoot: below("new"), putOld: `${below("new")}/old` })
            yield* sys.chdir({ path: "/" })
            yield* sys.umount2({ target: "/old", flags: c.MNT.DETACH })
            yield* sys.mount({
              source: null,
              target: "/",
              type: null,
              flags: c.MS.REMOUNT | c.MS.BIND | c.MS.RDONLY,
              data: null
            })
            const fd = yield* open("/proc/self/mountinfo", 0)
            return {
              mounts: text(yield* sys.read({ fd, count: 65536 })),
              write: (yield* errorOf(sys.mkdirat({ dirfd: AT_FDCWD, path: "/x", mode: 0o700 }))).code
            }
          })
        )
        assert.match(child.mounts.split("\n")[0]!, / \/ \/ ro,relatime - tmpfs tmpfs .*size=64k,mode=711/)
        assert.strictEqual(child.write, "EROFS")
        assert.deepStrictEqual(fs.readdirSync(below("new")), [])
      }))

    it.effect("the data of a mount is never cut", () =>
      Effect.gen(function*() {
        const data = `mode=0755,${"x".repeat(5000)}`
        const error = yield* errorOf(sys.mount({ source: "t", target: below("."), type: "tmpfs", flags: 0, data }))
        assert.strictEqual(error.code, "EINVAL")
        assert.include(error.message, "limited to 4095 bytes")
      }))

    it.effect("fsopen, fsconfig, fsmount, move_mount, open_tree, mount_setattr", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("fs"))
        fs.mkdirSync(below("clone"))
        const child = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            const context = yield* sys.fsopen({ type: "tmpfs", flags: c.FSOPEN.CLOEXEC })
            const set = (key: string, value: string) =>
              sys.fsconfig({ fd: context, command: c.FSCONFIG.SET_STRING, key, value, aux: 0 })
            yield* set("mode", "0750")
            const unknown = (yield* errorOf(set("colour", "blue"))).message
            const wrong = (yield* errorOf(set("size", "much"))).message
            yield* sys.fsconfig({ fd: context, command: c.FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 })
            const fd = yield* sys.fsmount({
              fd: context,
              flags: c.FSMOUNT.CLOEXEC,
              attributes: c.MOUNT_ATTR.NOEXEC | c.MOUNT_ATTR.NODEV
            })
            yield* sys.move_mount({
              fromDirfd: fd,
              fromPath: "",
              toDirfd: AT_FDCWD,
              toPath: below("fs"),
              flags: c.MOVE_MOUNT.F_EMPTY_PATH
            })
            const tree = yield* sys.open_tree({
              dirfd: AT_FDCWD,
              path: below("fs"),
              flags: c.OPEN_TREE.CLONE | c.OPEN_TREE.CLOEXEC | c.AT.RECURSIVE
            })
            yield* sys.mount_setattr({
              dirfd: tree,
              path: "",
              flags: c.AT.EMPTY_PATH | c.AT.RECURSIVE,
              set: c.MOUNT_ATTR.RDONLY,
              clear: c.MOUNT_ATTR.NOEXEC,
              propagation: c.MS.SHARED,
              usernsFd: -1
            })
            yield* sys.move_mount({
              fromDirfd: tree,
              fromPath: "",
              toDirfd: AT_FDCWD,
              toPath: below("clone"),
              flags: c.MOVE_MOUNT.F_EMPTY_PATH
            })
            const mounts = yield* open("/proc/self/mountinfo", 0)
            return { unknown, wrong, mounts: text(yield* sys.read({ fd: mounts, count: 65536 })) }
          })
        )
        assert.include(child.unknown, "EINVAL (Invalid argument): tmpfs: Unknown parameter 'colour'")
        assert.include(child.wrong, "size")
        const optionsOf = (name: string) =>
          child.mounts.split("\n").find((line) => line.split(" ")[4] === below(name))!.split(" ").slice(5, 7)
        assert.deepStrictEqual(optionsOf("fs"), ["rw,nodev,noexec,relatime", "-"])
        assert.strictEqual(optionsOf("clone")[0], "ro,nodev,relatime")
        assert.match(optionsOf("clone")[1]!, /^shared:/)
      }))

    it.effect("an id-mapped mount", () =>
      Effect.gen(function*() {
        fs.mkdirSync(below("mapped"))
        fs.writeFileSync(below("mapped/file"), "")
        const uid = yield* inChild(
          c.CLONE.NEWNS,
          Effect.gen(function*() {
            yield* privately
            const fork = yield* Fork
            const holder = yield* fork.spawn(c.CLONE.NEWUSER, sys.nanosleep({ nanoseconds: 60_000_000_000n }))
            for (const name of ["uid_map", "gid_map"]) {
              const map = yield* open(`/proc/${holder}/${name}`, c.O.WRONLY)
              yield* sys.write({ fd: map, data: bytes("0 100000 65536") })
            }
            const userns = yield* open(`/proc/${holder}/ns/user`, 0)
            const tree = yield* sys.open_tree({ dirfd: AT_FDCWD, path: below("mapped"), flags: c.OPEN_TREE.CLONE })
            const mapped = yield* Effect.exit(
              sys.mount_setattr({
                dirfd: tree,
                path: "",
                flags: c.AT.EMPTY_PATH,
                set: c.MOUNT_ATTR.IDMAP,
                clear: 0,
                propagation: 0,
                usernsFd: userns
              })
            )
            yield* sys.kill({ pid: holder, signal: c.SIG.KILL })
            yield* waitFor(holder)
            yield* mapped
            return (yield* sys.statx({ dirfd: tree, path: "file", flags: 0, mask: c.STATX.BASIC_STATS })).uid
          })
        )
        assert.strictEqual(uid, 100_000)
      }))

    it.effect("a failed fsconfig does not read from what is no file system context", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        yield* sys.write({ fd: writeEnd, data: bytes("kept") })
        yield* errorOf(sys.fsconfig({ fd: readEnd, command: c.FSCONFIG.SET_FLAG, key: "ro", value: null, aux: 0 }))
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 10 })), "kept")
        yield* sys.close({ fd: readEnd })
        yield* sys.close({ fd: writeEnd })
      }))
  })
})
