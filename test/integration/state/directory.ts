/** The state directory: whose it is, what is in it, and failures in the middle of a save. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Step from "../../../src/engine/Step.ts"
import { P, SIG, W } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { type Call, Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import { live, rollback } from "../../support/cgroups.ts"
import { failNth } from "../../support/faults.ts"
import { state, withRoot } from "./setup.ts"

describe("the state directory", () => {
  it.effect("may be named in relation to a directory, and is named so where it can't be made", () => {
    const before = process.cwd()
    const gone = fs.mkdtempSync(join(tmpdir(), "gone-"))
    return live(
      Effect.gen(function*() {
        process.chdir(gone)
        fs.rmdirSync(gone)
        const failure = yield* Effect.flip(Store.create("state", "a"))
        assert.include(failure.message, "getcwd() = -1 ENOENT")
      }).pipe(
        Effect.provideService(Step.Rollback, { add: () => undefined }),
        Effect.ensuring(Effect.sync(() => process.chdir(before)))
      )
    )
  })

  it.effect("is not made behind a link that leads nowhere", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        const above = dirname(dirname(root))
        fs.symlinkSync("/nonexistent/x", `${above}/link`)
        const failure = yield* Effect.flip(Store.create(`${above}/link/state`, "a"))
        assert.include(failure.message, "= -1 ENOENT")
      })
    ))

  it.effect("is made for its owner alone, and a container's so that it can be passed through", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        const mask = yield* sys.umask({ mask: 0o077 })
        const { path } = yield* Store.create(root, "a")
        yield* sys.umask({ mask })
        assert.strictEqual(path, `${root}/a`)
        assert.strictEqual(fs.statSync(root).mode & 0o7777, 0o700)
        assert.strictEqual(fs.statSync(path).mode & 0o7777, 0o711)
      })
    ))

  it.effect("is not believed where others could have written it", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        yield* Store.save(root, state("a"))
        const untrusted = [
          () => fs.chmodSync(root, 0o777),
          () => {
            fs.chmodSync(root, 0o700)
            fs.chownSync(root, 65_534, 0)
          }
        ]
        for (const spoil of untrusted) {
          spoil()
          for (
            const act of [Store.load(root, "a"), Store.list(root), Store.remove(root, "a"), Store.create(root, "b")]
          ) {
            const error = yield* Effect.flip(act as Effect.Effect<unknown, Error, Kernel | Step.Rollback>)
            assert.strictEqual((error as { readonly _tag?: string })._tag, "StateUntrusted")
            assert.include(error.message, root)
          }
        }
      })
    ))

  it.effect("gives back what was saved, bigints and all", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        yield* Store.save(root, state("a"))
        assert.deepStrictEqual(yield* Store.load(root, "a"), state("a"))
        yield* Store.save(root, state("a", { owner: 7 }))
        assert.strictEqual((yield* Store.load(root, "a")).owner, 7)
        assert.deepStrictEqual(fs.readdirSync(`${root}/a`), ["state.json"])
        assert.strictEqual(fs.statSync(`${root}/a/state.json`).mode & 0o7777, 0o600)
      })
    ))

  it.effect("refuses an id that is taken, that is none, and one that leads elsewhere", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        assert.strictEqual((yield* Effect.flip(Store.create(root, "a")))._tag, "IdInUse")
        for (const id of ["", ".", "..", "../a", "a/b", "a b", "x".repeat(1025), "ä", "a\n"]) {
          assert.strictEqual((yield* Effect.flip(Store.create(root, id)))._tag, "InvalidId", id)
          assert.strictEqual((yield* Effect.flip(Store.load(root, id)))._tag, "InvalidId", id)
          assert.strictEqual((yield* Effect.flip(Store.remove(root, id)))._tag, "InvalidId", id)
        }
      })
    ))

  it.effect("tells a container that is not there from one that is damaged", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(Store.load(root, "a")))._tag, "ContainerNotFound")
        assert.strictEqual((yield* Effect.flip(Store.save(root, state("a"))))._tag, "ContainerNotFound")
        yield* Store.create(root, "a")
        assert.strictEqual((yield* Effect.flip(Store.load(root, "a")))._tag, "StateCorrupt")
        yield* Store.save(root, state("a"))
        const file = `${root}/a/state.json`
        const good = fs.readFileSync(file, "utf8")
        const damaged = [
          "",
          "{",
          "[]",
          "null",
          good.slice(0, -10),
          good.replace("\"version\":1", "\"version\":2"),
          good.replace("4711", "\"4711\""),
          good.replace("\"id\":\"a\"", "\"id\":\"b\""),
          good.replace("\"created\"", "\"creat\"")
        ]
        for (const text of damaged) {
          fs.writeFileSync(file, text)
          const failure = yield* Effect.flip(Store.load(root, "a"))
          assert.strictEqual(failure._tag, "StateCorrupt", text)
          assert.include(failure.message, file)
        }
      })
    ))

  it.effect("follows no link that somebody has put there", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        yield* Store.save(root, state("a"))
        fs.renameSync(`${root}/a/state.json`, `${root}/elsewhere`)
        fs.symlinkSync("../elsewhere", `${root}/a/state.json`)
        assert.strictEqual((yield* Effect.flip(Store.load(root, "a")))._tag, "StateCorrupt")
        fs.symlinkSync("a", `${root}/b`)
        assert.strictEqual((yield* Effect.flip(Store.load(root, "b")))._tag, "StateCorrupt")
        // what is replaced is the link, not what it leads to
        fs.writeFileSync(`${root}/elsewhere`, "precious")
        fs.symlinkSync("../elsewhere", `${root}/a/.state.json.new`)
        yield* Store.save(root, state("a"))
        assert.strictEqual(fs.readFileSync(`${root}/elsewhere`, "utf8"), "precious")
        assert.isTrue(fs.lstatSync(`${root}/a/state.json`).isFile())
      })
    ))

  it.effect("holds no environment", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        const secret = "TOKEN=do-not-keep-this"
        const given = state("a")
        yield* Store.create(root, "a")
        yield* Store.save(root, {
          ...given,
          container: { ...given.container, process: { ...given.container.process, env: [secret] } }
        })
        assert.notInclude(fs.readFileSync(`${root}/a/state.json`, "utf8"), "do-not-keep-this")
        assert.deepStrictEqual((yield* Store.load(root, "a")).container.process.env, [])
      })
    ))

  const odd: Readonly<Record<string, (file: string) => void>> = {
    "a pipe": (file) => execFileSync("mkfifo", [file]),
    "a device that never ends": (file) => execFileSync("mknod", [file, "c", "1", "5"]),
    "a file of 700 MB": (file) => {
      fs.writeFileSync(file, "")
      fs.truncateSync(file, 700_000_000)
    },
    "a symbolic link": (file) => fs.symlinkSync("/etc/passwd", file),
    "nothing": () => undefined
  }
  for (const [what, make] of Object.entries(odd)) {
    it.effect(`that is no file is broken, read in no time, and removed: ${what}`, () =>
      withRoot((root) =>
        Effect.gen(function*() {
          yield* Store.create(root, "a")
          make(`${root}/a/state.json`)
          assert.strictEqual((yield* Effect.flip(Store.load(root, "a")))._tag, "StateCorrupt")
          const [entry] = yield* Store.list(root)
          assert.isTrue(entry !== undefined && "error" in entry)
          yield* Runtime.remove("a", { stateRoot: root, force: true })
          assert.deepStrictEqual(fs.readdirSync(root), [])
        })
      ))
  }

  for (const what of ["a link", "a file"]) {
    it.effect(`in whose place is ${what} stays even by force, since no start has made that`, () =>
      withRoot((root) =>
        Effect.gen(function*() {
          yield* Store.create(root, "b")
          if (what === "a link") fs.symlinkSync("/etc", `${root}/a`)
          else fs.writeFileSync(`${root}/a`, "")
          assert.strictEqual((yield* Effect.flip(Runtime.remove("a", { stateRoot: root })))._tag, "StateCorrupt")
          const refused = yield* Effect.flip(Runtime.remove("a", { stateRoot: root, force: true }))
          assert.strictEqual(refused.message, `${root}/a is no container: it is not a directory`)
          assert.deepStrictEqual(fs.readdirSync(root), ["a", "b"])
        })
      ))
  }

  it.effect("that holds what no start makes stays as it is, damaged or not, and nothing is removed recursively", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        for (const [id, text] of [["whole", undefined], ["damaged", "{}"]] as const) {
          yield* Store.create(root, id)
          yield* Store.save(root, state(id))
          if (text !== undefined) fs.writeFileSync(`${root}/${id}/state.json`, text)
          const before = fs.readFileSync(`${root}/${id}/state.json`, "utf8")
          const odd: ReadonlyArray<readonly [name: string, make: (path: string) => void]> = [
            ["thesis.tex", (path) => fs.writeFileSync(path, "precious")],
            [".state.json.copy", (path) => fs.mkdirSync(path)]
          ]
          for (const [name, make] of odd) {
            make(`${root}/${id}/${name}`)
            const refused = yield* Effect.flip(
              id === "whole" ? Store.remove(root, id) : Runtime.remove(id, { stateRoot: root, force: true })
            )
            assert.include(refused.message, `${root}/${id} is not removed: it holds ${JSON.stringify(name)}`)
            assert.strictEqual(fs.readFileSync(`${root}/${id}/state.json`, "utf8"), before)
            assert.sameMembers(fs.readdirSync(`${root}/${id}`), ["state.json", name])
            fs.rmSync(`${root}/${id}/${name}`, { recursive: true })
          }
          yield* Store.remove(root, id)
        }
        assert.deepStrictEqual(fs.readdirSync(root), [])
      })
    ))

  it.effect("is old or new after a failure at any call of a save, never half", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        yield* Store.save(root, state("a", { owner: 1 }))
        let total = 0
        for (let nth = 1;; nth++) {
          const { failed, kernel } = failNth(Linux.make(), () => true, "EIO", nth)
          const exit = yield* Effect.exit(
            Effect.provideService(Store.save(root, state("a", { owner: 2 })), Kernel, kernel)
          )
          const { owner } = yield* Store.load(root, "a")
          assert.include([1, 2], owner)
          assert.isTrue(exit._tag === "Failure" || owner === 2)
          if (failed() === 0) break
          total++
          yield* Store.save(root, state("a", { owner: 1 }))
          assert.deepStrictEqual(fs.readdirSync(`${root}/a`), ["state.json"])
        }
        assert.isAbove(total, 8)
      })
    ))

  it.effect("is removed with all that a start makes in it, again and again, and by a rollback", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        const undo = rollback()
        yield* Effect.provideService(Store.create(root, "a"), Step.Rollback, undo.service)
        yield* Store.save(root, state("a"))
        fs.writeFileSync(`${root}/outside`, "")
        fs.symlinkSync(`${root}/outside`, `${root}/a/.state.json.copy`)
        yield* undo.run
        assert.deepStrictEqual(fs.readdirSync(root), ["outside"])
        yield* Store.remove(root, "a")
      })
    ))

  it.effect("lists all, and hides no broken one", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Store.list(root), [])
        for (const id of ["b", "a", "c"]) {
          yield* Store.create(root, id)
          yield* Store.save(root, state(id))
        }
        fs.writeFileSync(`${root}/b/state.json`, "{}")
        fs.writeFileSync(`${root}/no-directory`, "")
        const entries = yield* Store.list(root)
        assert.deepStrictEqual(
          entries.map((entry) => [entry.id, "state" in entry ? "fine" : entry.error._tag]),
          [["a", "fine"], ["b", "StateCorrupt"], ["c", "fine"]]
        )
      })
    ))

  it.effect("is one command's at a time, and nobody's once that one is dead", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        const [ready, signal] = yield* sys.pipe2({ flags: 0 })
        const fork = yield* Fork
        const holder = yield* fork.spawn(
          0,
          Store.withLock(
            root,
            "a",
            Effect.andThen(
              sys.write({ fd: signal, data: Buffer.from("x") }),
              sys.nanosleep({ nanoseconds: 60_000_000_000n })
            )
          )
        )
        yield* sys.read({ fd: ready, count: 1 })
        const failure = yield* Effect.flip(Store.withLock(root, "a", Effect.void, { milliseconds: 20 }))
        yield* sys.kill({ pid: holder, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: holder, options: W.EXITED })
        assert.strictEqual(failure._tag, "StateLocked")
        assert.strictEqual(yield* Store.withLock(root, "a", Effect.succeed(1)), 1)
        for (const fd of [ready, signal]) yield* sys.close({ fd })
      })
    ))

  it.effect("that was deleted while another waited for it is gone for that one", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        let removed = false
        const kernel = Linux.make()
        const removing: Kernel["Service"] = {
          invoke: <C extends Call>(call: C) => {
            if (call._tag === "flock" && !removed) {
              removed = true
              fs.rmdirSync(`${root}/a`)
              fs.mkdirSync(`${root}/a`)
            }
            return kernel.invoke(call)
          }
        }
        const failure = yield* Effect.flip(
          Effect.provideService(Store.withLock(root, "a", Effect.void), Kernel, removing)
        )
        assert.strictEqual(failure._tag, "ContainerNotFound")
      })
    ))
})
