/** What spans and metrics cost: the same starts with nobody who looks, with a tracer, and with a count. */
import { decode, median, shuffled, startWarm } from "./measure.mjs"
import { ms, ratio } from "./report.mjs"

/** @typedef {import("./turns.mjs").Bench} Bench */

const ways = /** @type {const} */ (["nobody", "tracer", "metrics"])
const names = { nobody: "no tracer", tracer: "a tracer that keeps every span", metrics: "`Metrics.layer`" }

/** In turns, in one process; the JavaScript's CPU time is what can differ. */
export const traced = async (/** @type {Bench} */ { isQuick, place }) => {
  const bundle = decode(place.bundle("traced"))
  const [turns, each] = isQuick ? [10, 20] : [40, 20]
  const warm = startWarm()
  for (const watch of ways) await warm.ask({ do: "run", bundle, count: 50, watch })
  const all = new Map(ways.map((way) => [way, { user: 0, times: /** @type {number[]} */ ([]) }]))
  for (let turn = 0; turn < turns; turn++) {
    for (const watch of shuffled(ways)) {
      const { cpu, times } = await warm.ask({ do: "run", bundle, count: each, watch })
      const of = /** @type {{ user: number, times: number[] }} */ (all.get(watch))
      of.user += cpu.user
      of.times.push(...times)
    }
  }
  warm.end()
  const count = turns * each
  const base = /** @type {{ user: number }} */ (all.get("nobody")).user / count
  return {
    tables: [{
      title: `who looks, ${count} starts each, in turns`,
      head: ["", "CPU of JavaScript", "× no tracer", "median"],
      rows: [...all].map(([way, { times, user }]) => [
        names[way],
        ms(user / count),
        ratio(user / count, base),
        ms(median(times))
      ])
    }],
    data: Object.fromEntries(
      [...all].map(([way, { times, user }]) => [way, { user: user / count, median: median(times) }])
    )
  }
}
