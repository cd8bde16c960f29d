/** Root file systems in a user namespace. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { AT, CLONE, MS, O } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import { inChild } from "../../support/child.ts"
import * as contained from "../../support/contained.ts"
import { bindMount, build, type Built, usualDevices, usualMounts } from "../../support/contained.ts"
import { base, codeOf, failed, fine, inRootfs, live, nodeOf, rootfs, v1 } from "./setup.ts"

/** The line of a container's mountinfo that shows its cgroups. */
const cgroupLine = (built: Built): string => built.line(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup")

describe("rootfs", () => {
  live("in a user namespace", (it) => {
    const mappings = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
    const user = {
      uidMappings: mappings,
      gidMappings: mappings,
      devices: usualDevices,
      mounts: usualMounts
    }
    const namespaces = [...contained.usualNamespaces, "user"] as const
    const give = () => {
      for (const name of [rootfs, inRootfs("etc")]) fs.chownSync(name, 100_000, 100_000)
    }

    it.effect("mounts all, and binds the host's device nodes", () => {
      give()
      return build({ container: { rootfs, ...user }, namespaces }, (built) => {
        fine(built)
        assert.match(built.line("/dev/pts"), /devpts devpts rw,gid=100005,mode=620/)
        assert.match(built.line("/sys"), / ro,.*- sysfs /)
        for (const name of ["null", "zero", "urandom"]) {
          assert.match(built.line(`/dev/${name}`), new RegExp(`/${name} /dev/${name} rw`))
        }
        fs.writeFileSync(built.at("/dev/null"), "goes nowhere")
        assert.strictEqual(nodeOf(inRootfs("proc")).uid, 100_000)
        assert.match(cgroupLine(built), / ro,.*- cgroup2? cgroup/)
      })
    })

    it.effect("leaves out the group of terminals where it is not mapped", () => {
      give()
      const one = [{ containerId: 0, hostId: 100_000, size: 1 }]
      return build({ container: { rootfs, ...user, uidMappings: one, gidMappings: one }, namespaces }, (built) => {
        fine(built)
        assert.match(built.line("/dev/pts"), /devpts devpts rw,mode=620/)
      })
    })

    it.effect("covers the host's kernel file systems where it can't take them away", () => {
      give()
      return build({ container: { rootfs, ...user, noPivotRoot: true }, namespaces }, (built) => {
        fine(built)
        const full = built.mounts().filter(({ mountpoint, type }) =>
          (type === "proc" || type === "sysfs") && built.line(mountpoint).includes(` - ${type} `)
        )
        assert.deepStrictEqual(full.map(({ mountpoint }) => mountpoint), ["/proc", "/sys"])
        assert.strictEqual(codeOf(() => fs.readFileSync(built.at(`/proc/${process.pid}/status`))), "ENOENT")
      })
    })

    it.effect("does not start beside a kernel file system of the host that it can't reach to cover", () => {
      give()
      const far = path.join(base, "far")
      fs.mkdirSync(path.join(far, "sys"), { recursive: true })
      fs.chmodSync(far, 0o700)
      const there = path.join(far, "sys")
      return Effect.acquireUseRelease(
        sys.mount({ source: "sysfs", target: there, type: "sysfs", flags: 0, data: null }),
        () =>
          build(
            { container: { rootfs, ...user, noPivotRoot: true }, namespaces },
            (built) =>
              assert.match(failed(built), /enterRoot: hide the host's sysfs on .*\/far\/sys: openat2\(.*EACCES/)
          ),
        () => Effect.orDie(sys.umount2({ target: there, flags: 0 }))
      )
    })

    it.effect("says what sysfs lacks without a network namespace", () => {
      give()
      return build({
        container: { rootfs, ...user },
        namespaces: namespaces.filter((name) => name !== "net")
      }, (built) => {
        assert.match(failed(built), /mount sysfs on \/sys: open the file system: fsopen.*EPERM/)
        assert.match(failed(built), /what to do: in a user namespace sysfs needs a new network namespace/)
      })
    })

    it.effect("keeps locked flags, whatever the options say", () => {
      give()
      const data = path.join(base, "data")
      fs.mkdirSync(data)
      fs.chmodSync(data, 0o755)
      const bound = (more: object) =>
        inChild(
          CLONE.NEWNS,
          Effect.gen(function*() {
            yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
            yield* sys.mount({ source: data, target: data, type: null, flags: MS.BIND, data: null })
            const locked = MS.RDONLY | MS.NOSUID | MS.NOATIME
            yield* sys.mount({
              source: null,
              target: data,
              type: null,
              flags: MS.BIND | MS.REMOUNT | locked,
              data: null
            })
            return yield* build({
              container: {
                rootfs,
                uidMappings: mappings,
                gidMappings: mappings,
                mounts: [bindMount(data, "/d", more)]
              },
              namespaces
            }, (built) => ({ error: built.error ?? "", line: built.line("/d") }))
          })
        )
      return Effect.gen(function*() {
        const kept = yield* bound({ flags: MS.RELATIME | MS.NODEV })
        assert.strictEqual(kept.error, "")
        assert.match(kept.line, / ro,nosuid,nodev,noatime /)
        const habit = yield* bound({ flags: MS.NOEXEC, clearedFlags: MS.RDONLY | MS.NOSUID | MS.NODEV })
        assert.strictEqual(habit.error, "")
        assert.match(habit.line, / ro,nosuid,noexec,noatime /)
      })
    })

    it.effect("is built by a side-car with the host's ids", () => {
      give()
      return build({
        container: { rootfs, uidMappings: mappings, gidMappings: mappings },
        namespaces,
        pipeline: contained.nothing
      }, (init) => {
        fine(init)
        return build({
          container: { rootfs, ...user, namespaces: namespaces.map((type) => ({ type })) },
          namespaces: [],
          pipeline: contained.outside,
          prepare: Effect.gen(function*() {
            const fds: Array<number> = []
            for (const name of ["net", "uts", "ipc", "pid", "mnt"]) {
              const path = `/proc/${init.pid}/ns/${name}`
              fds.push(yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.CLOEXEC, mode: 0 }))
            }
            for (const fd of fds) yield* sys.setns({ fd, nstype: 0 })
            yield* sys.reclone({ flags: 0 })
          })
        }, (built) => {
          fine(built)
          assert.match(init.line("/dev/pts"), /devpts devpts rw,gid=100005,mode=620/)
          assert.match(init.line("/dev"), /tmpfs tmpfs rw,.*uid=100000,gid=100000/)
          assert.match(init.line("/proc"), / - proc /)
          assert.strictEqual(fs.readlinkSync(`/proc/${init.pid}/root`), "/")
          assert.isTrue(fs.existsSync(init.at("/proc/1/status")))
          const node = nodeOf(init.at("/dev/null"))
          assert.deepStrictEqual([node.rdev, node.uid, node.gid], [[1, 3], 100_000, 100_000])
          assert.strictEqual(init.line("/dev/null"), "", "a node of its own, not the host's")
          // all that steps and the kernel made: links, the devpts and its ptmx, the queues, and places to mount on
          const made = ["/dev", ...fs.readdirSync(init.at("/dev")).map((name) => `/dev/${name}`), "/dev/pts/ptmx"]
          assert.includeMembers(made, ["/dev/fd", "/dev/ptmx", "/dev/pts", "/dev/mqueue", "/dev/shm"])
          const cgroups = v1 ? fs.readdirSync(init.at("/sys/fs/cgroup")).map((name) => `/sys/fs/cgroup/${name}`) : []
          const links = cgroups.filter((name) => fs.lstatSync(init.at(name)).isSymbolicLink())
          assert.deepStrictEqual(
            [...made, ...links].map((name) => [name, nodeOf(init.at(name))] as const)
              .filter(([, { gid, uid }]) => uid !== 100_000 || gid !== 100_000).map(([name]) => name),
            []
          )
          for (const name of ["proc", "dev", "sys"]) assert.strictEqual(nodeOf(inRootfs(name)).uid, 100_000)
          const [, own = ""] = (v1 ? /^\d+:memory:(.*)$/m : /^0::(.*)$/m).exec(
            fs.readFileSync(`/proc/${init.pid}/cgroup`, "utf8")
          ) ?? []
          assert.strictEqual(cgroupLine(init).split(" ")[3], own)
        })
      })
    })
  })
})
