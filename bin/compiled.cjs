/**
 * Keeps what V8 has compiled, for the next process (bin/runfx reads it). Nothing here may fail: without it, the command is
 * slower, and no more.
 */
"use strict"
const fs = require("node:fs")
const path = require("node:path")

/** V8 copies code that does not begin at a multiple of this. */
const alignment = 8
const gapAfter = (length) => -length & (alignment - 1)

/** One file: a line of JSON, then each source and its code. Another process sees all of it, or nothing. */
const write = (place, name, loaded, whole) => {
  const parts = []
  let size = 0
  const add = (bytes) => {
    const range = [size, size + bytes.length]
    const gap = gapAfter(bytes.length)
    parts.push(bytes, Buffer.alloc(gap))
    size = range[1] + gap
    return range
  }
  const files = [...loaded].map(([file, { script, source }]) => [file, add(source), add(script.createCachedData())])
  const head = JSON.stringify({ whole, size, files })
  const temporary = path.join(place, `${name}.${process.pid}`)
  // `wx`: what is there already, a link too, is not ours
  fs.writeFileSync(
    temporary,
    Buffer.concat([Buffer.from(`${head}${" ".repeat(gapAfter(head.length + 1))}\n`), ...parts]),
    { flag: "wx", mode: 0o644 }
  )
  try {
    fs.renameSync(temporary, path.join(place, name))
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
}

/** Under other options than those of bin/runfx, V8 compiles code that it refuses later. */
const isUsual = () =>
  process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined &&
  process.env.NODE_DISABLE_COMPILE_CACHE === undefined && process.env.NODE_V8_COVERAGE === undefined

/**
 * Writes to the first place that is the user's own.
 *
 * @param own the package's directory
 * @param below the one in the user's cache, if there is any
 * @param isSafe whether nobody else can write there
 * @param whole whether the command has come to a good end
 */
exports.keep = ([own, below], isSafe, name, loaded, whole) => {
  const uid = process.geteuid()
  if (!isUsual() || uid !== process.getuid()) return
  const attempt = (place, isFit) => {
    try {
      if (!isFit(place)) return false
      write(place, name, loaded, whole)
      return true
    } catch {
      // there is no such directory, or its disk is full or read-only
      return false
    }
  }
  const isKept = attempt(own, () => fs.lstatSync(own).uid === uid)
  if (isKept || below === undefined) return
  attempt(below, () => {
    let above = below
    while (!fs.existsSync(above)) above = path.dirname(above)
    if (!isSafe(above)) return false
    fs.mkdirSync(below, { recursive: true, mode: 0o700 })
    return fs.lstatSync(below).uid === uid && isSafe(below)
  })
}

/**
 * Writes code for `run` and `plan`, when the package is built: a plan runs every step of both sides, and touches nothing.
 */
exports.build = (directory, load, loaded) => {
  process.argv.splice(2, 1, "plan", "run", "--", "/bin/true")
  fs.closeSync(1)
  fs.openSync("/dev/null", "w")
  load("run.cjs")
  const ofRun = new Set(loaded.keys()).add("main.cjs")
  process.on("exit", () => {
    const suffix = `${process.version}-${process.arch}.cache`
    write(directory, `run.${suffix}`, new Map([...loaded].filter(([name]) => ofRun.has(name))), false)
    write(directory, `plan.${suffix}`, loaded, true)
    // a machine that can be built on need not be one that containers can run on
    process.exitCode = 0
  })
  load("main.cjs")
}
