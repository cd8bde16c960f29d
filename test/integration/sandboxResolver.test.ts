/** Names that a sandbox asks for, as the proxy resolves them if the application does not: by servers, and only once. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { bundleDriver } from "../support/bundleDriver.ts"
import { complete } from "../support/command.ts"

const missing = process.getuid?.() !== 0 || !fs.existsSync("/etc/resolv.conf")

describe.skipIf(missing)("the proxy's own resolver", () => {
  let place = ""
  let told: {
    readonly found: Readonly<Record<string, Readonly<Record<string, string>>>>
    readonly asked: Readonly<Record<string, number>>
  }
  beforeAll(async () => {
    place = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-resolver-"))
    const driver = bundleDriver(place, "resolverDriver")
    const file = path.join(place, "resolv.conf")
    fs.writeFileSync(file, "nameserver 127.0.0.1\n")
    const script = `
      ip link set lo up && ip addr add 93.184.215.14/32 dev lo && ip addr add 2606:2800:21f::1/128 dev lo &&
      mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
    const { code, stderr, stdout } = await complete(
      "unshare",
      ["--mount", "--net", "sh", "-c", script, "sh", file, process.execPath, driver]
    )
    assert.strictEqual(code, 0, stderr)
    told = JSON.parse(stdout)
  })
  afterAll(() => fs.rmSync(place, { recursive: true }))

  const allowed = (address: string) => ({ outcome: "allowed", address })

  it("finds addresses of both kinds", () => {
    assert.deepStrictEqual(told.found["world.test"], allowed("93.184.215.14"))
    assert.deepStrictEqual(told.found["six.test"], allowed("2606:2800:21f::1"))
  })

  it("leaves out what a name must not lead to, and refuses a name that leads to nothing else", () => {
    assert.deepStrictEqual(told.found["both.test"], allowed("2606:2800:21f::1"))
    const { outcome, reason } = told.found["private.test"]!
    assert.strictEqual(outcome, "refused")
    assert.match(reason!, /^private\.test leads to 10\.0\.0\.1, which is /)
    assert.strictEqual(told.found["mapped.test"]!["outcome"], "refused")
  })

  it("asks once: what a name leads to later does not count", () => {
    assert.deepStrictEqual(told.found["changes.test"], allowed("93.184.215.14"))
    assert.deepStrictEqual([told.asked["changes.test 1"], told.asked["changes.test 28"]], [1, 1])
  })

  it("fails for a name that has no address, that is not known, and whose servers do not answer", () => {
    for (const name of ["empty.test", "unknown.test", "silent.test"]) {
      const { outcome, reason } = told.found[name]!
      assert.strictEqual(outcome, "failed", name)
      assert.match(reason!, /can't be resolved: |has no address/, name)
    }
  })
})
