/** An application with a pool, which ends in a way of its own. */
import * as promises from "../../src/promise.ts"

const [stateRoot = "", way = ""] = process.argv.slice(2)
const pool = await promises.pool({ size: 2, stateRoot })
await pool.full()
const { pid } = await pool.spawn("sleep 1000 & sleep 1000")
process.stdout.write(`pid ${pid}\n`, () => {
  if (way === "exits") process.exit(3)
})
// nothing is left to be done but what waits: that keeps nobody
if (way === "ends") await pool.close()
if (way === "forgets") {
  const other = await promises.pool({ size: 1, stateRoot })
  await other.full()
  await pool.close()
}
