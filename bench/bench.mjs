/**
 * How long a container with `true` in it takes, from the call to its removal: runfx cold (the command) and warm (a process
 * that goes on), beside runc, crun and bwrap on the same machine, in turns in the same run. Prints Markdown.
 *
 *     npm run bench                 as root
 *     npm run bench -- --quick      fewer rounds
 *
 * On a host that has cgroup2 beside v1 all of them run in a view of /sys/fs/cgroup without it, since crun refuses it.
 */
import { build } from "esbuild"
import { spawn, spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, release, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)
const quick = process.argv.includes("--quick")
const rounds = quick ? 3 : 8
/** Runs in a row. The first of them finds in the processor's caches what the others have left there. */
const batch = 10

const run = (command, args, options = {}) => spawnSync(command, args, { encoding: "utf8", ...options })

// ── the place ────────────────────────────────────────────────────────────────────────────────────────────────────────

const hybrid = () => {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
  return / - cgroup /.test(mounts) && / - cgroup2 /.test(mounts)
}

if (process.env.RUNFX_BENCH_INSIDE === undefined && hybrid()) {
  const { status } = spawnSync("sh", [join(here, "in-cgroup-v1.sh"), process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, RUNFX_BENCH_INSIDE: "1" }
  })
  process.exit(status ?? 1)
}

const place = mkdtempSync(join(tmpdir(), "runfx-bench-"))
// below node_modules, so that koffi is found from there
const cache = join(root, "node_modules", ".cache", "runfx-bench")
process.on("exit", () => rmSync(place, { recursive: true, force: true }))

/** `true` with the libraries that it needs. */
const makeRoot = (to) => {
  const program = run("sh", ["-c", "command -v /bin/true || command -v true"]).stdout.trim()
  const libraries = run("ldd", [program]).stdout.match(/\/\S+/g) ?? []
  for (const directory of ["bin", "proc", "sys", "dev", "etc", "tmp"]) {
    mkdirSync(join(to, directory), { recursive: true })
  }
  for (const file of libraries) {
    mkdirSync(join(to, dirname(file)), { recursive: true })
    copyFileSync(file, join(to, file))
  }
  copyFileSync(program, join(to, "bin", "true"))
}

const rootfs = join(place, "rootfs")
makeRoot(rootfs)
const bundle = place
writeFileSync(
  join(bundle, "config.json"),
  JSON.stringify({
    ...JSON.parse(readFileSync(join(here, "config.json"), "utf8")),
    root: { path: rootfs, readonly: true }
  })
)

// ── who is measured ──────────────────────────────────────────────────────────────────────────────────────────────────

const runfx = join(root, "bin", "runfx")
const isolation = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --die-with-parent"
const files = "--proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL"
const bwrap = [...isolation.split(" "), "--ro-bind", rootfs, "/", ...files.split(" "), "/bin/true"]

let id = 0
const candidates = [
  ["`runc run`", "runc", () => ["run", "-b", bundle, `bench-${process.pid}-${id++}`]],
  ["`crun run`", "crun", () => ["run", "-b", bundle, `bench-${process.pid}-${id++}`]],
  ["`bwrap`, like namespaces, no cgroup", "bwrap", () => bwrap],
  ["`node -e 0`", process.execPath, () => ["-e", "0"]],
  ["`runfx --version`", runfx, () => ["--version"]],
  ["`runfx run`, cold", runfx, () => ["run", "--bundle", bundle, "--id", `bench-${process.pid}-${id++}`]]
]

const notes = []
const time = (command, args) => {
  const start = performance.now()
  const result = run(command, args, { stdio: ["ignore", "ignore", "pipe"] })
  const milliseconds = performance.now() - start
  return { milliseconds, error: result.error?.message ?? (result.status === 0 ? undefined : result.stderr.trim()) }
}

const peers = candidates.filter(([name, command, args]) => {
  const { error } = time(command, args())
  if (error !== undefined) notes.push(`${name} is left out: ${error.split("\n")[0]}`)
  return error === undefined
})

