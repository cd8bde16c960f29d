/** What runs ahead comes to the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Step from "../../../src/engine/Step.ts"
import * as Ahead from "../../../src/native/Ahead.ts"
import { AT, F, FD, O, S } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { callNames, Kernel, onErrno, orOn, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { missing } from "../../support/rootfs.ts"
import { at, directory, inTurns } from "./setup.ts"

const text = (fd: number) => Effect.map(Files.readAll(fd), String)

const file = (name: string, content: string) =>
  Files.using(at(name, O.CREAT | O.WRONLY | O.TRUNC | O.CLOEXEC), (fd) => Files.writeAll(fd, Buffer.from(content)))

/** What an effect of one process comes to, ahead of it and not, and in how many turns. */
const both = (make: () => Effect.Effect<unknown, unknown, Kernel>) =>
  Effect.gen(function*() {
    const live = Linux.make()
    // a kernel that wraps another one is another one
    const plain: Kernel["Service"] = { invoke: live.invoke }
    return [yield* inTurns(live, make()), yield* inTurns(plain, make())] as const
  })

const same = (make: () => Effect.Effect<unknown, unknown, Kernel>, expected: unknown) =>
  Effect.map(both(make), ([ahead, plain]) => {
    assert.deepStrictEqual(ahead.end, plain.end)
    assert.deepStrictEqual(ahead.end, expected)
    assert.isAtMost(ahead.turns, plain.turns)
  })

