/** The programs of docs/sandbox.md, run as a reader would: against the built package, as root and as a user. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { type Installed, installed } from "../support/installed.ts"
import { missing } from "../support/rootfs.ts"
import { callers, userId, usersMay } from "../support/sandboxes.ts"

/** Each program with its heading, and what it writes. */
const recipes = [
  ...readFileSync("docs/sandbox.md", "utf8").matchAll(/^## ([^\n]+)|```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/gm)
].reduce<{ readonly heading: string; readonly all: ReadonlyArray<readonly [string, string, string]> }>(
  ({ all, heading }, [, next, program, output]) =>
    next === undefined
      ? { heading, all: [...all, [`${heading} (${all.length})`, program!, output!]] }
      : { heading: next, all },
  { heading: "", all: [] }
).all

describe.skipIf(missing !== undefined || !usersMay())("docs/sandbox.md", () => {
  let package_: Installed
  beforeAll(() => {
    package_ = installed()
    mkdirSync(`${package_.app}/home`)
    chmodSync(`${package_.app}/home`, 0o777)
    chmodSync(`${package_.app}/..`, 0o755)
  })
  afterAll(() => package_.remove())

  it("has recipes", () => assert.isAtLeast(recipes.length, 9))

  describe.each(callers)("as %s", (caller) => {
    it.each(recipes)("%s", async (heading, program, output) => {
      const file = `${package_.app}/recipe.mjs`
      writeFileSync(file, program)
      const ids = ["--reuid", String(userId), "--regid", String(userId), "--clear-groups"]
      // what a reader's program makes for itself goes with the package
      const temporary = `TMPDIR=${package_.app}/home`
      const { code, stderr, stdout } = caller === "root"
        ? await package_.run("env", temporary, process.execPath, file)
        : await package_.run(
          "setpriv",
          ...ids,
          "env",
          `XDG_RUNTIME_DIR=${package_.app}/home`,
          temporary,
          process.execPath,
          file
        )
      // which pipeline the first process runs depends on the caller
      assert.strictEqual(stdout.replace(/userns|standard/, "STEPS"), output, `${heading}: ${stderr}`)
      assert.strictEqual(code, 0)
    })
  })
})
