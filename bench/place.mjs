/**
 * Where the containers of a measurement are: a root file system with `true`, and bundles that differ in their configuration.
 */
import { spawnSync } from "node:child_process"
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

export const here = dirname(fileURLToPath(import.meta.url))
export const root = dirname(here)

/** The version of the hierarchy that has the processor's controller. */
export const isPureV2 = existsSync("/sys/fs/cgroup/cgroup.controllers")

/**
 * Closes what the caller has left open, as a usual one does not. Whoever inherits a high number has a large table of descriptors,
 * which costs each of its children something: runfx then starts one more process for each container.
 */
export const closeInherited = () => {
  for (const fd of readdirSync("/proc/self/fd").map(Number)) {
    const info = `/proc/self/fdinfo/${fd}`
    if (fd < 3 || !existsSync(info)) continue
    const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(info, "utf8"))?.[1] ?? "", 8)
    // what Node itself opens is O_CLOEXEC
    if ((flags & 0o2000000) === 0) closeSync(fd)
  }
}

/**
 * `true` with the libraries that it needs, and a shell for what has to look around.
 *
 * @param {string} to
 */
const makeRoot = (to) => {
  const find = (/** @type {string} */ name) => spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" })
  const program = find("true").stdout.includes("/") ? find("true").stdout.trim() : "/bin/true"
  const libraries = spawnSync("ldd", [program], { encoding: "utf8" }).stdout.match(/\/\S+/g) ?? []
  for (const directory of ["bin", "proc", "sys", "dev", "etc", "tmp", "many"]) {
    mkdirSync(join(to, directory), { recursive: true })
  }
  for (const file of libraries) {
    mkdirSync(join(to, dirname(file)), { recursive: true })
    copyFileSync(file, join(to, file))
  }
  copyFileSync(program, join(to, "bin", "true"))
  const busybox = find("busybox").stdout.trim()
  if (busybox !== "") copyFileSync(busybox, join(to, "bin", "busybox"))
  return busybox !== ""
}

/** A place in the directory of temporary files, which is removed when this process ends. */
export const makePlace = () => {
  const directory = mkdtempSync(join(tmpdir(), "runfx-bench-"))
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
  const rootfs = join(directory, "rootfs")
  const hasShell = makeRoot(rootfs)
  const standard = readFileSync(join(here, "config.json"), "utf8")
  return {
    directory,
    rootfs,
    hasShell,
    /**
     * A bundle with the default configuration, and what is changed in it.
     *
     * @param {string} name
     * @param {(config: any) => void} [change]
     */
    bundle: (name, change = () => {}) => {
      const bundle = join(directory, name)
      mkdirSync(bundle, { recursive: true })
      const config = JSON.parse(standard)
      config.root = { path: rootfs, readonly: true }
      change(config)
      writeFileSync(join(bundle, "config.json"), JSON.stringify(config))
      return bundle
    }
  }
}

/** @typedef {ReturnType<typeof makePlace>} Place */
