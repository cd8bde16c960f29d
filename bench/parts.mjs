/**
 * What can be measured: each part by itself, in turns with the others' commands in the same run, on the same bundle.
 */
import { readFileSync } from "node:fs"
import process from "node:process"
import { measureCold } from "./cold.mjs"
import { besideLoops, decode, median, shuffled, startWarm, time } from "./measure.mjs"
import { isPureV2 } from "./place.mjs"
import { mib, ms, ratio } from "./report.mjs"
import { cold, crun, dataOf, headOf, inTurns, loops, rowsOf, runc, warmName } from "./turns.mjs"

/** @typedef {import("./turns.mjs").Bench} Bench */
/** @typedef {import("./turns.mjs").Measured} Measured */

/** One after the other on a machine that has nothing else to do, and what there is to say of the process that continues. */
export const idle = async (/** @type {Bench} */ { isQuick, peers, place }) => {
  const bundle = decode(place.bundle("idle"))
  const warm = startWarm()
  const [turns, each] = isQuick ? [3, 10] : [8, 10]
  const many = isQuick ? 200 : 1000
  const first = await warm.ask({ do: "run", bundle, count: 1 })
  const early = await warm.ask({ do: "run", bundle, count: 9 })
  await warm.ask({ do: "run", bundle, count: many / 2 - 10 })
  const all = await inTurns(bundle, peers, warm, { turns, each })
  const late = await warm.ask({ do: "run", bundle, count: Math.max(50, many / 2 - turns * each) })
  const watched = await warm.ask({ do: "run", bundle, count: 50, watch: "steps" })
  const { engine } = await warm.ask({ do: "engine" })
  warm.end()
  const base = all.get(crun.name) ?? all.get(runc.name)
  const middle = base === undefined ? undefined : median(base.times)
  const measured = /** @type {Measured} */ (all.get(warmName))
  const { childrenSystem = 0, childrenUser = 0, system = 0, user = 0 } = measured.cpus ?? {}
  const count = measured.times.length
  const kernel = (system + childrenSystem + childrenUser) / count
  const steps = Object.entries(watched.steps).toSorted(([, a], [, b]) => b - a)
  return {
    tables: [
      { title: "one after the other, with nothing added beside it", head: headOf(all), rows: rowsOf(all) },
      {
        title: "the process that continues",
        head: ["", "", "× crun"],
        rows: [
          ["its first container", ms(first.times[0]), ratio(first.times[0], middle)],
          ["its 10th", ms(early.times.at(-1)), ratio(early.times.at(-1), middle)],
          [
            `its last 100 of ${many}, median`,
            ms(median(late.times.slice(-100))),
            ratio(median(late.times.slice(-100)), middle)
          ],
          ["resident memory at the end", mib(late.resident), ""],
          ["descriptors after 10, at the end", `${early.descriptors}, ${late.descriptors}`, ""],
          ["the engine's own time for a step", `${engine.toFixed(1)} µs`, ""]
        ]
      },
      {
        title: "where the CPU time of a container goes",
        head: ["", "each", "share"],
        rows: [
          ["JavaScript, its compiler and collector", ms(user / count), ratio(user / count, measured.cpu / count)],
          ["the runtime's own system calls", ms(system / count), ratio(system / count, measured.cpu / count)],
          [
            "the container's processes: their calls, and the program",
            ms((childrenSystem + childrenUser) / count),
            ratio((childrenSystem + childrenUser) / count, measured.cpu / count)
          ],
          ["all, in multiples of what is not JavaScript", ms(measured.cpu / count), ratio(measured.cpu / count, kernel)]
        ]
      },
      {
        title: "the longest steps, median",
        head: ["step", "time"],
        rows: steps.slice(0, 12).map(([name, time]) => [`\`${name}\``, `${Number(time).toFixed(2)} ms`])
      }
    ],
    data: {
      ...dataOf(all),
      first: first.times[0],
      tenth: early.times.at(-1),
      late: median(late.times.slice(-100)),
      resident: late.resident,
      engine,
      cpu: { user: user / count, system: system / count, children: (childrenSystem + childrenUser) / count },
      steps: Object.fromEntries(steps)
    }
  }
}

/** The same, beside loops that keep all processors busy. */
export const load = async (/** @type {Bench} */ { isQuick, peers, place }) => {
  const bundle = decode(place.bundle("load"))
  const warm = startWarm()
  await warm.ask({ do: "run", bundle, count: isQuick ? 100 : 400 })
  const all = await besideLoops(loops, () => inTurns(bundle, peers, warm, { turns: isQuick ? 2 : 4, each: 5 }))
  warm.end()
  return {
    tables: [{ title: `${loops} busy loops beside it, one after the other`, head: headOf(all), rows: rowsOf(all) }],
    data: dataOf(all)
  }
}

