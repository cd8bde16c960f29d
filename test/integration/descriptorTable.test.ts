/** A program sees how large its table of descriptors is (FDSize): never how many the runtime has. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { sys } from "../../src/native/Kernel.ts"
import * as promises from "../../src/promise.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, on, options, said, sh } from "../support/containers.ts"
import { eachLeavesNothing, ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const place = ownPlace()
eachLeavesNothing(place)

/** As large as the kernel makes it for a process that has few descriptors (`NR_OPEN_DEFAULT`). */
const smallest = "FDSize:\t64\n"

/** What the program has written; the next one may be another user's. */
const shown = (): string => {
  const text = said(place)
  fs.rmSync(path.join(place.root, "tmp/out"))
  return text
}

const own = sh("grep FDSize /proc/self/status > /tmp/out")

describe.skipIf(missing !== undefined)("with 1,000 descriptors in the runtime", () => {
  const inherited: Array<number> = []
  beforeAll(() => {
    for (let count = 0; count < 1000; count++) inherited.push(fs.openSync("/dev/null", "r"))
  })
  afterAll(() => inherited.forEach((fd) => fs.closeSync(fd)))

  for (const userns of [false, true]) {
    const container = (args: ReadonlyArray<string>) => containerOf(place, args, { userns, readonlyRootfs: false })

    it.live(`a program has the smallest table${userns ? " (userns)" : ""}`, () =>
      Effect.gen(function*() {
        yield* on(Runtime.run(options(place, container(own))))
        assert.strictEqual(shown(), smallest)
      }))

    it.live(`so has one that is executed, from when it can be seen on${userns ? " (userns)" : ""}`, () =>
      on(Effect.gen(function*() {
        const watch = sh("while :; do cat /proc/[0-9]*/status 2>/dev/null | grep FDSize >> /tmp/seen; done")
        const given = options(place, container(watch))
        const { pidfd } = yield* Runtime.create(given)
        try {
          for (let count = 0; count < 10; count++) {
            yield* Runtime.exec({ id: given.id, stateRoot: place.stateRoot, process: container(own).process })
            assert.strictEqual(shown(), smallest)
          }
        } finally {
          yield* Runtime.remove(given.id, { stateRoot: place.stateRoot, force: true })
          yield* sys.close({ fd: pidfd })
        }
        const seen = fs.readFileSync(path.join(place.root, "tmp/seen"), "utf8")
        const sizes = new Set(seen.split(/(?<=\n)/))
        // a process that has ended, and is not reaped yet
        sizes.delete("FDSize:\t0\n")
        assert.deepStrictEqual([...sizes], [smallest])
        fs.rmSync(path.join(place.root, "tmp/seen"))
      })))
  }

  it("its streams, its terminal and its descriptors are there all the same", async () => {
    const file = fs.openSync("/dev/null", "r")
    assert.isAbove(file, 1000)
    try {
      const program = "grep FDSize /proc/self/status; ls -l /proc/self/fd | sed -n 's/.* 5 -> //p'; cat"
      const given = { stateRoot: place.stateRoot, descriptors: { 5: { fd: file } } }
      const { stdout } = await promises.run(program, { ...given, input: "input" })
      assert.strictEqual(stdout, `${smallest}/dev/null\ninput`)
      const onTerminal = ["sh", "-c", "grep FDSize /proc/self/status; tty"]
      const { stdout: shown } = await promises.run(onTerminal, { ...given, terminal: true })
      assert.match(shown, /^FDSize:\t64\r\n\/dev\/pts\/\d+\r\n$/)
    } finally {
      fs.closeSync(file)
    }
  })
})
