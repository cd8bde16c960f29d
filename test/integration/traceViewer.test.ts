/** A trace in a viewer that others have written: speedscope, in a browser without network. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import process from "node:process"
import { hasBrowser, openBrowser, openFile } from "../support/browser.ts"
import { type Command, makeCommand } from "../support/command.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"

const can = hasBrowser && missing === undefined

/** As it writes what it has read: https://www.speedscope.app/file-format-schema.json */
interface Profile {
  readonly name: string
  readonly events: ReadonlyArray<{ readonly type: "O" | "C"; readonly frame: number; readonly at: number }>
}
interface Exported {
  readonly shared: { readonly frames: ReadonlyArray<{ readonly name: string }> }
  readonly profiles: ReadonlyArray<Profile>
}

let command: Command
let root: string
beforeAll(() => {
  if (!can) return
  command = makeCommand()
  root = makeRoot()
})
afterAll(() => {
  if (!can) return
  command.remove()
  removeRoot(root)
})

/** The steps and calls of a profile, each with how many there are around it. */
const depthsOf = ({ shared }: Exported, { events }: Profile): ReadonlyArray<readonly [name: string, depth: number]> => {
  let depth = 0
  return events.flatMap(({ frame, type }) => {
    depth += type === "O" ? 1 : -1
    return type === "O" ? [[shared.frames[frame]!.name.split(" ")[0]!, depth - 1] as const] : []
  })
}

it.skipIf(!can)("speedscope shows parent and init, steps behind each other, and calls in them", async () => {
  const top = path.dirname(command.stateRoot)
  const file = path.join(top, "run.json")
  const ended = await command.runfx("run", "--trace", file, "--id", "viewed", "--rootfs", root, "/bin/true")
  assert.deepStrictEqual(ended, { code: 0, stdout: "", stderr: "" })
  const text = JSON.stringify(fs.readFileSync(file).toString("base64"))
  fs.writeFileSync(path.join(top, "profile.js"), `speedscope.loadFileFromBase64("run.json", ${text})`)
  const require = createRequire(import.meta.url)
  const viewer = path.join(path.dirname(require.resolve("speedscope/package.json")), "dist/release/index.html")
  const browser = await openBrowser()
  try {
    const opened = await openFile(browser, `${viewer}#localProfilePath=${path.join(top, "profile.js")}`, {
      viewport: { width: 1400, height: 800 }
    })
    const { page, requests } = opened
    await page.getByText("Time Order").waitFor()
    const kept = process.env["RUNFX_SCREENSHOTS"]
    if (kept !== undefined) {
      await page.keyboard.press("n")
      await page.screenshot({ path: path.join(kept, "trace.png") })
    }
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Control+s")])
    const read = JSON.parse(fs.readFileSync(await download.path(), "utf8")) as Exported
    // it says what it could not read as it is written
    assert.deepStrictEqual(opened.complaints.filter((said) => /Tried to end|still open/.test(said)), [])
    assert.deepStrictEqual(requests.filter((url) => !url.startsWith("file:") && !url.startsWith("blob:")), [])
    const [parent, init] = ["parent (create)", "init (standard)"].map((name) =>
      depthsOf(read, read.profiles.find((profile) => profile.name.startsWith(name))!)
    )
    const depth = (all: typeof parent, name: string) => all!.find(([one]) => one === name)?.[1]
    assert.deepStrictEqual(["createState", "cloneInit", "releaseInit"].map((name) => depth(parent, name)), [0, 0, 0])
    assert.deepStrictEqual(["populateEnv", "mountFilesystems", "exec"].map((name) => depth(init, name)), [0, 0, 0])
    assert.deepStrictEqual([depth(parent, "clone"), depth(init, "execve")], [1, 1])
  } finally {
    await browser.close()
  }
})
