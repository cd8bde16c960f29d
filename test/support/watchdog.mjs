/**
 * Looks after a test run: when its main process has gone, in whatever way, it removes what is left of the run.
 *
 *     node test/support/watchdog.mjs MARK
 *
 * Its standard input is a pipe of which the main process has the other end: the end of file tells that it has gone.
 */
import { spawnSync } from "node:child_process"
import process from "node:process"
import { sweep } from "./leftovers.mjs"

const mark = process.argv[2]
if (mark === undefined) throw new Error("usage: node watchdog.mjs MARK")

// what interrupts the tests must not interrupt this
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => {})
process.stdout.write("ready\n")
await new Promise((resolve) => process.stdin.on("close", resolve).resume())
await sweep(mark, (point) => void spawnSync("umount", ["--lazy", "--recursive", point]))
