/** An application that starts a sandbox, and ends in a way of its own. */
import { once } from "node:events"
import * as promises from "../../src/promise.ts"
import { deaf } from "./deaf.ts"

const [stateRoot = "", way = ""] = process.argv.slice(2)
const program = way === "is outlived" ? deaf : "trap '' TERM HUP INT; echo on; sleep 1000 & sleep 1000"
const { pid, stdout } = await promises.spawn(program, { stateRoot })
await once(stdout, "data")
process.stdout.write(`pid ${pid}\n`, () => {
  if (way === "exits") process.exit(3)
  if (way === "throws") {
    setImmediate(() => {
      throw new Error("a bug")
    })
  }
})
