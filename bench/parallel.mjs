/**
 * So many containers at a time: of commands, of one thread that goes on, and of several worker threads of one process.
 */
import { spawnSync } from "node:child_process"
import { besideLoops, between, cpuOf, decode, median, shuffled, startWarm, sumOf } from "./measure.mjs"
import { mib, ms, ratio } from "./report.mjs"
import { crun, loops, next, runc } from "./turns.mjs"

/** How many are on their way at once. */
const atOnce = 32
const threads = 2

/** @typedef {{ milliseconds: number, cpu: number, longestDelay?: number, resident?: number }} Turn */
/** @typedef {{ name: string, run: (count: number) => Promise<Turn | undefined>, end: () => void }} Runner */

/**
 * A command, as often as needed.
 *
 * @param {import("./turns.mjs").Peer} peer
 * @param {string} bundle
 * @returns {Runner}
 */
const commands = ({ command, name }, bundle) => ({
  name: `\`xargs -P${atOnce}\` ${name}`,
  run: async (count) => {
    const input = Array.from({ length: count }, next).join("\n")
    const [before, start] = [cpuOf("self"), performance.now()]
    const args = [`-P${atOnce}`, "-n1", command, "run", "-b", bundle]
    const { status } = spawnSync("xargs", args, { input, stdio: ["pipe", "ignore", "ignore"] })
    const milliseconds = performance.now() - start
    const { childrenSystem, childrenUser } = between(before, cpuOf("self"))
    return status === 0 ? { milliseconds, cpu: childrenSystem + childrenUser } : undefined
  },
  end: () => {}
})

/**
 * A process that goes on, whose threads have had 50 containers each before.
 *
 * @param {string} name
 * @param {string} bundle
 * @param {{ readonly threads?: number }} [how] main thread if there are none
 * @returns {Promise<Runner>}
 */
const continuing = async (name, bundle, how = {}) => {
  const warm = startWarm()
  const ask = (/** @type {number} */ count) => warm.ask({ do: "parallel", bundle, count, atOnce, ...how })
  await ask(50 * (how.threads ?? 1))
  return {
    name: `\`Runtime.run\`, ${name}`,
    run: async (count) => {
      const answer = await ask(count)
      return { ...answer, cpu: sumOf(answer.cpu) }
    },
    end: warm.end
  }
}

/**
 * @param {string} bundle
 * @param {readonly import("./turns.mjs").Peer[]} peers
 * @param {{ readonly turns: number, readonly each: number }} how
 */
const inTurns = async (bundle, peers, { each, turns }) => {
  const runners = [
    ...[runc, crun].filter(({ name }) => peers.some((peer) => peer.name === name)).map((peer) =>
      commands(peer, bundle)
    ),
    await continuing(`${atOnce} fibers`, bundle),
    await continuing(`${threads} worker threads × ${atOnce / threads} fibers`, bundle, { threads })
  ]
  /** @type {Map<Runner, Turn[]>} */
  const all = new Map(runners.map((runner) => [runner, []]))
  for (let turn = 0; turn < turns; turn++) {
    for (const runner of shuffled(runners)) {
      const measured = await runner.run(each)
      if (measured !== undefined) all.get(runner)?.push(measured)
    }
  }
  return runners.map((runner) => {
    runner.end()
    const measured = all.get(runner) ?? []
    const most = (/** @type {"longestDelay" | "resident"} */ what) =>
      measured.length === 0 ? NaN : Math.max(...measured.map((turn) => turn[what] ?? NaN))
    return {
      name: runner.name,
      each: median(measured.map(({ milliseconds }) => milliseconds / each)),
      cpu: median(measured.map(({ cpu }) => cpu / each)),
      delay: most("longestDelay"),
      resident: most("resident")
    }
  })
}

/**
 * @param {Awaited<ReturnType<typeof inTurns>>} all
 * @param {string} title
 */
const table = (all, title) => {
  const base = all.find(({ name }) => name.endsWith(crun.name)) ?? all.find(({ name }) => name.endsWith(runc.name))
  return {
    title,
    head: [
      "",
      "each",
      base?.name.endsWith(runc.name) ? "× runc" : "× crun",
      "CPU time",
      "× its",
      "longest wait of the main thread's event loop",
      "resident memory at most"
    ],
    rows: all.map(({ cpu, delay, each, name, resident }) => [
      name,
      ms(each),
      ratio(each, base?.each),
      ms(cpu),
      ratio(cpu, base?.cpu),
      ms(delay),
      mib(resident)
    ])
  }
}

/** The same many of each, idle and while loops keep all processors busy. */
export const parallel = async (/** @type {import("./turns.mjs").Bench} */ { isQuick, peers, place }) => {
  const bundle = decode(place.bundle("parallel"))
  const [turns, each] = isQuick ? [2, 64] : [5, 100]
  const measure = () => inTurns(bundle, peers, { turns, each })
  const idle = await measure()
  const load = await besideLoops(loops, measure)
  const title = `${turns * each} containers, ${atOnce} at a time`
  return {
    tables: [table(idle, title), table(load, `${title}, ${loops} busy loops beside them`)],
    data: { idle, load }
  }
}
