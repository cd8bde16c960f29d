import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { outputFile } from "../../src/cli/outputFile.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"

let top = ""
beforeEach(() => void (top = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-pid-"))))
afterEach(() => fs.rmSync(top, { recursive: true }))

const pidFile = (file: string | undefined) =>
  Effect.map(outputFile("--pid-file", file), (write) => (pid: number) => write(String(pid)))

const done = <A, E>(effect: Effect.Effect<A, E, Kernel | Scope.Scope>) =>
  Effect.runSync(Effect.provideService(Effect.scoped(effect), Kernel, Linux.make()))

const refusal = (file: string): string => done(Effect.flip(pidFile(file))).message

describe("outputFile", () => {
  it("writes the pid whole, in place of what is there, and nothing where none is asked for", () => {
    const file = path.join(top, "pid")
    for (const pid of [7, 1234567, 8]) {
      done(Effect.flatMap(pidFile(file), (write) => write(pid)))
      assert.strictEqual(fs.readFileSync(file, "utf8"), String(pid))
    }
    done(Effect.flatMap(pidFile(undefined), (write) => write(9)))
    assert.deepStrictEqual(fs.readdirSync(top), ["pid"])
  })

  it("replaces a link, and leaves alone what that leads to", () => {
    const [file, other] = [path.join(top, "pid"), path.join(top, "other")]
    fs.writeFileSync(other, "theirs")
    for (const target of ["other", "nowhere", "/dev/null"]) {
      fs.rmSync(file, { force: true })
      fs.symlinkSync(target, file)
      done(Effect.flatMap(pidFile(file), (write) => write(7)))
      assert.isTrue(fs.lstatSync(file).isFile())
      assert.strictEqual(fs.readFileSync(file, "utf8"), "7")
    }
    assert.strictEqual(fs.readFileSync(other, "utf8"), "theirs")
    assert.isFalse(fs.existsSync(path.join(top, "nowhere")))
  })

  it("refuses before anything is started what could not be written later", () => {
    fs.mkdirSync(path.join(top, "directory"))
    fs.symlinkSync("/proc/self/fd/1", path.join(top, "stdout"))
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      [`${top}/none/pid`, /openat\(.*ENOENT/],
      [`${top}/directory`, /there is a directory/],
      [`${top}/directory/`, /the name of a directory/],
      [`${top}/..`, /the name of a directory/],
      [`${top}/stdout`, /a link of \/proc to an open file/],
      ["/dev/null", /there is a device/],
      ["/proc/pid", /openat\(.*(ENOENT|EACCES|EPERM)/]
    ]
    for (const [file, why] of cases) {
      const message = refusal(file)
      assert.include(message, `--pid-file ${file}: `)
      assert.match(message, why)
    }
    assert.deepStrictEqual(fs.readdirSync(top).toSorted(), ["directory", "stdout"])
  })

  it("leaves nothing where the pid never came, or the directory has gone", () => {
    done(pidFile(path.join(top, "pid")))
    assert.deepStrictEqual(fs.readdirSync(top), [])
    const gone = path.join(top, "gone")
    fs.mkdirSync(gone)
    const error = done(
      Effect.flatMap(pidFile(path.join(gone, "pid")), (write) => {
        fs.rmSync(gone, { recursive: true })
        return Effect.flip(write(7))
      })
    )
    assert.match(error.message, /ENOENT/)
  })
})
