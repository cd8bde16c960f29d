/**
 * What a container could leave on the host, as text that can be compared: processes, cgroups, mounts, interfaces, state,
 * descriptors.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { CLONE, MS, O, P, POLL, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { guardsOf } from "./guards.ts"
import { eventually } from "./until.ts"

/** Waits: for the first wait, the live kernel opens what it keeps. */
export const firstWait = Effect.gen(function*() {
  const pipe = yield* sys.pipe2({ flags: O.CLOEXEC })
  yield* sys.poll({ fds: [pipe[0]], events: POLL.IN, timeout: 1 })
  for (const fd of pipe) yield* sys.close({ fd })
})

/**
 * Starts a process that is guarded, and waits for it: for the first one, the live kernel opens what it needs and makes its
 * guard, and keeps both.
 */
const firstProcess = Effect.gen(function*() {
  yield* firstWait
  const [openBefore, guardsBefore] = [sockets(), guardsOf(process.pid).length]
  const fork = yield* Fork
  const pid = yield* fork.spawn(0, Effect.void)
  const pidfd = yield* sys.pidfd_open({ pid, flags: 0 })
  yield* fork.guard(pidfd)
  yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
  yield* sys.close({ fd: pidfd })
  yield* eventually(() => guardsOf(process.pid).length === 1)
  // the process's link is closed a turn of the event loop later: a comparison that began before would miss it
  yield* eventually(() => sockets() === openBefore + 1 - guardsBefore)
})

/**
 * Gives this test process a mount and a network namespace of its own, so that what others do on this machine meanwhile
 * does not show in a comparison.
 */
export const isolate: Effect.Effect<void, unknown> = Effect.provide(
  Effect.gen(function*() {
    yield* sys.unshare({ flags: CLONE.NEWNS | CLONE.NEWNET })
    yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
    yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "lo", up: true } })
    yield* firstProcess
  }),
  Linux.layer
)

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** Whether a process has ended, be it that nobody has reaped it yet: it may do so while it is looked at. */
export const hasEnded = (pid: number | string): boolean => {
  const stat = read(`/proc/${pid}/stat`)
  return stat === "" || /\) [ZX] /.test(stat)
}

/** The children of this process, zombies among them, as `pid (name) state`. The guard is S, even if it has just something to do. */
const children = (): ReadonlyArray<string> =>
  read(`/proc/self/task/${process.pid}/children`).trim().split(" ").filter((pid) => pid !== "").map((pid) =>
    read(`/proc/${pid}/stat`).split(" ").slice(0, 3).join(" ").replace("(runfx-guard) R", "(runfx-guard) S")
  )

/** Those of them that become programs: all but the guard. */
export const started = (): ReadonlyArray<string> => children().filter((child) => !child.includes("(runfx-guard)"))

const directories = (directory: string, depth: number): ReadonlyArray<string> => {
  if (depth === 0) return []
  let entries: ReadonlyArray<fs.Dirent>
  try {
    entries = fs.readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
  const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(directory, name))
  return found.concat(found.flatMap((below) => directories(below, depth - 1)))
}

/** Cgroups, at most five levels down, whose path holds a text. */
export const cgroups = (part: string): ReadonlyArray<string> =>
  directories("/sys/fs/cgroup", 6).filter((found) => found.includes(part))

/** The open descriptors of this process, and what they are of. */
export const descriptors = (): ReadonlyArray<string> =>
  fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${fs.readlinkSync(`/proc/self/fd/${fd}`).replace(/\[\d+\]/, "")}`]
    } catch {
      // the one that the listing itself was read from
      return []
    }
  }).toSorted()

const sockets = (): number => descriptors().filter((line) => line.endsWith(" socket:")).length

/** The names of the interfaces of this network namespace. */
export const interfaces = (): ReadonlyArray<string> =>
  read("/proc/self/net/dev").trim().split("\n").slice(2).map((line) => line.split(":")[0]!.trim()).toSorted()

/** All of it; of cgroups, those whose path holds `part`. */
export const snapshot = (part: string, stateRoot: string) => ({
  children: children(),
  cgroups: cgroups(part),
  mounts: read("/proc/self/mountinfo").split("\n"),
  interfaces: interfaces(),
  states: directories(stateRoot, 1),
  descriptors: descriptors()
})

type Snapshot = ReturnType<typeof snapshot>

/**
 * What has come about between two snapshots, empty if nothing; and the processes and descriptors that are gone. Mounts may
 * go: whoever removes a mount point elsewhere removes what is mounted on it here.
 */
export const changes = (before: Snapshot, after: Snapshot): Readonly<Record<string, ReadonlyArray<string>>> => {
  const without = (these: ReadonlyArray<string>, those: ReadonlyArray<string>) => {
    const known = new Set(those)
    return these.filter((one) => !known.has(one))
  }
  const added = Object.entries(after).map(([name, now]) =>
    [name, without(now, before[name as keyof Snapshot])] as const
  )
  const gone = without(before.descriptors, after.descriptors).map((line) => `- ${line}`)
  return Object.fromEntries([...added, ["gone", gone] as const].filter(([, list]) => list.length > 0))
}
