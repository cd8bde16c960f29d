/**
 * What a test run has on this machine, found by its mark: processes, cgroups, mounts, its directory. A plain module, for the
 * process that looks after a run has to start quickly and to outlive it.
 *
 * The mark is in the environment of all that the tests start, in the names of their containers, and so in those of their
 * cgroups, and in the name of the one directory that they write to. Sandboxes have names of their own; but each is written
 * down in that directory before it is made, and until all of it is removed.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { setTimeout as sleep } from "node:timers/promises"

/** The variable that tells a process of the tests which run it belongs to. */
export const variable = "RUNFX_TEST_RUN"

const prefix = "runfx-tests-"
/** The variable that tells where temporary files are outside of a run: a run sets `TMPDIR` to a directory of its own. */
export const outside = "RUNFX_TEST_TMPDIR"
const temporary = fs.realpathSync(process.env[outside] ?? os.tmpdir())

/** @param {string | number} file @returns {string} nothing if it can't be read: processes and cgroups come and go */
const read = (file) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** @param {string} directory @returns {string[]} */
const entries = (directory) => {
  try {
    return fs.readdirSync(directory)
  } catch {
    return []
  }
}

/** When a process was started, in ticks since the machine was: with its number, that is one process and no other. */
const startOf = (/** @type {number} */ pid) => read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[19] ?? ""

/** The mark of the run whose main process this is. */
export const ownMark = () => `${process.pid}-${startOf(process.pid) || "0"}`

/** @param {string} mark @returns {string} the directory of a run */
const directoryOf = (mark) => path.join(temporary, prefix + mark)

/**
 * Makes the directory of the run whose main process this is, and has all that is written to a temporary directory from now on
 * written there. Before the runner has written anything: it leaves files of its own.
 */
export const enterDirectory = () => {
  const directory = directoryOf(ownMark())
  fs.mkdirSync(directory, { recursive: true })
  // programs that are some user's in a container look for files here, whatever the umask
  fs.chmodSync(directory, 0o755)
  process.env[outside] = temporary
  process.env["TMPDIR"] = directory
}

/** Where the tests of a run have what is built once. Nobody but the run itself removes it. */
export const builtIn = () => path.join(os.tmpdir(), "runfx-built")

/** What the runner writes: a directory that is named by 21 random letters. */
const isRunners = (/** @type {string} */ name) => /^[\w-]{21}$/.test(name)

/** @returns {string[]} the marks of runs whose main process has gone, and which have left their directory */
export const earlierRuns = () =>
  // elsewhere nothing tells whether it has
  (process.platform === "linux" ? entries(temporary) : [])
    .filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)).filter((mark) => {
      const [pid, start] = mark.split("-")
      return startOf(Number(pid)) !== start
    })

/** Whether a process has its root in a directory of the run: it is in a container, whose environment says nothing. */
const isRootedIn = (/** @type {number} */ pid, /** @type {string} */ name) =>
  read(`/proc/${pid}/mountinfo`).split("\n").some((line) => {
    const [, , , root, point] = line.split(" ")
    return point === "/" && root?.includes(name)
  })

/** This process and those that it comes from: they may belong to a run, too. */
const ancestry = () => {
  const all = new Set([process.pid])
  for (let pid = process.ppid; pid > 1 && !all.has(pid);) {
    all.add(pid)
    pid = Number(read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[1])
  }
  return all
}

/** Whether a process has ended, or is a child of this one: a worker or a compiler of the test runner's. */
const isOwn = (/** @type {number} */ pid) => {
  const [state, parent] = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? []
  return state === undefined || state === "" || state === "Z" || Number(parent) === process.pid
}

/** The id of a sandbox, which is random. */
const isSandbox = (/** @type {string} */ name) => /^sandbox-[0-9a-f]{16}$/.test(name)

