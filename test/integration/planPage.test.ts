/** The page of `runfx plan --format html`, in a browser. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Browser, Page } from "playwright-core"
import { hasBrowser, openBrowser, openFile } from "../support/browser.ts"
import { type Command, makeCommand } from "../support/command.ts"

/** A program's name and arguments, all of which the page shows. */
const hostile = ["</script><script>alert(1)</script>", "\"><img src=http://127.0.0.1:9/x onerror=alert(1)>", "\u202e"]

/** Pictures are kept there; without it, they end with the run. */
const kept = process.env["RUNFX_SCREENSHOTS"]

describe.skipIf(!hasBrowser)("the page of a plan, in a browser", () => {
  let command: Command
  let browser: Browser
  let top = ""
  beforeAll(async () => {
    top = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-page-"))
    command = makeCommand()
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser.close()
    command.remove()
    fs.rmSync(top, { recursive: true })
  })

  const planned = async (...args: ReadonlyArray<string>): Promise<string> => {
    const { code, stderr, stdout } = await command.runfx("plan", "--format", "html", "--", "/bin/true", ...args)
    assert.deepStrictEqual([code, stderr], [0, ""])
    const file = path.join(top, "plan.html")
    fs.writeFileSync(file, stdout)
    return file
  }

  /** A picture that is more than an empty page. */
  const picture = async (page: Page, name: string): Promise<void> => {
    const file = path.join(kept ?? top, `${name}.png`)
    assert.isAbove((await page.screenshot({ path: file })).length, 20_000)
  }

  it("opens steps, searches, goes by keyboard, and asks nobody for anything", async () => {
    const file = await planned()
    const { complaints, page, requests } = await openFile(browser, file, { viewport: { width: 1280, height: 900 } })
    const step = page.locator(".row", { has: page.locator(".name", { hasText: /^setHostname$/ }) })
    const call = step.locator(".call", { hasText: "sethostname(" })
    assert.isFalse(await call.isVisible())
    await step.locator("summary").click()
    assert.isTrue(await call.isVisible())
    await picture(page, "plan")

    // the parent and the init stand side by side, and the init's first step below the parent's that started it
    const box = async (name: string) => (await page.locator(".row details", { hasText: name }).first().boundingBox())!
    const [clone, join] = [await box("cloneInit"), await box("joinCgroup")]
    assert.isAtLeast(join.x, clone.x + clone.width)
    assert.isAtLeast(join.y, clone.y + clone.height)

    const shown = page.locator(".row:visible")
    const all = await shown.count()
    await page.keyboard.press("/")
    await page.keyboard.type("mkdirat")
    assert.match(await page.locator("#found").innerText(), /^\d+ steps, \d+ calls$/)
    assert.isBelow(await shown.count(), all)
    // Node has no types of it
    const marked = () => page.evaluate<ReadonlyArray<string>>("[...CSS.highlights.get('hit')].map(String)")
    assert.deepStrictEqual([...new Set(await marked())], ["mkdirat"])
    assert.isAtLeast((await marked()).length, await page.locator(".call:visible").count())
    for (const text of await page.locator(".call:visible").allInnerTexts()) assert.include(text, "mkdirat")
    await page.keyboard.press("ArrowDown")
    const first = await page.locator("summary:focus .name").innerText()
    await page.keyboard.press("ArrowDown")
    assert.notStrictEqual(await page.locator("summary:focus .name").innerText(), first)
    await page.keyboard.press("Escape")
    assert.deepStrictEqual([await shown.count(), await page.locator("#found").innerText()], [all, ""])
    assert.deepStrictEqual(await marked(), [])
    // as it was before the search
    assert.strictEqual(await page.locator("details[open]").count(), 1)

    await page.getByRole("button", { name: "Open all" }).click()
    const calls = await page.locator(".call:visible").count()
    await page.getByLabel("also calls that only look").uncheck()
    assert.isBelow(await page.locator(".call:visible").count(), calls)
    assert.deepStrictEqual([requests, complaints], [[`file://${file}`], []])
    await page.close()
  })

  it("of a plan that fails opens at the step that does, to which a link, a key, an address and the search lead", async () => {
    const { code, stdout } = await command.runfx("plan", "--format", "html", "--", "/bin/none")
    assert.strictEqual(code, 1)
    const file = path.join(top, "fails.html")
    fs.writeFileSync(file, stdout)
    const { complaints, page, requests } = await openFile(browser, file, { viewport: { width: 1280, height: 700 } })
    const focused = page.locator("summary:focus .name")
    const isThere = async () => {
      assert.strictEqual(await focused.innerText(), "findProgram")
      const { y } = (await focused.boundingBox())!
      assert.isTrue(y > 0 && y < 700, `${y}`)
    }
    await isThere()
    const step = page.locator("#step-standard-findProgram")
    assert.include(await step.locator(".why").innerText(), "/bin/none")
    assert.isTrue(await step.locator(".mark.bad", { hasText: /^= / }).isVisible())
    await picture(page, "fails")

    const away = () => page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    await away()
    await page.getByRole("link", { name: "standard: findProgram" }).click()
    await isThere()
    await away()
    await page.keyboard.press("f")
    await isThere()
    await page.keyboard.press("/")
    await page.keyboard.type("fails here")
    assert.deepStrictEqual(await page.locator(".row:visible .name").allInnerTexts(), ["findProgram"])
    await page.keyboard.press("ArrowDown")
    await isThere()
    // an address shows its step, also one that the search has hidden
    await page.evaluate("location.hash = '#step-standard-setHostname'")
    await page.locator("#step-standard-setHostname details[open]").waitFor()
    assert.strictEqual(await focused.innerText(), "setHostname")
    assert.strictEqual(await page.locator("#search").inputValue(), "")
    const none: ReadonlyArray<string> = []
    assert.deepStrictEqual([requests, complaints], [[`file://${file}`], none])
    await page.close()
  })

  it("shows hostile arguments as text, and fits a phone, in the dark", async () => {
    const file = await planned(...hostile)
    const { complaints, page, requests } = await openFile(browser, file, {
      viewport: { width: 360, height: 740 },
      colorScheme: "dark"
    })
    assert.include(await page.locator("h1").innerText(), `${hostile[0]} ${hostile[1]} \\u202e`)
    await page.getByRole("button", { name: "Open all" }).click()
    assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), 360)
    assert.strictEqual(await page.evaluate("document.querySelectorAll('img, script').length"), 1)
    await picture(page, "phone")
    assert.deepStrictEqual([requests, complaints], [[`file://${file}`], []])
    await page.close()
  })
})
