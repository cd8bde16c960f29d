/** The steps of the root file system on the real kernel, looked at from outside. */
import { afterEach, assert, beforeAll, beforeEach, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { Worker } from "node:worker_threads"
import { AT, CLONE, MNT, MOUNT_ATTR, MS, O } from "../../src/native/constants.ts"
import * as Files from "../../src/native/Files.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { numbersFor } from "../../src/native/linux/syscallNumbers.ts"
import * as Procfs from "../../src/native/Procfs.ts"
import { parseMountInfo } from "../../src/steps/proc/mountinfo.ts"
import { inChild } from "../support/child.ts"
import * as contained from "../support/contained.ts"
import { bindMount, build, type Built, device, mount, usualDevices, usualMounts } from "../support/contained.ts"

const live = layer(Linux.layer)

let base = ""
let rootfs = ""
let hostMounts = ""
const hostTable = (): string => fs.readFileSync("/proc/self/mountinfo", "utf8")
const inRootfs = (name: string): string => path.join(rootfs, name)

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

const fine = (built: Built) => assert.isUndefined(built.error)
const failed = (built: Built): string => built.error ?? assert.fail("the container was built")
const nodeOf = (file: string) => {
  const stat = fs.lstatSync(file)
  return {
    type: stat.mode & 0o170000,
    mode: stat.mode & 0o7777,
    rdev: [stat.rdev >> 8, stat.rdev & 0xff],
    uid: stat.uid,
    gid: stat.gid
  }
}
const codeOf = (act: () => unknown): string => {
  try {
    act()
    return "no error"
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}
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

/** Whether this host has cgroup hierarchies of version 1, among them one for memory. */
const v1 = fs.existsSync("/sys/fs/cgroup/memory/cgroup.procs")
/** The line of a container's mountinfo that shows its cgroups. */
const cgroupLine = (built: Built): string => built.line(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup")

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

  live("binds", (it) => {
    it.effect("files and directories with their flags, what is below them, and their propagation", () => {
      fs.mkdirSync(path.join(base, "data/sub"), { recursive: true })
      fs.writeFileSync(path.join(base, "file"), "content")
      return build({
        container: {
          rootfs,
          mounts: [
            bindMount(path.join(base, "data"), "/data", { flags: MS.RDONLY | MS.NOSUID | MS.NOATIME }),
            bindMount(path.join(base, "file"), "/made/deep/file", { flags: MS.NODEV }),
            bindMount("/dev", "/tree", {
              flags: MS.REC,
              recursiveAttributes: { set: MOUNT_ATTR.RDONLY, clear: 0 }
            }),
            bindMount("/dev", "/flat", { propagation: [MS.SHARED] })
          ]
        }
      }, (built) => {
        fine(built)
        assert.match(built.line("/data"), / ro,nosuid,noatime /)
        assert.strictEqual(codeOf(() => fs.writeFileSync(built.at("/data/x"), "")), "EROFS")
        assert.strictEqual(fs.readFileSync(built.at("/made/deep/file"), "utf8"), "content")
        assert.match(built.line("/tree"), / ro,/)
        assert.match(built.line("/tree/shm"), / ro,/)
        // also after the root is entered
        assert.match(built.line("/flat"), / rw,.* shared:\d+ /)
        assert.strictEqual(built.line("/flat/shm"), "")
      })
    })

    it.effect("keep what restricts their source, unless an option clears it", () => {
      fs.mkdirSync(path.join(base, "data"))
      const data = path.join(base, "data")
      const flags = MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RDONLY
      return build({
        container: {
          rootfs,
          mounts: [
            bindMount(data, "/kept", { flags: MS.NOATIME }),
            bindMount(data, "/cleared", { clearedFlags: MS.NOEXEC | MS.RDONLY })
          ]
        },
        prepare: Effect.gen(function*() {
          yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
          yield* sys.mount({ source: data, target: data, type: null, flags: MS.BIND, data: null })
          yield* sys.mount({ source: null, target: data, type: null, flags: MS.BIND | MS.REMOUNT | flags, data: null })
        })
      }, (built) => {
        fine(built)
        assert.match(built.line("/kept"), / ro,nosuid,nodev,noexec,noatime /)
        assert.match(built.line("/cleared"), / rw,nosuid,nodev,relatime /)
      })
    })

    it.effect("through the dangling links that images have", () => {
      fs.writeFileSync(path.join(base, "resolv"), "nameserver")
      fs.symlinkSync("../run/resolve/stub.conf", inRootfs("etc/resolv.conf"))
      return build({
        container: { rootfs, mounts: [bindMount(path.join(base, "resolv"), "/etc/resolv.conf")] }
      }, (built) => {
        fine(built)
        assert.strictEqual(fs.readFileSync(built.at("/run/resolve/stub.conf"), "utf8"), "nameserver")
        assert.strictEqual(fs.readlinkSync(inRootfs("etc/resolv.conf")), "../run/resolve/stub.conf")
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

  live("binds links", (it) => {
    const source = () => {
      fs.writeFileSync(path.join(base, "text"), "text")
      fs.symlinkSync("text", path.join(base, "source"))
      return path.join(base, "source")
    }

    it.effect("as they are: copy-symlink makes them again", () =>
      Effect.gen(function*() {
        const copied = bindMount(source(), "/made/link", { links: ["copy-symlink"] })
        const text = bindMount(path.join(base, "text"), "/plain", { links: ["copy-symlink"] })
        // the second start finds the link of the first
        for (const _ of ["", "again"]) {
          yield* build({ container: { rootfs, mounts: [copied, text] } }, (built) => {
            fine(built)
            assert.strictEqual(fs.readlinkSync(built.at("/made/link")), "text")
            assert.strictEqual(built.line("/made/link"), "")
            assert.strictEqual(fs.readFileSync(built.at("/plain"), "utf8"), "text")
          })
        }
        fs.rmSync(inRootfs("made/link"))
        fs.symlinkSync("other", inRootfs("made/link"))
        yield* build({ container: { rootfs, mounts: [copied] } }, (built) => {
          assert.match(failed(built), /the source is a link to text, and the image has a link to other there/)
        })
        fs.rmSync(inRootfs("made/link"))
        fs.writeFileSync(inRootfs("made/link"), "")
        yield* build({ container: { rootfs, mounts: [copied] } }, (built) => {
          assert.match(failed(built), /the image has no link there/)
        })
      }))

    it.effect("as they are: src-nofollow and dest-nofollow bind one on another", () => {
      fs.symlinkSync("etc/real", inRootfs("link"))
      fs.writeFileSync(inRootfs("etc/real"), "untouched")
      const link = source()
      return build({
        container: {
          rootfs,
          mounts: [
            bindMount(link, "/link", { links: ["src-nofollow", "dest-nofollow"] }),
            bindMount(link, "/new", { links: ["src-nofollow"] }),
            bindMount(path.join(base, "text"), "/file", { links: ["dest-nofollow"] })
          ]
        }
      }, (built) => {
        fine(built)
        assert.strictEqual(fs.readlinkSync(built.at("/link")), "text")
        assert.strictEqual(fs.readlinkSync(built.at("/new")), "text")
        assert.strictEqual(fs.readFileSync(built.at("/etc/real"), "utf8"), "untouched")
        assert.strictEqual(fs.readFileSync(built.at("/file"), "utf8"), "text")
      })
    })
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

  live("a mount on something of another kind", (it) => {
    for (
      const [what, destination, isDirectory, why] of [
        [
          "a file on a directory",
          "/etc",
          false,
          /bind .*thing on \/etc: the source is not a directory, and what is there is/
        ],
        ["a directory on a file", "/etc/file", true, /\/etc\/file: .*ENOTDIR[^]*has a file where a directory must be/],
        ["through a file", "/etc/file/x", false, /\/etc\/file\/x: .*ENOTDIR[^]*has a file where a directory must be/]
      ] as const
    ) {
      it.effect(`is refused with the reason: ${what}`, () => {
        const thing = path.join(base, "thing")
        if (isDirectory) fs.mkdirSync(thing)
        else fs.writeFileSync(thing, "")
        fs.writeFileSync(inRootfs("etc/file"), "")
        return build({ container: { rootfs, mounts: [bindMount(thing, destination)] } }, (built) => {
          assert.match(failed(built), why)
        })
      })
    }
  })

  live("refuses", (it) => {
    const refused = (name: string, container: () => object, ...texts: ReadonlyArray<RegExp>) =>
      it.effect(name, () =>
        build({ container: { rootfs, ...container() } }, (built) => {
          for (const text of texts) assert.match(failed(built), text)
        }))

    refused(
      "an unknown option, with the kernel's words",
      () => ({ mounts: [mount("tmpfs", "/x", { data: ["colour=blue"] })] }),
      /mount tmpfs on \/x: option colour=blue: fsconfig\(.*EINVAL.*Unknown parameter 'colour'/
    )
    refused(
      "an unknown file system",
      () => ({ mounts: [mount("nosuchfs", "/x")] }),
      /mount nosuchfs on \/x: open the file system: .*ENODEV/,
      /what to do: this kernel has no file system nosuchfs/
    )
    refused(
      "a source that is not there",
      () => ({ mounts: [bindMount("/not/there", "/x")] }),
      /bind \/not\/there on \/x: open the source: .*ENOENT/,
      /what to do: create \/not\/there on the host/
    )
    refused("a mount on the root", () => ({ mounts: [mount("tmpfs", "/x/../")] }), /nothing may be mounted on the root/)
    refused("a tmpfs on /proc", () => ({ mounts: [mount("tmpfs", "/proc/")] }), /only a procfs may be on \/proc/)
    refused(
      "a directory bound on /proc",
      () => ({ mounts: [bindMount("/tmp", "/proc")] }),
      /only a procfs may be on \/proc, and the source is none/
    )
    refused(
      "a mount inside /proc",
      () => ({ mounts: [mount("proc", "/proc"), bindMount("/tmp", "/proc/self/attr")] }),
      /nothing may be mounted inside \/proc/
    )
    refused(
      "an id-mapped mount",
      () => ({
        mounts: [bindMount("/tmp", "/x", { idMapping: { uidMappings: [], gidMappings: [], recursive: false } })]
      }),
      /id-mapped/
    )
    refused("a sysctl that is none", () => ({ sysctl: { "net..x": "1" } }), /"net\.\.x": not a name/)
    refused("a sysctl that the kernel lacks", () => ({ sysctl: { "net.x": "1" } }), /sysctl net\.x=1: openat2.*ENOENT/)
    refused("a root that is not there", () => ({ rootfs: `${rootfs}/none` }), /ENOENT[^]*create the root file system/)
    refused("a root behind a symlink", () => {
      fs.symlinkSync("rootfs", path.join(base, "link"))
      return { rootfs: path.join(base, "link") }
    }, /ELOOP[^]*realpath/)

    it.effect("mounts without a mount namespace, and still locks the process in", () =>
      Effect.gen(function*() {
        const namespaces = contained.usualNamespaces.filter((name) => name !== "mnt")
        yield* build({ container: { rootfs, mounts: usualMounts }, namespaces }, (built) => {
          assert.match(failed(built), /would be the host's/)
        })
        yield* build({ container: { rootfs }, namespaces }, (built) => {
          fine(built)
          assert.strictEqual(fs.readlinkSync(`/proc/${built.pid}/root`), rootfs)
          assert.strictEqual(fs.readlinkSync(`/proc/${built.pid}/cwd`), rootfs)
        })
      }))
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

/** Puts the host's null device on standard input and output. */
const nullStdio = Effect.gen(function*() {
  const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/dev/null", flags: O.RDONLY, mode: 0 })
  yield* sys.dup3({ oldfd: fd, newfd: 0, flags: 0 })
  yield* sys.dup3({ oldfd: fd, newfd: 1, flags: 0 })
})

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
