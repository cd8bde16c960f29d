/** Containers as most are: what is there, what is left behind, what is read-only, other file systems. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { MNT, MS } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Procfs from "../../../src/native/Procfs.ts"
import * as contained from "../../support/contained.ts"
import { bindMount, build, type Built, device, mount, usualDevices, usualMounts } from "../../support/contained.ts"
import { base, codeOf, fine, inRootfs, live, nodeOf, nullStdio, rootfs, v1 } from "./setup.ts"

describe("rootfs", () => {
  live("of a usual container", (it) => {
    it.effect("has every mount where it belongs, with its flags and options", () =>
      build({ container: { rootfs, mounts: usualMounts, devices: usualDevices } }, (built) => {
        fine(built)
        const expected: ReadonlyArray<readonly [string, RegExp]> = [
          ["/proc", / rw,nosuid,nodev,noexec,relatime .*- proc proc rw$/],
          ["/dev", / rw,nosuid .*- tmpfs tmpfs rw,size=65536k,mode=755/],
          ["/dev/pts", / rw,nosuid,noexec,relatime .*- devpts devpts rw,gid=5,mode=620,ptmxmode=666$/],
          ["/dev/shm", / rw,nosuid,nodev,noexec,relatime .*- tmpfs shm rw,size=65536k/],
          ["/dev/mqueue", / rw,nosuid,nodev,noexec,relatime .*- mqueue mqueue rw$/],
          ["/sys", / ro,nosuid,nodev,noexec,relatime .*- sysfs sysfs rw$/],
          ["/sys/fs/cgroup", / ro,nosuid,nodev,noexec,relatime .*- (tmpfs|cgroup2) cgroup rw/]
        ]
        for (const [mountpoint, line] of expected) assert.match(built.line(mountpoint), line)
        // nothing of the host is left, and nothing is a peer of the host's mounts
        const text = fs.readFileSync(`/proc/${built.pid}/mountinfo`, "utf8")
        assert.notInclude(text, "shared:")
        assert.notInclude(text, "master:")
        assert.isTrue(
          built.mounts().every(({ mountpoint }) => mountpoint === "/" || /^\/(proc|dev|sys)/.test(mountpoint))
        )
        assert.isTrue(fs.existsSync(built.at("/proc/1/status")), "the procfs is of the new pid namespace")
        assert.isFalse(fs.existsSync(built.at(`/proc/${process.pid}/status`)))
        assert.strictEqual(nodeOf(built.at("/dev/shm")).mode, 0o1777)
      }))

    it.effect.skipIf(!v1)(
      "shows its own cgroups on a host with version 1",
      () =>
        build({ container: { rootfs, mounts: usualMounts } }, (built) => {
          fine(built)
          const own = fs.readFileSync(`/proc/${built.pid}/cgroup`, "utf8")
          for (const line of own.trim().split("\n")) {
            const [, controllers = ""] = line.split(":")
            const name = controllers === "" ? "unified" : controllers.replace("name=", "")
            // a hierarchy that nothing is mounted of any more stays in the list for a while
            if (!fs.existsSync(`/sys/fs/cgroup/${name}`)) continue
            assert.match(built.line(`/sys/fs/cgroup/${name}`), / ro,nosuid,nodev,noexec,relatime .*- cgroup2? /)
          }
          assert.strictEqual(codeOf(() => fs.mkdirSync(built.at("/sys/fs/cgroup/x"))), "EROFS")
        })
    )

    it.effect.skipIf(!v1)("binds its own cgroups without a cgroup namespace", () =>
      build({
        container: { rootfs, mounts: usualMounts },
        namespaces: contained.usualNamespaces.filter((name) => name !== "cgroup")
      }, (built) => {
        fine(built)
        const [, own = ""] = /^\d+:memory:(.*)$/m.exec(fs.readFileSync(`/proc/${built.pid}/cgroup`, "utf8")) ?? []
        assert.strictEqual(built.line("/sys/fs/cgroup/memory").split(" ")[3], own)
      }))

    it.effect("shows cgroup version 2 on a host that has nothing else", () =>
      build({
        container: {
          rootfs,
          mounts: [mount("proc", "/proc"), mount("cgroup", "/sys/fs/cgroup", { flags: MS.RDONLY | MS.NOEXEC })]
        },
        prepare: Effect.gen(function*() {
          yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
          yield* sys.umount2({ target: "/sys/fs/cgroup", flags: MNT.DETACH })
          yield* sys.mount({ source: "cgroup2", target: "/sys/fs/cgroup", type: "cgroup2", flags: 0, data: null })
        })
      }, (built) => {
        fine(built)
        assert.match(built.line("/sys/fs/cgroup"), / ro,noexec,relatime .*- cgroup2 cgroup rw/)
        assert.isTrue(fs.existsSync(built.at("/sys/fs/cgroup/cgroup.procs")))
      }))

    it.effect("has its devices and links", () =>
      build({
        container: {
          rootfs,
          mounts: usualMounts,
          devices: [
            ...usualDevices,
            device("/dev/net/tun", 10, 200, { fileMode: 0o640, uid: 7, gid: 8 }),
            device("/dev/loop", 7, 9, { type: "b", fileMode: 0o600 }),
            device("/dev/fifo", 0, 0, { type: "p", fileMode: 0o622 })
          ]
        }
      }, (built) => {
        fine(built)
        for (
          const [name, type, mode, rdev] of [
            ["null", 0o20000, 0o666, [1, 3]],
            ["zero", 0o20000, 0o666, [1, 5]],
            ["tty", 0o20000, 0o666, [5, 0]],
            ["net/tun", 0o20000, 0o640, [10, 200]],
            ["loop", 0o60000, 0o600, [7, 9]],
            ["fifo", 0o10000, 0o622, [0, 0]]
          ] as const
        ) {
          const node = nodeOf(built.at(`/dev/${name}`))
          assert.deepStrictEqual({ type: node.type, mode: node.mode, rdev: node.rdev }, { type, mode, rdev: [...rdev] })
        }
        const tun = nodeOf(built.at("/dev/net/tun"))
        assert.deepStrictEqual([tun.uid, tun.gid], [7, 8])
        for (
          const [name, target] of [
            ["fd", "/proc/self/fd"],
            ["stdin", "/proc/self/fd/0"],
            ["stdout", "/proc/self/fd/1"],
            ["stderr", "/proc/self/fd/2"],
            ["ptmx", "pts/ptmx"]
          ] as const
        ) assert.strictEqual(fs.readlinkSync(built.at(`/dev/${name}`)), target)
        assert.strictEqual(
          codeOf(() => fs.readlinkSync(built.at("/dev/core"))),
          fs.existsSync("/proc/kcore") ? "no error" : "ENOENT"
        )
      }))

    it.effect("has its names, sysctls, working directory, read-only and masked paths", () => {
      fs.mkdirSync(inRootfs("secret/deep"), { recursive: true })
      fs.writeFileSync(inRootfs("secret/deep/key"), "key")
      fs.mkdirSync(inRootfs("other"))
      fs.writeFileSync(inRootfs("other/key"), "key")
      fs.writeFileSync(inRootfs("etc/shadow"), "shadow")
      return build({
        container: {
          rootfs,
          mounts: usualMounts,
          devices: usualDevices,
          hostname: "box",
          domainname: "example",
          sysctl: { "net.ipv4.ip_forward": "1" },
          readonlyPaths: ["/proc/sys", "/proc/irq", "/proc/not-there"],
          maskedPaths: ["/secret", "/other", "/etc/shadow", "/proc/timer_list", "/not-there"]
        },
        process: { cwd: "/work/deep/" },
        // which namespace's value a procfs shows depends on who reads
        ask: Effect.gen(function*() {
          const { domainname, nodename } = yield* sys.uname({})
          const forward = yield* Files.using(
            Procfs.openProc,
            (proc) => Procfs.readProc(proc, "sys/net/ipv4/ip_forward")
          )
          return `${nodename} ${domainname} ${forward}`
        })
      }, (built) => {
        fine(built)
        assert.strictEqual(built.answer, "box example 1\n")
        assert.isTrue(fs.statSync(built.at("/work/deep")).isDirectory())
        assert.strictEqual(fs.statSync(built.at("/work")).mode & 0o7777, 0o755)
        assert.match(built.line("/proc/sys"), / ro,nosuid,nodev,noexec,relatime .*- proc /)
        assert.match(built.line("/proc/irq"), / ro,nosuid,nodev,noexec,relatime .*- proc /)
        assert.strictEqual(codeOf(() => fs.openSync(built.at("/proc/sys/net/ipv4/ip_forward"), "w")), "EROFS")
        for (const name of ["/secret", "/other"]) {
          assert.deepStrictEqual(fs.readdirSync(built.at(name)), [])
          assert.strictEqual(codeOf(() => fs.writeFileSync(built.at(`${name}/x`), "")), "EROFS")
          assert.match(built.line(name), / ro,nosuid,nodev,noexec,relatime .*- tmpfs tmpfs ro,size=4k,nr_inodes=1/)
        }
        // one file system for all of them
        assert.strictEqual(built.line("/secret").split(" ")[2], built.line("/other").split(" ")[2])
        assert.deepStrictEqual(nodeOf(built.at("/etc/shadow")).rdev, [1, 3])
        assert.deepStrictEqual(nodeOf(built.at("/proc/timer_list")).rdev, [1, 3])
      })
    })

    it.effect("exchanges the null device on standard input, output and error", () =>
      build({ container: { rootfs, mounts: usualMounts, devices: usualDevices }, prepare: nullStdio }, (built) => {
        fine(built)
        const dev = fs.statSync(built.at("/dev")).dev
        for (const fd of [0, 1]) {
          assert.strictEqual(fs.statSync(`/proc/${built.pid}/fd/${fd}`).dev, dev)
          assert.match(fs.readFileSync(`/proc/${built.pid}/fdinfo/${fd}`, "utf8"), /flags:\s+0100002/)
        }
      }))
  })

  live("leaves behind", (it) => {
    it.effect("no descriptor but that of the root, and none that a program inherits", () => {
      const descriptors = (built: Built) => {
        fine(built)
        return fs.readdirSync(`/proc/${built.pid}/fd`).map((fd) => ({
          fd: Number(fd),
          flags: fs.readFileSync(`/proc/${built.pid}/fdinfo/${fd}`, "utf8").split("\n")[1] ?? ""
        }))
      }
      fs.writeFileSync(inRootfs("etc/shadow"), "")
      return Effect.gen(function*() {
        const before = yield* build({ container: { rootfs }, pipeline: contained.nothing }, descriptors)
        const after = yield* build({
          container: {
            rootfs,
            mounts: [...usualMounts, bindMount("/tmp", "/bound")],
            devices: usualDevices,
            sysctl: { "net.ipv4.ip_forward": "1" },
            readonlyPaths: ["/proc/sys"],
            maskedPaths: ["/etc", "/bin", "/etc/shadow", "/proc/timer_list"]
          },
          process: { cwd: "/made" }
        }, descriptors)
        const made = after.filter(({ fd }) => !before.some((known) => known.fd === fd))
        assert.strictEqual(made.length, 1)
        // O_PATH|O_CLOEXEC
        for (const { flags } of made) assert.match(flags, /^flags:\s+012\d{6}$/)
      })
    })

    it.effect("the propagation that is asked for, and the host's mounts as they are", () =>
      build({ container: { rootfs, mounts: usualMounts, rootPropagation: MS.SHARED | MS.REC } }, (built) => {
        fine(built)
        assert.match(built.line("/"), / shared:\d+ - /)
      }))
  })

  live("read-only", (it) => {
    it.effect("makes the root, /dev and tmpfs mounts read-only after all is made in them", () =>
      build({
        container: {
          rootfs,
          readonlyRootfs: true,
          mounts: [
            mount("proc", "/proc"),
            mount("tmpfs", "/dev", { flags: MS.RDONLY | MS.NOSUID }),
            mount("devpts", "/dev/pts"),
            mount("tmpfs", "/run", { flags: MS.RDONLY }),
            mount("tmpfs", "/run/inner")
          ],
          devices: usualDevices
        }
      }, (built) => {
        fine(built)
        assert.match(built.line("/"), / ro,/)
        assert.match(built.line("/dev"), / ro,nosuid/)
        assert.match(built.line("/run"), / ro,/)
        assert.match(built.line("/run/inner"), / rw,/)
        for (const name of ["/x", "/dev/x", "/run/x"]) {
          assert.strictEqual(codeOf(() => fs.writeFileSync(built.at(name), "")), "EROFS")
        }
        assert.deepStrictEqual(nodeOf(built.at("/dev/null")).rdev, [1, 3])
      }))

    it.effect("enters a root whose file system is read-only itself", () => {
      for (const name of ["proc", "dev"]) fs.mkdirSync(inRootfs(name))
      const readonly = path.join(base, "readonly")
      fs.mkdirSync(readonly)
      return build({
        container: {
          rootfs: readonly,
          mounts: [mount("proc", "/proc"), mount("tmpfs", "/dev")],
          devices: usualDevices
        },
        prepare: Effect.gen(function*() {
          yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
          yield* sys.mount({ source: rootfs, target: readonly, type: null, flags: MS.BIND, data: null })
          yield* sys.mount({
            source: null,
            target: readonly,
            type: null,
            flags: MS.BIND | MS.REMOUNT | MS.RDONLY,
            data: null
          })
        })
      }, (built) => {
        fine(built)
        assert.match(built.line("/"), / ro,/)
      })
    })
  })

  live("as engines write it", (it) => {
    it.effect("has a device that is given twice, a place with dots, and other options for a mount that is there", () =>
      build({
        container: {
          rootfs,
          mounts: [
            mount("proc", "/proc"),
            mount("tmpfs", "/made/../tmp", { data: ["mode=700"] }),
            mount("proc", "/proc", { flags: MS.REMOUNT | MS.RDONLY | MS.NOSUID })
          ],
          devices: [device("/dev/x1", 1, 3), device("/dev/x1", 1, 3), device("/dev/../dev/x1", 1, 3)]
        }
      }, (built) => {
        fine(built)
        assert.deepStrictEqual(nodeOf(built.at("/dev/x1")).rdev, [1, 3])
        assert.strictEqual(nodeOf(built.at("/tmp")).mode, 0o700)
        assert.isFalse(fs.existsSync(inRootfs("made")))
        assert.match(built.line("/proc"), / ro,nosuid,/)
      }))
  })

  live("other file systems", (it) => {
    it.effect("a tmpfs that anybody may write where no directory was, and parents that only root may", () =>
      build({
        container: {
          rootfs,
          mounts: [mount("tmpfs", "/a/b"), mount("tmpfs", "/a/b/c"), mount("tmpfs", "/d", { data: ["mode=700"] })]
        },
        prepare: sys.umask({ mask: 0o077 })
      }, (built) => {
        fine(built)
        const modes = ["/a", "/a/b", "/a/b/c", "/d"].map((name) => nodeOf(built.at(name)).mode)
        assert.deepStrictEqual(modes, [0o755, 0o1777, 0o1777, 0o700])
      }))

    it.effect("overlay, with more layers than fsconfig(2) takes in one option", () => {
      const layers = Array.from({ length: 20 }, (_, index) => path.join(base, `layer-with-a-long-name-${index}`))
      for (const [index, layer] of layers.entries()) {
        fs.mkdirSync(layer)
        fs.writeFileSync(path.join(layer, `file${index}`), "")
      }
      return build({
        container: {
          rootfs,
          mounts: [mount("overlay", "/merged", { flags: MS.NOSUID, data: [`lowerdir=${layers.join(":")}`] })]
        }
      }, (built) => {
        fine(built)
        assert.match(built.line("/merged"), / rw,nosuid,relatime .*- overlay overlay/)
        assert.strictEqual(fs.readdirSync(built.at("/merged")).length, 20)
      })
    })

    it.effect("a tmpfs with the mode of the directory that it covers, and with its content if asked for", () => {
      fs.mkdirSync(inRootfs("var/sub"), { recursive: true })
      fs.chmodSync(inRootfs("var"), 0o1770)
      fs.writeFileSync(inRootfs("var/file"), "x".repeat(3_000_000), { mode: 0o640 })
      fs.chownSync(inRootfs("var/file"), 12, 34)
      fs.writeFileSync(inRootfs("var/sub/suid"), "", { mode: 0o755 })
      fs.chmodSync(inRootfs("var/sub/suid"), 0o4755)
      fs.symlinkSync("/etc/passwd", inRootfs("var/link"))
      return build({
        container: {
          rootfs,
          mounts: [mount("tmpfs", "/var", { copyUp: true })]
        }
      }, (built) => {
        fine(built)
        assert.strictEqual(nodeOf(built.at("/var")).mode, 0o1770)
        assert.strictEqual(fs.readFileSync(built.at("/var/file")).length, 3_000_000)
        const file = nodeOf(built.at("/var/file"))
        assert.deepStrictEqual([file.mode, file.uid, file.gid], [0o640, 12, 34])
        assert.strictEqual(nodeOf(built.at("/var/sub/suid")).mode, 0o4755)
        assert.strictEqual(fs.readlinkSync(built.at("/var/link")), "/etc/passwd")
        fs.writeFileSync(built.at("/var/file"), "changed")
        assert.strictEqual(fs.statSync(inRootfs("var/file")).size, 3_000_000)
      })
    })
  })

  live("without pivot_root", (it) => {
    it.effect("moves the root, and leaves no full procfs or sysfs of the host", () =>
      build({ container: { rootfs, noPivotRoot: true, mounts: usualMounts, devices: usualDevices } }, (built) => {
        fine(built)
        assert.strictEqual(fs.readlinkSync(`/proc/${built.pid}/root`), "/")
        const full = built.mounts().filter(({ type }) => type === "proc" || type === "sysfs")
        assert.deepStrictEqual(full.map(({ mountpoint }) => mountpoint), ["/proc", "/sys"])
      }))
  })
})
