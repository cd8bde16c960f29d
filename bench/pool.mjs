/**
 * How long it takes from the request until a program's first instruction: in a sandbox that waits in a pool, in one that is
 * made for it, and by `crun run`; in turns in the same run. The program says itself when it began, by CLOCK_MONOTONIC, which
 * is Node's clock, too.
 *
 *     npm run bench -- pool
 */
import { spawn, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { buildProgram, median } from "./measure.mjs"

// ── a program that writes when it began ──────────────────────────────────────────────────────────────────────────────

/** clock_gettime(CLOCK_MONOTONIC), write(2) of the sixteen bytes to standard output, exit(2); by ELF's number of the machine. */
const code = {
  x64: {
    machine: 62,
    hex: "4531c0488d7424f0bf01000000b8e40000004c89c20f05ba100000004889f80f05b83c0000004c89c74c89c64c89c20f05c3"
  },
  arm64: {
    machine: 183,
    hex:
      "ff4300d1280e80d2200080d2e1030091020080d2010000d4080880d2200080d2020280d2010000d4a80b80d2000080d2010080d2020080d2010000d4ff430091c0035fd6"
  }
}

/** A program of one segment that holds all of the file. */
const executable = () => {
  const { hex, machine } = code[process.arch === "arm64" ? "arm64" : "x64"]
  const head = Buffer.alloc(120)
  const at = 0x400000n
  const size = BigInt(head.length + hex.length / 2)
  head.write("7f454c46020101", "hex")
  head.writeUInt16LE(2, 16)
  head.writeUInt16LE(machine, 18)
  head.writeUInt32LE(1, 20)
  head.writeBigUInt64LE(at + BigInt(head.length), 24)
  head.writeBigUInt64LE(64n, 32)
  head.writeUInt16LE(64, 52)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(1, 56)
  head.writeUInt32LE(1, 64)
  head.writeUInt32LE(5, 68)
  head.writeBigUInt64LE(at, 80)
  head.writeBigUInt64LE(at, 88)
  head.writeBigUInt64LE(size, 96)
  head.writeBigUInt64LE(size, 104)
  head.writeBigUInt64LE(4096n, 112)
  return Buffer.concat([head, Buffer.from(hex, "hex")])
}

/** @param {import("./place.mjs").Place} place */
const makeBundle = (place) => {
  const rootfs = join(place.directory, "first")
  for (const directory of ["bin", "proc", "sys", "dev", "etc", "tmp"]) {
    mkdirSync(join(rootfs, directory), { recursive: true })
  }
  writeFileSync(join(rootfs, "bin", "first"), executable(), { mode: 0o755 })
  // a sandbox's root user is nobody outside
  for (const directory of [place.directory, rootfs]) chmodSync(directory, 0o755)
  const bundle = place.bundle("pool", (config) => {
    config.root.path = rootfs
    config.process.args = ["/bin/first"]
  })
  return { bundle, rootfs }
}

// ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────

let id = 0
/**
 * One container of crun's: until the first instruction, and until all is over.
 *
 * @param {string} bundle
 */
const crun = (bundle) => {
  const asked = process.hrtime.bigint()
  const args = ["run", "-b", bundle, `pool-bench-${process.pid}-${id++}`]
  const { error, status, stderr, stdout } = spawnSync("crun", args, { stdio: ["ignore", "pipe", "pipe"] })
  const over = process.hrtime.bigint()
  if (error !== undefined || status !== 0) throw error ?? new Error(String(stderr))
  const first = stdout.readBigInt64LE(0) * 1_000_000_000n + stdout.readBigInt64LE(8)
  return { first: Number(first - asked) / 1e6, over: Number(over - asked) / 1e6 }
}

/**
 * A process with a pool.
 *
 * @param {string} rootfs
 */
const startPool = async (rootfs) => {
  const outfile = await buildProgram("pool")
  const child = spawn(process.execPath, [outfile, rootfs, "/bin/first"], { stdio: ["pipe", "pipe", "inherit"] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    end: () => child.stdin.end(),
    ask: async (/** @type {number} */ count) => {
      child.stdin.write(`${count}\n`)
      const { done, value } = await answers.next()
      if (done) throw new Error("the process with the pool has ended")
      return JSON.parse(value)
    }
  }
}

const names = {
  crun: "`crun run`",
  fresh: "`Sandbox.run`, made for it",
  waiting: "`Pool.run`, one that waits"
}

/** From the request to the program's first instruction. */
export const pool = async (/** @type {import("./turns.mjs").Bench} */ { isQuick, place }) => {
  const { bundle, rootfs } = makeBundle(place)
  const [turns, each] = isQuick ? [5, 10] : [20, 10]
  const own = await startPool(rootfs)
  // what is hot is compiled
  await own.ask(turns * 2)
  /** @type {Record<keyof typeof names, { first: number, over: number }[]>} */
  const times = { waiting: [], fresh: [], crun: [] }
  for (let turn = 0; turn < turns; turn++) {
    const { fresh, waiting } = await own.ask(each)
    times.waiting.push(...waiting)
    times.fresh.push(...fresh)
    for (let index = 0; index < each; index++) times.crun.push(crun(bundle))
  }
  own.end()
  const whole = median(times.crun.map(({ over }) => over))
  const rows = /** @type {const} */ (["crun", "fresh", "waiting"]).map((key) => {
    const first = median(times[key].map(({ first }) => first))
    const over = median(times[key].map(({ over }) => over))
    return [names[key], `${first.toFixed(2)} ms`, (first / whole).toFixed(3), `${over.toFixed(1)} ms`]
  })
  return {
    tables: [{
      title: `a sandbox that waits: until the first instruction, ${turns * each} programs each, in turns of ${each}`,
      head: ["", "first instruction", "× `crun run`", "all over"],
      rows
    }],
    data: times
  }
}
