// @ts-check
/**
 * Runs a script that nobody trusts, and tells what it used.
 *
 *     sudo node examples/sandbox.mjs FILE
 *
 * The script sees the host's /usr, read-only, and itself; no network, no other process, no other user's files. It is
 * nobody, has no capabilities, 64 MiB of memory, 32 processes, half a processor and 5 seconds.
 *
 * The two flags make a Node that can fork itself, which is how the container comes to be. A program that can't be started
 * with them runs this one as a child.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import process from "node:process"
import { defaultSpec } from "runfx/config/defaults"
import { MS, RLIMIT } from "runfx/native/constants"
import * as Linux from "runfx/native/Linux"
import { awaitExit, exitCode } from "runfx/runtime/awaitExit"
import * as Runtime from "runfx/runtime/Runtime"
import { stats } from "runfx/steps/cgroup/stats"

const seconds = 5
const mebibyte = 1024n * 1024n
const nobody = 65534

class TookTooLong extends Data.TaggedError("TookTooLong") {
  /** @override */
  get message() {
    return `it was stopped after ${seconds} seconds`
  }
}

/**
 * A read-only bind mount.
 * @param {string} source
 * @param {string} destination
 * @returns {import("runfx/config/Container").Mount}
 */
const bind = (source, destination) => ({
  type: "bind",
  source,
  destination,
  flags: MS.BIND | MS.REC | MS.RDONLY | MS.NOSUID | MS.NODEV,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data: [],
  copyUp: false
})

/**
 * An empty root, with what of the host a program needs to run: a directory becomes a mount, a link a link.
 * @param {string} root
 */
const hostPrograms = (root) =>
  ["usr", "bin", "sbin", "lib", "lib64"].flatMap((name) => {
    const about = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (about?.isSymbolicLink()) symlinkSync(readlinkSync(`/${name}`), `${root}/${name}`)
    return about?.isDirectory() ? [bind(`/${name}`, `/${name}`)] : []
  })

/**
 * @param {string} root
 * @param {string} script
 * @returns {import("runfx/config/Container").Container}
 */
const container = (root, script) => {
  const base = defaultSpec({ rootfs: root, args: ["/bin/sh", "/script"], hostname: "sandbox" })
  return {
    ...base,
    // a network namespace of its own, with nothing in it that is up
    networks: [],
    mounts: [...base.mounts, ...hostPrograms(root), bind(script, "/script")],
    cgroup: {
      devices: base.cgroup?.devices ?? [],
      memory: { limit: 64n * mebibyte, swap: 64n * mebibyte },
      pids: { limit: 32n },
      cpu: { quota: 50_000n, period: 100_000n }
    },
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: [],
      flags: [],
      // a kernel's less trodden paths; what a script needs is not among them
      syscalls: [{
        names: [
          "add_key",
          "bpf",
          "io_uring_setup",
          "keyctl",
          "perf_event_open",
          "ptrace",
          "request_key",
          "socket",
          "unshare",
          "userfaultfd"
        ],
        action: "SCMP_ACT_ERRNO",
        args: []
      }]
    },
    process: {
      ...base.process,
      user: { _tag: "Ids", uid: nobody, gid: nobody, additionalGids: [] },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      rlimits: [
        { resource: RLIMIT.NOFILE, soft: 64n, hard: 64n },
        { resource: RLIMIT.FSIZE, soft: mebibyte, hard: mebibyte },
        { resource: RLIMIT.CORE, soft: 0n, hard: 0n }
      ]
    }
  }
}

/** @param {string} script */
const sandboxed = (script) =>
  Effect.gen(function*() {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => realpathSync(mkdtempSync(`${tmpdir()}/sandbox-`))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    )
    // mkdtemp leaves it to its owner alone
    chmodSync(root, 0o755)
    mkdirSync(`${root}/tmp`)
    writeFileSync(`${root}/script`, "")
    const id = `sandbox-${process.pid}`
    // whatever happens after the start, the time-out included, everything of the container is removed
    const { pidfd, state } = yield* Effect.acquireRelease(
      Runtime.create({ id, container: container(root, script) }),
      () => Effect.orDie(Runtime.remove(id, { force: true }))
    )
    const status = yield* Effect.timeoutOrElse(awaitExit(pidfd), {
      duration: `${seconds} seconds`,
      orElse: () => Effect.fail(new TookTooLong({}))
    })
    const used = state.cgroup === undefined ? {} : yield* stats(state.cgroup)
    return { code: exitCode(status), cpu: used.cpu?.usage, memory: used.memory?.maxUsage }
  })

const script = process.argv[2]
if (script === undefined) throw new Error("which script?")

// whoever stops this program stops the container as well
const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort())

const exit = await Effect.runPromiseExit(
  sandboxed(realpathSync(script)).pipe(Effect.scoped, Effect.provide(Linux.layer)),
  { signal: stop.signal }
)
if (Exit.isSuccess(exit)) {
  const { code, cpu, memory } = exit.value
  console.log(JSON.stringify({
    code,
    ...(cpu === undefined ? {} : { cpuMilliseconds: Number(cpu / 1_000_000n) }),
    ...(memory === undefined ? {} : { memoryKibibytes: Number(memory / 1024n) })
  }))
} else {
  const error = Cause.squash(exit.cause)
  console.log(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
  process.exitCode = 1
}