/** @param {string} directory @returns {string[]} those in it, and not what links lead to */
const directoriesIn = (directory) => {
  try {
    return fs.readdirSync(directory, { withFileTypes: true }).filter((one) => one.isDirectory()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** @param {string} directory @param {number} depth @returns {string[]} ids of sandboxes whose states are below a directory */
const sandboxesBelow = (directory, depth) =>
  directoriesIn(directory).flatMap((name) =>
    isSandbox(name) ? [name] : depth > 0 ? sandboxesBelow(path.join(directory, name), depth - 1) : []
  )

/** @param {string} mark @returns {string[]} one of these is in the name of each of its cgroups */
const namesOf = (mark) => [mark, ...sandboxesBelow(directoryOf(mark), 4)]

/** @param {string} mark @returns {number[]} */
const processesOf = (mark) => {
  const own = ancestry()
  const names = namesOf(mark)
  return entries("/proc").map(Number).filter((pid) =>
    pid > 1 && !own.has(pid) && (
      `\0${read(`/proc/${pid}/environ`)}`.includes(`\0${variable}=${mark}\0`) ||
      names.some((name) => read(`/proc/${pid}/cgroup`).includes(name)) || isRootedIn(pid, prefix + mark)
    ) && !isOwn(pid)
  )
}

/** @param {string} mark @returns {string[]} directories, the innermost first */
const cgroupsOf = (mark) => {
  const names = namesOf(mark)
  /** @type {(directory: string, depth: number) => string[]} */
  const all = (directory, depth) =>
    directoriesIn(directory).flatMap((name) => {
      const below = path.join(directory, name)
      const inner = depth > 0 ? all(below, depth - 1) : []
      return names.some((own) => below.includes(own)) ? [...inner, below] : inner
    })
  return all("/sys/fs/cgroup", 8)
}

/** @param {string} mark @returns {string[]} mount points, the last mounted first */
const mountsOf = (mark) =>
  read("/proc/self/mountinfo").split("\n").map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.includes(prefix + mark)).toReversed()

/**
 * What is there of a run, a line each; its directory only if something is in it.
 *
 * @param {string} mark
 * @returns {string[]}
 */
export const leftoversOf = (mark) => [
  ...processesOf(mark).map((pid) =>
    `process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() || read(`/proc/${pid}/comm`).trim()}`
  ),
  ...cgroupsOf(mark).map((directory) => `cgroup ${directory}`),
  ...mountsOf(mark).map((point) => `mount ${point}`),
  ...entries(directoryOf(mark)).filter((name) => !isRunners(name)).map((name) =>
    `file ${path.join(directoryOf(mark), name)}`
  )
]

const attempt = (/** @type {() => void} */ act) => {
  try {
    act()
  } catch {
    // it has gone meanwhile, or it can't be had: what stays is told in the end
  }
}

/** A frozen process does not die. */
const thaw = (/** @type {string} */ cgroup) => {
  attempt(() => fs.writeFileSync(path.join(cgroup, "freezer.state"), "THAWED", { flag: "r+" }))
  attempt(() => fs.writeFileSync(path.join(cgroup, "cgroup.freeze"), "0", { flag: "r+" }))
}

/**
 * Ends and removes all that is there of a run.
 *
 * @param {string} mark
 * @param {(point: string) => void} unmount
 * @returns {Promise<string[]>} what could not be removed
 */
export const sweep = async (mark, unmount) => {
  // what is killed may leave something that was not there before
  for (let tries = 0; tries < 100; tries++) {
    for (const cgroup of cgroupsOf(mark)) thaw(cgroup)
    const processes = processesOf(mark)
    for (const pid of processes) attempt(() => process.kill(pid, "SIGKILL"))
    for (const cgroup of cgroupsOf(mark)) attempt(() => fs.rmdirSync(cgroup))
    if (processes.length === 0 && cgroupsOf(mark).length === 0) break
    await sleep(100)
  }
  for (const point of mountsOf(mark)) attempt(() => unmount(point))
  // a directory is not looked into while something else is mounted there, which may be the host's
  if (mountsOf(mark).length === 0) attempt(() => fs.rmSync(directoryOf(mark), { recursive: true, force: true }))
  return leftoversOf(mark)
}