/** Containers with little CPU time of their own, and what a start takes from that before the program runs. */
export const quota = async (/** @type {Bench} */ { isQuick, note, peers, place }) => {
  const rounds = isQuick ? 3 : 10
  const names = [runc, crun, cold].filter(({ name }) => peers.some((peer) => peer.name === name))
  /** @param {string} bundle */
  const measure = (bundle) => {
    /** @type {Map<string, { times: number[], said: number[] }>} */
    const all = new Map(names.map(({ name }) => [name, { times: [], said: [] }]))
    for (let round = 0; round < rounds; round++) {
      for (const peer of shuffled(names)) {
        const { error, milliseconds, output } = time(peer.command, peer.args(bundle))
        if (error !== undefined) throw new Error(`${peer.name}: ${error}`)
        const into = /** @type {{ times: number[], said: number[] }} */ (all.get(peer.name))
        into.times.push(milliseconds)
        into.said.push(Number(/(?:usage_usec )?(\d+)/.exec(output)?.[1]) / (isPureV2 ? 1e3 : 1e6))
      }
    }
    return all
  }
  const file = isPureV2 ? "/sys/fs/cgroup/cpu.stat" : "/sys/fs/cgroup/cpuacct/cpuacct.usage"
  const cpu = (/** @type {object} */ limits) => (/** @type {any} */ config) => {
    config.linux.resources.cpu = limits
  }
  const shares = place.bundle("shares", cpu({ shares: 2 }))
  const onePercent = place.bundle("quota", cpu({ quota: 1000, period: 100_000 }))
  const account = place.bundle("account", (config) => {
    config.process.args = ["/bin/busybox", "cat", file]
  })
  const rows = []
  /** @type {Record<string, unknown>} */
  const data = {}
  /** @type {[string, () => Promise<ReturnType<typeof measure>>, "times" | "said"][]} */
  const cases = [
    [`shares of 2, ${loops} busy loops`, () => besideLoops(loops, async () => measure(shares)), "times"],
    ["quota of 1 %", async () => measure(onePercent), "times"]
  ]
  if (place.hasShell) {
    cases.push(["CPU time of the container when its program starts", async () => measure(account), "said"])
  } else note("the container's own CPU time is not measured without busybox")
  for (const [what, run, which] of cases) {
    const all = await run()
    const of = (/** @type {string} */ name) => median(all.get(name)?.[which] ?? [])
    rows.push([
      what,
      ...names.map(({ name }) => ms(of(name))),
      ratio(of(cold.name), of(runc.name)),
      ratio(of(cold.name), of(crun.name))
    ])
    data[what] = Object.fromEntries(names.map(({ name }) => [name, of(name)]))
  }
  const head = ["", ...names.map(({ name }) => name), "× runc", "× crun"]
  return { tables: [{ title: "containers with little CPU time", head, rows }], data }
}

/** How long the event loop of an application has to wait while a container stops all that join it. */
export const loop = async (/** @type {Bench} */ { isQuick, note, place }) => {
  if (!place.hasShell) {
    note("without busybox there is no container that stops who joins it")
    return { tables: [], data: {} }
  }
  const bundle = decode(place.bundle("attacked", (config) => {
    config.process.args = ["/bin/busybox", "sh", "-c", "while :; do kill -STOP -1 2>/dev/null; done"]
    config.process.capabilities = { bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"] }
  }))
  const warm = startWarm()
  const count = isQuick ? 100 : 1000
  const seen = await warm.ask({ do: "attacked", bundle, count })
  warm.end()
  return {
    tables: [{
      title: "a container that stops the processes that join it",
      head: ["", ""],
      rows: [
        ["programs that tried, 32 at a time", String(count)],
        ["of these were stopped until their patience of a second was over", String(seen.failed)],
        ["longest time that the event loop had to wait", ms(seen.longestDelay)],
        ["99 % of its turns came within", ms(seen.usualDelay)]
      ]
    }],
    data: { count, ...seen }
  }
}

/** The command, from nothing: what it takes over a bare Node. */
export const coldStart = async (/** @type {Bench} */ { isQuick, place }) => {
  const costs = measureCold(place.bundle("cold"), isQuick ? 5 : 25)
  const [bare] = costs
  return {
    tables: [{
      title: "the command, cold",
      head: ["", "median", "over bare Node", "CPU time", "over bare Node"],
      rows: costs.map(({ cpu, name, wall }) => [
        `\`${name}\``,
        ms(wall),
        ms(wall - (bare?.wall ?? NaN)),
        ms(cpu),
        ms(cpu - (bare?.cpu ?? NaN))
      ])
    }],
    data: Object.fromEntries(costs.map(({ cpu, name, wall }) => [name, { median: wall, cpu }]))
  }
}

/** A container with very many mounts. */
export const mounts = async (/** @type {Bench} */ { isQuick, peers, place }) => {
  const count = 500
  const bundle = decode(place.bundle("mounts", (config) => {
    config.mounts.push({ destination: "/many", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev"] })
    for (let index = 0; index < count; index++) {
      config.mounts.push({
        destination: `/many/${index}`,
        type: "bind",
        source: place.directory,
        options: ["bind", "ro", "nosuid"]
      })
    }
  }))
  const warm = startWarm()
  await warm.ask({ do: "run", bundle, count: isQuick ? 5 : 30 })
  const others = [runc, crun].filter(({ name }) => peers.some((peer) => peer.name === name))
  const all = await inTurns(bundle, others, warm, { turns: isQuick ? 2 : 4, each: 5 })
  warm.end()
  return { tables: [{ title: `${count} mounts`, head: headOf(all), rows: rowsOf(all) }], data: dataOf(all) }
}

/** What the processors are, in a line. */
export const machine = () => {
  const model = /^model name\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? process.arch
  const busy = Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0])
  return { model, load: busy }
}
