/** Binds, of files and of links, and mounts that are refused. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { MOUNT_ATTR, MS } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as contained from "../../support/contained.ts"
import { bindMount, build, mount, usualMounts } from "../../support/contained.ts"
import { base, codeOf, failed, fine, inRootfs, live, rootfs } from "./setup.ts"

describe("rootfs", () => {
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
})
