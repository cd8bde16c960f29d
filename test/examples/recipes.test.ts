/**
 * The programs of docs/, run as a reader would: by root against the built package, and by a user. Modules of the user's have
 * its files joined, for half of the time of these tests was Node's that loads them.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { type Installed, installed } from "../support/installed.ts"
import { joined } from "../support/joined.ts"
import { prints, type Recipe, recipesOf } from "../support/recipes.ts"
import { missing } from "../support/rootfs.ts"
import { type Caller, callers, userId, usersMay } from "../support/sandboxes.ts"

const pages = ["docs/start.md", "docs/sandbox.md", ...readdirSync("docs/guide").map((name) => `docs/guide/${name}`)]

/** Programs of the host that are not there. */
const absent = (needs: ReadonlyArray<string>): ReadonlyArray<string> =>
  needs.filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0)

describe.skipIf(missing !== undefined || !usersMay())("the recipes of", () => {
  let package_: Installed
  let joinedApp: string
  let count = 0
  beforeAll(() => {
    package_ = installed()
    joinedApp = joined(package_.app, pages.flatMap(recipesOf).map(({ program }) => program))
    mkdirSync(`${package_.app}/bin`)
    // the states of containers that these tests have not started are none of theirs
    writeFileSync(
      `${package_.app}/bin/runfx`,
      `#!/bin/sh\nexec ${package_.command} \${STATES:+--root "$STATES"} "$@"\n`
    )
    writeFileSync(`${package_.app}/bin/npx`, "#!/bin/sh\nexec \"$@\"\n")
    for (const name of ["runfx", "npx"]) chmodSync(`${package_.app}/bin/${name}`, 0o755)
    chmodSync(`${package_.app}/..`, 0o755)
  })
  afterAll(() => package_.remove())

  /** A directory of its own for each, which has the files that the page has shown before. */
  const directoryOf = ({ files, language, program }: Recipe, caller: Caller): string => {
    const directory = `${caller === "user" && language === "js" ? joinedApp : package_.app}/${count++}`
    mkdirSync(directory)
    mkdirSync(`${directory}/states`)
    for (const [name, text] of files) writeFileSync(`${directory}/${name}`, text)
    writeFileSync(`${directory}/recipe.${language === "js" ? "mjs" : "sh"}`, program)
    return directory
  }

  const run = (recipe: Recipe, caller: Caller) => {
    const directory = directoryOf(recipe, caller)
    const ids = ["--reuid", String(userId), "--regid", String(userId), "--clear-groups"]
    const become = caller === "root" ? [] : ["setpriv", ...ids]
    for (const name of caller === "root" ? [] : [directory, `${directory}/states`]) {
      spawnSync("chown", [`${userId}:${userId}`, name])
    }
    const environment = [
      // what a program makes for itself goes with the package
      `TMPDIR=${directory}`,
      `XDG_RUNTIME_DIR=${directory}/states`,
      `STATES=${directory}/states`,
      `PATH=${package_.app}/bin:${process.env["PATH"]}`,
      // Node 20 reads all certificates of this file whenever it starts
      "NODE_EXTRA_CA_CERTS="
    ]
    const program = recipe.language === "js" ? [process.execPath, "recipe.mjs"] : ["sh", "recipe.sh"]
    const [file, ...args] = [...become, "env", ...environment, ...program]
    // files: a pipe would stay as its last user has left it, which a plan tells
    const stdout = openSync(`${directory}/stdout`, "w")
    const stderr = recipe.language === "js" ? openSync(`${directory}/stderr`, "w") : stdout
    const { status } = spawnSync(file!, args, { cwd: directory, stdio: ["ignore", stdout, stderr], timeout: 600_000 })
    for (const fd of new Set([stdout, stderr])) closeSync(fd)
    const read = (name: string) => readFileSync(`${directory}/${name}`, "utf8")
    return { status, stdout: read("stdout"), stderr: recipe.language === "js" ? read("stderr") : "" }
  }

  describe.each(pages)("%s", (page) => {
    const recipes = recipesOf(page)
    it("are there", () => assert.isAtLeast(recipes.length, 4))

    for (const caller of callers) {
      for (const recipe of recipes.filter((one) => one.caller === undefined || one.caller === caller)) {
        const lacks = absent(recipe.needs)
        const title = `as ${caller}: ${recipe.title}${lacks.length === 0 ? "" : `: needs ${lacks.join(" and ")}`}`
        it.skipIf(lacks.length > 0)(title, () => {
          const { status, stderr, stdout } = run(recipe, caller)
          if (!prints(recipe.output).test(stdout)) assert.strictEqual(stdout, recipe.output, stderr)
          assert.strictEqual(status, 0, stderr)
        })
      }
    }
  })
})
