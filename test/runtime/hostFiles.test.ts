import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { readText, realPath } from "../../src/runtime/hostFiles.ts"

let top = ""
beforeEach(() => void (top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runfx-files-")))))
afterEach(() => fs.rmSync(top, { recursive: true }))

describe("files that a command line names", () => {
  it("may be called by any bytes", () => {
    const name = Buffer.concat([Buffer.from(`${top}/a`), Buffer.of(0xff, 0xfe)])
    fs.mkdirSync(name)
    fs.writeFileSync(Buffer.concat([name, Buffer.from("/file")]), "é")
    assert.strictEqual(readText(`${top}/a\udcff\udcfe/file`), "é")
    fs.symlinkSync(name, `${top}/link`)
    assert.strictEqual(realPath(`${top}/link`), `${top}/a\udcff\udcfe`)
    assert.throws(() => readText(`${top}/none`), /ENOENT/)
  })

  it("may be of any length up to that of a configuration, also without an end", () => {
    const text = "é".repeat(100_000)
    fs.writeFileSync(`${top}/long`, text)
    assert.strictEqual(readText(`${top}/long`), text)
    assert.throws(() => readText("/dev/zero"), /^must be at most 8 MiB long$/)
  })

  it("hold UTF-8, or are refused", () => {
    fs.writeFileSync(`${top}/latin1`, Buffer.of(0x22, 0xe9, 0x22))
    assert.throws(() => readText(`${top}/latin1`), /is not UTF-8/)
  })
})
