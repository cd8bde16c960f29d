/**
 * The commands that are compared, and how: in turns, on the same bundle, in the same run.
 */
import { join } from "node:path"
import process from "node:process"
import { between, cpuOf, median, shuffled, sumOf, time } from "./measure.mjs"
import { root } from "./place.mjs"
import { ms, ratio } from "./report.mjs"

/** @typedef {{ name: string, command: string, args: (bundle: string) => string[] }} Peer */
/** @typedef {{ place: import("./place.mjs").Place, isQuick: boolean, peers: readonly Peer[], note: (text: string) => void }} Bench */
/** @typedef {{ tables: import("./report.mjs").Table[], data: Record<string, unknown> }} Part */

const runfx = join(root, "bin", "runfx")
let id = 0
export const next = () => `bench-${process.pid}-${id++}`

export const loops = 6
export const warmName = "`Runtime.run`, warm"

/** @type {(place: import("./place.mjs").Place) => Peer} */
const bwrap = ({ rootfs }) => ({
  name: "`bwrap`, like namespaces, no cgroup",
  command: "bwrap",
  args: () => [
    ..."--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --die-with-parent".split(" "),
    "--ro-bind",
    rootfs,
    "/",
    ..."--proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL /bin/true".split(" ")
  ]
})

/** @type {Peer} */
export const crun = { name: "`crun run`", command: "crun", args: (bundle) => ["run", "-b", bundle, next()] }
/** @type {Peer} */
export const runc = { name: "`runc run`", command: "runc", args: (bundle) => ["run", "-b", bundle, next()] }
/** @type {Peer} */
export const cold = {
  name: "`runfx run`, cold",
  command: runfx,
  args: (bundle) => ["run", "--bundle", bundle, "--id", next()]
}

/**
 * Those that run the standard bundle here; of the others it is said why not.
 *
 * @param {import("./place.mjs").Place} place
 * @param {string} bundle
 * @param {(text: string) => void} note
 */
export const peersOf = (place, bundle, note) =>
  [runc, crun, bwrap(place), cold].filter(({ args, command, name }) => {
    const { error } = time(command, args(bundle))
    if (error !== undefined) note(`${name} is left out: ${error}`)
    return error === undefined
  })

/** @typedef {{ name: string, times: number[], cpu: number, cpus: import("./measure.mjs").Cpu | undefined }} Measured */

/**
 * Runs a bundle in turns: each peer, and a process that goes on.
 *
 * @param {string} bundle
 * @param {readonly Peer[]} peers
 * @param {import("./measure.mjs").Warm} warm
 * @param {{ readonly turns: number, readonly each: number }} how
 */
export const inTurns = async (bundle, peers, warm, { each, turns }) => {
  /** @type {Map<string, Measured>} */
  const all = new Map(
    [...peers.map(({ name }) => name), warmName].map((name) => [
      name,
      { name, times: [], cpu: 0, cpus: undefined }
    ])
  )
  for (let turn = 0; turn < turns; turn++) {
    for (const peer of shuffled([...peers, undefined])) {
      const measured = /** @type {Measured} */ (all.get(peer?.name ?? warmName))
      if (peer === undefined) {
        const answer = await warm.ask({ do: "run", bundle, count: each })
        measured.times.push(...answer.times)
        measured.cpu += sumOf(answer.cpu)
        const { cpus } = measured
        measured.cpus = cpus === undefined ? answer.cpu : {
          user: cpus.user + answer.cpu.user,
          system: cpus.system + answer.cpu.system,
          childrenUser: cpus.childrenUser + answer.cpu.childrenUser,
          childrenSystem: cpus.childrenSystem + answer.cpu.childrenSystem
        }
        continue
      }
      const before = cpuOf("self")
      for (let index = 0; index < each; index++) {
        const { error, milliseconds } = time(peer.command, peer.args(bundle))
        if (error !== undefined) throw new Error(`${peer.name}: ${error}`)
        measured.times.push(milliseconds)
      }
      const { childrenSystem, childrenUser } = between(before, cpuOf("self"))
      measured.cpu += childrenSystem + childrenUser
    }
  }
  return all
}

/** @param {Map<string, Measured>} all */
export const rowsOf = (all) => {
  const base = all.get(crun.name) ?? all.get(runc.name)
  const middle = base === undefined ? undefined : median(base.times)
  const cpu = base === undefined ? undefined : base.cpu / base.times.length
  return [...all.values()].map(({ cpu: its, name, times }) => [
    name,
    ms(median(times)),
    ratio(median(times), middle),
    ms(Math.min(...times)),
    ms(its / times.length),
    ratio(its / times.length, cpu)
  ])
}

/** @param {Map<string, Measured>} all */
export const dataOf = (all) =>
  Object.fromEntries(
    [...all].map(([name, { cpu, times }]) => [
      name,
      { median: median(times), fastest: Math.min(...times), slowest: Math.max(...times), cpu: cpu / times.length }
    ])
  )

/** @param {Map<string, unknown>} all */
export const headOf = (all) => {
  const base = all.has(crun.name) ? "× crun" : "× runc"
  return ["", "median", base, "fastest", "CPU time", base]
}
