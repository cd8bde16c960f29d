/** An application that starts a sandbox, and ends in a way of its own. */
import * as promises from "../../src/promise.ts"

const [stateRoot = "", way = ""] = process.argv.slice(2)
const { pid } = await promises.spawn("trap '' TERM HUP INT; sleep 1000 & sleep 1000", { stateRoot })
process.stdout.write(`pid ${pid}\n`, () => {
  if (way === "exits") process.exit(3)
  if (way === "throws") {
    setImmediate(() => {
      throw new Error("a bug")
    })
  }
})
