/**
 * What all tests of a run have in common: a mark, and one directory for all that they write. When the run is over nothing of it
 * may be left on this machine, or the run fails; when it is interrupted, a watchdog removes what there is.
 */
import { spawn, spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import process from "node:process"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { builtIn, earlierRuns, leftoversOf, ownMark, sweep, variable } from "./leftovers.mjs"

const unmount = (point: string): void => void spawnSync("umount", ["--lazy", "--recursive", point])

const say = (title: string, lines: ReadonlyArray<string>): void => {
  if (lines.length > 0) process.stdout.write(`${title}:\n${lines.map((line) => `  ${line}\n`).join("")}`)
}

/** Before the first test; what it returns is run behind the last one. */
export default async (): Promise<() => Promise<void>> => {
  for (const mark of earlierRuns()) {
    say(`an earlier test run, ${mark}, was cut off and has left this, which is removed now`, leftoversOf(mark))
    say("this of it can't be removed", await sweep(mark, unmount))
  }

  const mark = ownMark()
  // what the watchdog has is not the run's: it would end itself
  const environment = { ...process.env }
  process.env[variable] = mark
  const watchdog = spawn(process.execPath, [fileURLToPath(new URL("watchdog.mjs", import.meta.url)), mark], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: environment
  })
  watchdog.unref()

  return async () => {
    rmSync(builtIn(), { recursive: true, force: true })
    let left = leftoversOf(mark)
    // what has just been killed, or has just lost its runtime, takes a moment to end
    for (let tries = 0; tries < 100 && left.length > 0; tries++) {
      await sleep(100)
      left = leftoversOf(mark)
    }
    say("left behind by the tests", left)
    if (left.length > 0) process.exitCode = 1
    say("this of it can't be removed", await sweep(mark, unmount))
    const ended = new Promise((resolve) => watchdog.on("exit", resolve))
    watchdog.stdin.end()
    await ended
  }
}
