/** What engines have written, and the samples of 2015: decoded, or refused for a reason that stands here. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import process from "node:process"
import { decode, decodeProcess } from "../../src/config/Config.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { configurations, processes } from "../support/engines.ts"

const lines = (text: string): ReadonlyArray<string> =>
  Result.match(decode(text, "/srv/bundle"), { onFailure: ({ message }) => message.split("\n"), onSuccess: () => [] })

describe("what an engine has written decodes", () => {
  // docker has its network made by one, and there are none yet: everything else of it is taken
  const hooks = /^hooks = .*: hooks are not run by runfx yet: /
  // both write them for a caller without privileges, who gets maps from the engine
  const withoutMaps = new Set(["crun-spec-rootless"])
  const count = { whole: 0, hooks: 0 }
  afterAll(() => {
    process.stdout.write(`engines: ${count.whole} configurations decode, ${count.hooks} but for their hooks\n`)
  })

  for (const { name, text } of configurations) {
    it(name, () => {
      const refused = lines(text).filter((line) => !hooks.test(line))
      if (lines(text).length > refused.length) count.hooks++
      else count.whole++
      const maps = ["uid", "gid"].map((kind) =>
        `linux.${kind}Mappings: must be given, as a new user namespace is asked for`
      )
      assert.deepStrictEqual(refused, withoutMaps.has(name) ? maps : [])
      const decoded = decode(JSON.stringify({ ...JSON.parse(text), hooks: undefined }), "/srv/bundle")
      const notices = Result.isSuccess(decoded) ? decoded.success.notices : []
      // a user can do nothing about what an engine writes
      assert.deepStrictEqual(notices.filter(({ level }) => level === "warning"), [])
    })
  }

  it.each(processes.map(({ name, text }) => [name, text] as const))("%s", (_, text) => {
    const container = defaultSpec({ rootfs: "/srv/root", args: ["sh"] })
    assert.isTrue(Result.isSuccess(decodeProcess(text, container)))
  })
})

const samples = fs.readdirSync("test/fixtures/libcontainer").toSorted()

const noDevice = "mounts[0].device = \"\": must name a file system, as this is no bind mount"
const noName = "networks[1].name = \"\": must be an interface's name"

/**
 * Samples of before the format was settled: they have a mount's file system as `type`, which libcontainer no longer read,
 * so that mount(2) got an empty one (ENODEV); and no name for the end of a veth pair inside, which could not be renamed.
 */
const older: Readonly<Record<string, ReadonlyArray<string>>> = {
  "host-pid": [noDevice],
  "minimal": [noDevice],
  "userns": [noDevice, noName],
  "route_source_address_selection": [noName],
  "attach_to_bridge": [noName]
}

describe("a sample of libcontainer's decodes, or is refused for a reason that 2015 had too", () => {
  it("is there", () => {
    assert.strictEqual(samples.length, 19)
  })
  it.each(samples)("%s", (file) => {
    const [, month = "", name = ""] = /^2015(..).*-sample_configs_(.*)\.json$/.exec(file) ?? []
    const sample: object = JSON.parse(fs.readFileSync(`test/fixtures/libcontainer/${file}`, "utf8"))
    // nsinit put the root and the program there
    const refused = lines(JSON.stringify({ rootfs: "/srv/root", args: ["/bin/sh"], ...sample }))
    const expected = month === "02" ? older[name] ?? [] : []
    assert.deepStrictEqual(refused.map((line, index) => line.slice(0, expected[index]?.length)), expected)
  })
})
