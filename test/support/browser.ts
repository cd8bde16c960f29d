/** Chromium without a window, for what is made for a browser. */
import * as fs from "node:fs"
import { type Browser, chromium, type Page } from "playwright-core"

const executablePath = "/usr/bin/chromium"

/** Whether there is one. */
export const hasBrowser: boolean = fs.existsSync(executablePath)

/** It may ask nobody for anything. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/** Starts it, with a profile of its own in the run's temporary directory. */
export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath, args, headless: true })

/** A page that notes what it asks for, and what goes wrong in it. */
export interface Watched {
  readonly page: Page
  readonly requests: ReadonlyArray<string>
  readonly complaints: ReadonlyArray<string>
}

/** Opens a file. */
export const openFile = async (
  browser: Browser,
  file: string,
  options: Parameters<Browser["newPage"]>[0] = {}
): Promise<Watched> => {
  const page = await browser.newPage(options)
  const requests: Array<string> = []
  const complaints: Array<string> = []
  page.on("request", (request) => requests.push(request.url()))
  page.on("pageerror", ({ message }) => complaints.push(message))
  page.on("console", (said) => complaints.push(said.text()))
  page.on("dialog", (dialog) => {
    complaints.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`file://${file}`)
  return { page, requests, complaints }
}
