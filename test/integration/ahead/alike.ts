/** Containers that are alike, one after the other: the calls of most of their steps are copied. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { O } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { containerOf, on, options, said, sh } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import { directory, place } from "./setup.ts"

describe.skipIf(missing !== undefined)("containers one after the other", () => {
  it.live("get each their own host name, masks and devices", () =>
    on(Effect.gen(function*() {
      const script = sh(
        "exec >/tmp/out; read name </proc/sys/kernel/hostname; echo $name /dev/*; test -c /proc/keys && echo masked || echo open"
      )
      const usual = containerOf(place, script, { readonlyRootfs: false })
      const other = { ...usual, hostname: "other", maskedPaths: [], devices: usual.devices.slice(1) }
      const outputs: Array<string> = []
      for (const container of [usual, usual, usual, usual, other, usual, other, other]) {
        const { code } = yield* Runtime.run(options(place, container))
        assert.strictEqual(code, 0)
        outputs.push(said(place))
      }
      const [first] = outputs
      assert.match(first!, / \/dev\/null .*\nmasked\n$/)
      assert.deepStrictEqual(outputs.map((one) => one === first), [true, true, true, true, false, true, false, false])
      assert.match(outputs[4]!, /^other .*\nopen\n$/)
      assert.notInclude(outputs[4]!, "/dev/null ")
      assert.deepStrictEqual(new Set(outputs).size, 2)
    })))

  it.live("give their pipes to the user of the program, and no file", () =>
    on(Effect.gen(function*() {
      const usual = containerOf(place, ["/bin/true"])
      const process = { ...usual.process, user: { _tag: "Ids" as const, uid: 7, gid: 7, additionalGids: [] } }
      const owners: Array<number> = []
      const kinds = ["pipe", "pipe", "pipe", "pipe", "file", "pipe", "file", "file", "file", "pipe"] as const
      for (const kind of kinds) {
        const fds = kind === "pipe"
          ? yield* sys.pipe2({ flags: O.CLOEXEC })
          : [fs.openSync(path.join(directory, "stream"), "w")]
        const stdio = [fds.at(-1)!, fds.at(-1)!, fds.at(-1)!] as const
        const { code } = yield* Runtime.run({ ...options(place, { ...usual, process }), stdio })
        assert.strictEqual(code, 0)
        owners.push(fs.fstatSync(fds.at(-1)!).uid)
        for (const fd of fds) yield* sys.close({ fd })
      }
      assert.deepStrictEqual(owners, kinds.map((kind) => kind === "pipe" ? 7 : 0))
    })))
})