describe.skipIf(missing !== undefined)("an effect that runs ahead comes to the same", () => {
  it.live("with everything as it should be", () =>
    same(() =>
      Effect.gen(function*() {
        yield* file("a", "one")
        yield* file("b", "two")
        return yield* Files.using(at("a", O.RDONLY | O.CLOEXEC), text)
      }), "one"))

  it.live("with a failure that is handled, and one that ends it", () =>
    Effect.gen(function*() {
      yield* same(() =>
        Effect.gen(function*() {
          const name = path.join(directory, "made")
          const found = yield* at("made", O.PATH | O.DIRECTORY | O.CLOEXEC).pipe(
            onErrno(["ENOENT"], () =>
              Effect.andThen(
                sys.mkdirat({ dirfd: AT.FDCWD, path: name, mode: 0o700 }),
                at("made", O.PATH | O.DIRECTORY | O.CLOEXEC)
              ))
          )
          yield* sys.unlinkat({ dirfd: AT.FDCWD, path: name, flags: AT.REMOVEDIR })
          return Files.isType(yield* Files.stat(found), S.IFDIR)
        }), true)
      yield* same(
        () =>
          Effect.andThen(
            file("c", "three"),
            Effect.andThen(sys.chdir({ path: path.join(directory, "nothing") }), file("never", ""))
          ),
        {
          failed:
            `test: tested: chdir("${path.join(directory, "nothing")}") = -1 ENOENT (No such file or directory)\n` +
            "  what to do: nothing is at this path: check it, and who may have removed what was there"
        }
      )
      assert.isTrue(fs.existsSync(path.join(directory, "c")))
      assert.isFalse(fs.existsSync(path.join(directory, "never")))
    }))

  it.live("with questions whose answer is not the likely one", () =>
    same(() =>
      Effect.gen(function*() {
        yield* file("d", "")
        return yield* Files.using(at("d", O.RDONLY | O.CLOEXEC), (fd) =>
          Effect.gen(function*() {
            const one = yield* Files.stat(fd)
            const root = yield* sys.statx({ dirfd: AT.FDCWD, path: "/", flags: 0, mask: 0xfff })
            const flags = yield* Ahead.likelyBits(FD.CLOEXEC, 0)(sys.fcntl({ fd, command: F.GETFD, argument: 0 }))
            return [
              Files.isType(one, S.IFDIR),
              Files.isType(one, S.IFREG, false),
              Ahead.isSame(one, root, "ino"),
              Ahead.isSame(one, one, "ino", { likely: false }),
              Ahead.is(one, "mode", 0o600, { mask: 0o777 }),
              Files.isType(root, S.IFDIR, "unknown"),
              flags & FD.CLOEXEC,
              String(one.size),
              yield* Ahead.likely("/nowhere")(Effect.andThen(sys.chdir({ path: "/" }), sys.getcwd({})))
            ]
          }))
      }), [false, true, false, true, true, true, 1, "0", "/"]))

  it.live("with the working directory, however long its path is", () =>
    Effect.forEach([60, 94, 95, 96, 130, 1000], (length) => {
      const names = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(24, "-"))
      const below = path.join(directory, ...names).slice(0, Math.max(length, directory.length + 8)).replace(/\/$/, "_")
      fs.mkdirSync(below, { recursive: true })
      return Effect.forEach([below, `${below.slice(0, -1)}?`], (guess) =>
        same(() =>
          Effect.gen(function*() {
            yield* sys.chdir({ path: below })
            // more of them than a list has room for
            const found = yield* Effect.forEach(
              Array.from({ length: guess === below ? 600 : 1 }),
              () => Ahead.likely(guess)(sys.getcwd({}))
            )
            yield* file("f", found.at(-1)!)
            return [new Set(found).size, yield* Files.using(at("f", O.RDONLY | O.CLOEXEC), text)]
          }), [1, below]))
    }))

  it.live("with a call of an effect that runs synchronously, though this turn of the event loop is spent", () =>
    Effect.gen(function*() {
      const { end } = yield* inTurns(
        Linux.make(),
        Effect.gen(function*() {
          yield* sys.umask({ mask: 0o27 })
          const context = yield* Effect.context<Kernel>()
          const since = performance.now()
          while (performance.now() - since < 50);
          return Effect.runSyncWith(context)(sys.umask({ mask: 0o22 }))
        })
      )
      assert.strictEqual(end, 0o27)
    }))

  it.live("with more questions than a list has room for", () =>
    same(() =>
      Effect.gen(function*() {
        yield* file("asked", "")
        const one = yield* Files.using(at("asked", O.RDONLY | O.CLOEXEC), Files.stat)
        let right = 0
        for (let count = 0; count < 20_000; count++) right += Number(Files.isType(one, S.IFREG))
        return right
      }), 20_000))

  it.live("behind a call of a fiber that was interrupted, which the process is still in", () =>
    Effect.gen(function*() {
      const given = Effect.timeoutOption(sys.nanosleep({ nanoseconds: 200_000_000n }), "20 millis")
      const usual = Effect.andThen(file("behind", "it"), Files.using(at("behind", O.RDONLY | O.CLOEXEC), text))
      // a step of somebody else comes before one that runs ahead, or is a part of it
      const waits = Step.make("waits", { doc: "", calls: callNames, reversal: "harmless", run: Effect.asVoid(given) })
      assert.strictEqual((yield* inTurns(Linux.make(), usual, "behind", waits)).end, "it")
      assert.strictEqual((yield* inTurns(Linux.make(), Effect.andThen(Ahead.once(given), usual))).end, "it")
      const again = Effect.andThen(Ahead.once(Effect.andThen(given, sys.reclone({ flags: 0 }))), usual)
      assert.strictEqual((yield* inTurns(Linux.make(), again)).end, "it")
    }))

  it.live("unless its fibers make calls at the same time, which is an error", () =>
    Effect.gen(function*() {
      const slow = Effect.andThen(sys.nanosleep({ nanoseconds: 20_000_000n }), sys.uname({}))
      const fibers = Effect.all([slow, file("lost", "")], { concurrency: "unbounded" })
      const { end } = yield* inTurns(Linux.make(), Effect.map(Effect.exit(fibers), String))
      assert.include(String(end), "a child has one thread: while one of its calls waits, it can't make another")
    }))

  it.live("with what is only done if something is there", () =>
    Effect.gen(function*() {
      fs.writeFileSync(path.join(directory, "there"), "x")
      yield* same(() =>
        Effect.gen(function*() {
          const names = ["there", "absent", "there", "absent/below"]
          yield* Effect.forEach(names, (name, index) =>
            Ahead.ifOpen(
              ["ENOENT", "ENOTDIR"],
              at(name, O.PATH | O.CLOEXEC),
              (fd) =>
                Files.using(Effect.succeed(fd), () =>
                  sys.symlinkat({ target: name, dirfd: AT.FDCWD, path: path.join(directory, `link${index}`) }))
            ), { discard: true })
          yield* file("end", "of it")
          const made: Array<string> = []
          for (const index of names.keys()) {
            const link = { dirfd: AT.FDCWD, path: path.join(directory, `link${index}`) }
            const target = yield* sys.readlinkat(link).pipe(orOn(["ENOENT"], undefined))
            if (target === undefined) {
              continue
            }
            made.push(target)
            yield* sys.unlinkat({ ...link, flags: 0 })
          }
          return made
        }), ["there", "there"])
    }))

  it.live("with many guesses that are wrong, and runs again a few times only", () =>
    Effect.gen(function*() {
      let runs = 0
      const names = Array.from({ length: 100 }, (_, index) => `missing${index}`)
      const kernel = Linux.make()
      const look = Effect.gen(function*() {
        runs++
        const found = yield* Effect.forEach(names, (name) => at(name, O.PATH | O.CLOEXEC).pipe(orOn(["ENOENT"], -1)))
        return found.every((fd) => fd === -1)
      })
      const first = yield* inTurns(kernel, look, "missing")
      const later = runs
      assert.isTrue(first.end)
      assert.isBelow(later, 10)
      // each was waited for, and is known the next time
      assert.isTrue((yield* inTurns(kernel, look, "missing")).end)
      assert.strictEqual(runs - later, 1)
    }))

  it.live("with more calls than one list holds", () =>
    same(() =>
      Effect.gen(function*() {
        let sum = 0
        for (let index = 0; index < 1000; index++) {
          const fd = yield* at("there", O.PATH | O.CLOEXEC)
          sum += Files.isType(yield* Files.stat(fd), S.IFREG) ? 1 : 0
          yield* sys.close({ fd })
        }
        return sum
      }), 1000))

  it.live("with somebody else's part in it, which runs once", () =>
    Effect.gen(function*() {
      let runs = 0
      yield* same(() => {
        runs = 0
        return Effect.gen(function*() {
          yield* file("e", "five")
          const theirs = yield* Ahead.once(Effect.andThen(
            Effect.sync(() => ++runs),
            Files.using(at("e", O.RDONLY | O.CLOEXEC), text)
          ))
          const fd = yield* at("e", O.PATH | O.CLOEXEC)
          return [theirs, runs, Files.isType(yield* Files.stat(fd), S.IFDIR)]
        })
      }, ["five", 1, false])
    }))

  it.live("and says so if it makes other calls when it runs again", () =>
    Effect.gen(function*() {
      let runs = 0
      const [{ end }] = yield* both(() =>
        Effect.gen(function*() {
          yield* sys.umask({ mask: runs++ })
          return (yield* Files.stat(0)).ino > 0n
        })
      ).pipe(Effect.catch((error) => Effect.succeed([{ end: String(error) }])))
      assert.match(JSON.stringify(end), /run again, an effect makes the call/)
    }))
})