for (const name of ["decode", "warm"]) {
  await build({
    entryPoints: [join(here, `${name}.ts`)],
    outfile: join(cache, `${name}.cjs`),
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    external: ["koffi"],
    define: { "import.meta.url": "__runfx_url" },
    banner: { js: "const __runfx_url = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: "warning"
  })
}
const decoded = run(process.execPath, [join(cache, "decode.cjs"), bundle])
if (decoded.status !== 0) throw new Error(decoded.stderr)
const warm = spawn(process.execPath, [join(cache, "warm.cjs"), bundle], {
  stdio: ["pipe", "pipe", "inherit"]
})
const answers = createInterface({ input: warm.stdout })[Symbol.asyncIterator]()
const ask = async (line) => {
  warm.stdin.write(`${line}\n`)
  const { done, value } = await answers.next()
  if (done) throw new Error("the warm process has ended")
  return JSON.parse(value)
}

// ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────

const quantile = (times, q) => times.toSorted((a, b) => a - b)[Math.floor(times.length * q)]
const warmName = "`Runtime.run`, warm"
const times = new Map([...peers.map(([name]) => name), warmName].map((name) => [name, []]))

const many = quick ? 100 : 1000
const first = await ask(10)
// V8 has optimised what is hot after some hundred containers
const before = await ask(many / 2 - 10)
let last
/** Nobody always comes after the same one: the kernel cleans up after a container for a while. */
const shuffled = (list) =>
  list.map((item) => [Math.random(), item]).toSorted(([a], [b]) => a - b).map(([, item]) => item)
for (let round = 0; round < rounds; round++) {
  for (const [name, command, args] of shuffled([...peers, [warmName]])) {
    if (name === warmName) {
      last = await ask(batch)
      times.get(name).push(...last.times)
      continue
    }
    for (let index = 0; index < batch; index++) times.get(name).push(time(command, args()).milliseconds)
  }
}
const later = await ask(Math.max(1, many / 2 - rounds * batch))
const { engine } = await ask("engine")
warm.stdin.end()

// ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────

const print = (text = "") => process.stdout.write(`${text}\n`)
const reference = times.get("`crun run`") ?? times.get("`runc run`")
const base = reference === undefined ? undefined : quantile(reference, 0.5)
print(
  `Node ${process.version}, Linux ${release()}, ${cpus().length} CPUs; ${
    rounds * batch
  } runs each, in turns of ${batch}`
)
print()
print(`| | median | ${times.has("`crun run`") ? "× crun" : "× runc"} | fastest | first of a turn |`)
print("|---|---:|---:|---:|---:|")
for (const [name, of] of times) {
  const middle = quantile(of, 0.5)
  const ratio = base === undefined ? "" : (middle / base).toFixed(2)
  const first = quantile(of.filter((_, index) => index % batch === 0), 0.5)
  print(
    `| ${name} | ${middle.toFixed(1)} ms | ${ratio} | ${Math.min(...of).toFixed(1)} ms | ${first.toFixed(1)} ms |`
  )
}
print()
print("| warm process | |")
print("|---|---:|")
print(`| containers 1 to 10, median | ${quantile(first.times, 0.5).toFixed(1)} ms |`)
print(
  `| containers ${many / 2 - 99} to ${many / 2}, median | ${quantile(before.times.slice(-100), 0.5).toFixed(1)} ms |`
)
print(`| containers ${many - 99} to ${many}, median | ${quantile(later.times.slice(-100), 0.5).toFixed(1)} ms |`)
print(
  `| resident memory after 10, after ${many}, peak | ${
    [first.resident, later.resident, later.peak].map((kib) => `${(kib / 1024).toFixed(0)} MiB`).join(", ")
  } |`
)
print(`| descriptors after 10, after ${many} | ${first.descriptors}, ${later.descriptors} |`)
print(`| the engine's own time for a step | ${engine.toFixed(1)} µs |`)
const slowest = Object.entries(last.steps).toSorted(([, a], [, b]) => b - a).slice(0, 6)
print(`| longest steps | ${slowest.map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join("<br>")} |`)
if (notes.length > 0) print()
for (const note of notes) print(note)
