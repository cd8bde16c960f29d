/** The terminal of a program. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as c from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { openConsole } from "../../../src/steps/openConsole.ts"
import { startSession } from "../../../src/steps/startSession.ts"
import { directory, failing, look, own, stay } from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("the terminal", () => {
    /** A root with a devpts of its own. */
    const enterRoot = (root: string) =>
      own(
        "enterRoot",
        Effect.gen(function*() {
          const mount = (source: string, target: string, type: string, data: string | null) =>
            sys.mount({ source, target, type, flags: 0, data })
          yield* sys.mount({ source: null, target: "/", type: null, flags: c.MS.REC | c.MS.PRIVATE, data: null })
          yield* sys.mount({ source: root, target: root, type: null, flags: c.MS.BIND, data: null })
          yield* mount("devpts", `${root}/dev/pts`, "devpts", "newinstance,ptmxmode=0666,mode=0620")
          yield* sys.chroot({ path: root })
          yield* sys.chdir({ path: "/" })
        })
      )

    const terminal = (name: string, seed: (root: string) => void = () => {}) =>
      Effect.gen(function*() {
        const root = path.join(directory, name)
        fs.mkdirSync(path.join(root, "dev/pts"), { recursive: true })
        seed(root)
        const [ours, theirs] = yield* sys.socketpair({ type: c.SOCK.STREAM | c.SOCK.CLOEXEC })
        return {
          root,
          ours,
          theirs,
          options: {
            flags: c.CLONE.NEWNS,
            given: {
              consoleSocket: theirs,
              container: { namespaces: [{ type: "mnt" }] },
              process: { terminal: true, consoleSize: { rows: 33, columns: 99 } }
            },
            steps: [enterRoot(root), startSession, openConsole, stay]
          } as const
        }
      })

    it.effect("is stdio, the controlling one, and /dev/console; its master is sent away", () =>
      Effect.gen(function*() {
        const { options, ours, root, theirs } = yield* terminal("terminal")
        yield* look(options, (pid) =>
          Effect.gen(function*() {
            for (const fd of ["0", "1", "2"]) {
              assert.strictEqual(fs.readlinkSync(`/proc/${pid}/fd/${fd}`), `${root}/dev/pts/0`)
            }
            const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
            assert.strictEqual(stat[3], String(pid), "session")
            assert.strictEqual(stat[4], String(136 << 8), "controlling terminal")
            assert.match(fs.readFileSync(`/proc/${pid}/mountinfo`, "utf8"), new RegExp(`/0 /dev/console .* devpts `))
            const { data, fds } = yield* sys.recvmsg({ fd: ours, size: 4096, flags: c.MSG.DONTWAIT })
            assert.strictEqual(Buffer.from(data).toString(), "/dev/ptmx")
            const master = fds[0]!
            assert.deepStrictEqual(yield* sys.ioctl_gwinsz({ fd: master }), { rows: 33, columns: 99 })
            yield* sys.write({ fd: master, data: Buffer.from("hi\n") })
            // in as many pieces as the kernel likes
            let echo = ""
            while (echo.length < 4) echo += Buffer.from(yield* sys.read({ fd: master, count: 100 })).toString()
            assert.strictEqual(echo, "hi\r\n", "echo")
            yield* sys.close({ fd: master })
          }))
        assert.isTrue(fs.statSync(path.join(root, "dev/console")).isFile(), "bound in the container's namespace only")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))

    it.effect("is not bound where the image's /dev/console leads (CVE-2025-52565)", () =>
      Effect.gen(function*() {
        const { options, ours, theirs } = yield* terminal("console-link", (root) => {
          fs.writeFileSync(path.join(root, "secret"), "")
          fs.symlinkSync("/secret", path.join(root, "dev/console"))
        })
        const error = yield* failing(options)
        assert.include(error.message, "ELOOP")
        assert.include(error.failure?.advice, "symlink")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))

    it.effect("is not made of a file that only looks like a devpts", () =>
      Effect.gen(function*() {
        const { options, ours, theirs } = yield* terminal("fake", (root) => {
          fs.writeFileSync(path.join(root, "dev/pts/ptmx"), "")
        })
        const unmount = own("unmount", sys.umount2({ target: "/dev/pts", flags: c.MNT.DETACH }))
        const [enter, ...rest] = options.steps
        const error = yield* failing({ ...options, steps: [enter, unmount, ...rest] })
        assert.include(error.message, "/dev/pts is not a devpts")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))
  })
})
