/** Builds the root of a container in a forked child and holds it there, so that a test can look at it from outside. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Container, Device, Mount, Process } from "../../src/config/Container.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { CLONE, MS, O, P, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel, sys } from "../../src/native/Kernel.ts"
import { connectStdio } from "../../src/steps/connectStdio.ts"
import { InNamespaces } from "../../src/steps/init/facts.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { maskPaths } from "../../src/steps/maskPaths.ts"
import { parseMountInfo } from "../../src/steps/proc/mountinfo.ts"
import { readonlyPaths } from "../../src/steps/readonlyPaths.ts"
import { remountReadonly } from "../../src/steps/remountReadonly.ts"
import { bindRoot } from "../../src/steps/rootfs/bindRoot.ts"
import { createDevices } from "../../src/steps/rootfs/createDevices.ts"
import { createWorkingDirectory } from "../../src/steps/rootfs/createWorkingDirectory.ts"
import { enterRoot } from "../../src/steps/rootfs/enterRoot.ts"
import { linkDevices } from "../../src/steps/rootfs/linkDevices.ts"
import { mountFilesystems } from "../../src/steps/rootfs/mountFilesystems.ts"
import { ownershipInside } from "../../src/steps/rootfs/ownershipInside.ts"
import { ownershipOutside } from "../../src/steps/rootfs/ownershipOutside.ts"
import { reopenDevNull } from "../../src/steps/rootfs/reopenDevNull.ts"
import { setRootPropagation } from "../../src/steps/rootfs/setRootPropagation.ts"
import { setDomainname } from "../../src/steps/setDomainname.ts"
import { setHostname } from "../../src/steps/setHostname.ts"
import { verifyMounts } from "../../src/steps/verifyMounts.ts"
import { writeSysctl } from "../../src/steps/writeSysctl.ts"
import { readAll } from "./child.ts"
import { init } from "./steps.ts"

/** The steps that build the root, by the container's init. */
const inside = Pipeline.make(
  { name: "rootfs", doc: "the root file system", inputs: [Init, InNamespaces] },
  connectStdio,
  ownershipInside,
  setRootPropagation,
  bindRoot,
  mountFilesystems,
  createDevices,
  linkDevices,
  createWorkingDirectory,
  enterRoot,
  reopenDevNull,
  remountReadonly,
  setHostname,
  setDomainname,
  writeSysctl,
  readonlyPaths,
  maskPaths,
  verifyMounts
)

/** The same by a process outside of the user namespace. */
export const outside = Pipeline.replace(inside, "ownershipInside", ownershipOutside)

/** A process that waits for its side-car. */
export const nothing = Pipeline.make({ name: "nothing", doc: "no step", inputs: [Init, InNamespaces] })

/** The mounts alone, while the host's root is still the root. */
export const mountsOnly = Pipeline.make(
  { name: "mounts", doc: "the mounts alone", inputs: [Init, InNamespaces] },
  ownershipInside,
  setRootPropagation,
  bindRoot,
  mountFilesystems,
  createDevices
)

/** A mount. */
export const mount = (type: string, destination: string, more: Partial<Mount> = {}): Mount => ({
  destination,
  type,
  source: type,
  flags: 0,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data: [],
  copyUp: false,
  ...more
})

/** A bind mount. */
export const bindMount = (source: string, destination: string, more: Partial<Mount> = {}): Mount =>
  mount("bind", destination, { source, ...more, flags: MS.BIND | (more.flags ?? 0) })

/** A character device. */
export const device = (path: string, major: number, minor: number, more: Partial<Device> = {}): Device => ({
  path,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
  ...more
})

const safe = MS.NOSUID | MS.NODEV | MS.NOEXEC

/** What engines put into every container. */
export const usualMounts: ReadonlyArray<Mount> = [
  mount("proc", "/proc", { flags: safe }),
  mount("tmpfs", "/dev", { flags: MS.NOSUID | MS.STRICTATIME, data: ["mode=755", "size=65536k"] }),
  mount("devpts", "/dev/pts", {
    flags: MS.NOSUID | MS.NOEXEC,
    data: ["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
  }),
  mount("tmpfs", "/dev/shm", { source: "shm", flags: safe, data: ["mode=1777", "size=65536k"] }),
  mount("mqueue", "/dev/mqueue", { flags: safe }),
  mount("sysfs", "/sys", { flags: safe | MS.RDONLY }),
  mount("cgroup", "/sys/fs/cgroup", { flags: safe | MS.RELATIME | MS.RDONLY })
]

/** The devices of every container. */
export const usualDevices: ReadonlyArray<Device> = [
  device("/dev/null", 1, 3),
  device("/dev/zero", 1, 5),
  device("/dev/full", 1, 7),
  device("/dev/random", 1, 8),
  device("/dev/urandom", 1, 9),
  device("/dev/tty", 5, 0)
]

/** A new directory for tests. */
export const temporary = (): string => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runfx-rootfs-")))

const namespaces = {
  mnt: CLONE.NEWNS,
  pid: CLONE.NEWPID,
  uts: CLONE.NEWUTS,
  ipc: CLONE.NEWIPC,
  net: CLONE.NEWNET,
  cgroup: CLONE.NEWCGROUP,
  user: CLONE.NEWUSER
}

type Name = keyof typeof namespaces

/** All but the user namespace. */
export const usualNamespaces: ReadonlyArray<Name> = ["mnt", "pid", "uts", "ipc", "net", "cgroup"]

/** A container that was built, or the text of the error with which that failed. */
export interface Built {
  readonly pid: number
  readonly error: string | undefined
  /** What `ask` gave. */
  readonly answer: string
  /** A path of the container as seen from the host. */
  readonly at: (path: string) => string
  readonly mounts: () => ReturnType<typeof parseMountInfo>
  /** The line of mountinfo of a place in the container, the topmost. */
  readonly line: (mountpoint: string) => string
}

/**
 * Builds a container's root in a child, shows it to `look`, which may be an effect, and ends the child.
 *
 * @param prepare runs in the child before the root is built
 */
export const build = <A>(
  given: {
    readonly container: Partial<Container>
    readonly process?: Partial<Process>
    readonly namespaces?: ReadonlyArray<Name>
    readonly pipeline?: Pipeline.Any
    readonly prepare?: Effect.Effect<unknown, unknown, Kernel>
    /** Wraps the kernel that the pipeline uses; `end` is called when it has run. */
    readonly around?: (
      kernel: Kernel["Service"]
    ) => { readonly kernel: Kernel["Service"]; readonly end: () => void }
    /** Runs in the child after the root is built. */
    readonly ask?: Effect.Effect<string, unknown, Kernel>
  },
  look: (built: Built) => A | Effect.Effect<A, unknown, Kernel | Fork>
): Effect.Effect<A, unknown, Kernel | Fork> =>
  Effect.gen(function*() {
    const names = given.namespaces ?? usualNamespaces
    const flags = names.reduce((all, name) => all | namespaces[name], 0)
    const user = names.includes("user")
    const [goRead, goWrite] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const [reportRead, reportWrite] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const [endRead, endWrite] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const context = {
      container: { namespaces: names.map((type) => ({ type })), ...given.container },
      ...(given.process === undefined ? {} : { process: given.process })
    }
    const report = (text: string) => sys.write({ fd: reportWrite, data: Buffer.from(text) })
    const child = Effect.gen(function*() {
      for (const fd of [goWrite, reportRead, endWrite]) yield* sys.close({ fd })
      yield* sys.read({ fd: goRead, count: 1 })
      if (user) {
        yield* sys.setresgid({ rgid: 0, egid: 0, sgid: 0 })
        yield* sys.setresuid({ ruid: 0, euid: 0, suid: 0 })
      }
      if (given.prepare !== undefined) yield* given.prepare
      const own = yield* Kernel
      const around = given.around?.(own)
      yield* Pipeline.runUnchecked(given.pipeline ?? inside).pipe(
        Effect.provideService(Init, init(context)),
        Effect.provideService(InNamespaces, true),
        Effect.provideService(Kernel, around?.kernel ?? own),
        Effect.ensuring(Effect.sync(() => around?.end()))
      )
      return given.ask === undefined ? "" : yield* given.ask
    }).pipe(
      Effect.exit,
      Effect.flatMap((exit) => {
        if (Exit.isSuccess(exit)) return report(`.${exit.value}`)
        const error = Cause.squash(exit.cause)
        return report(error instanceof Error ? `!${error.message}` : `!${String(error)}`)
      }),
      Effect.andThen(sys.close({ fd: reportWrite })),
      Effect.andThen(sys.read({ fd: endRead, count: 1 })),
      Effect.andThen(sys.exit_group({ status: 0 }))
    )
    const fork = yield* Fork
    const pid = yield* fork.spawn(flags, child)
    for (const fd of [goRead, reportWrite, endRead]) yield* sys.close({ fd })
    const all = (mappings: ReadonlyArray<{ containerId: number; hostId: number; size: number }>) =>
      mappings.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join("")
    if (user) {
      fs.writeFileSync(`/proc/${pid}/uid_map`, all(given.container.uidMappings ?? []))
      fs.writeFileSync(`/proc/${pid}/gid_map`, all(given.container.gidMappings ?? []))
    }
    yield* sys.close({ fd: goWrite })
    const text = yield* readAll(reportRead)
    const info = () => fs.readFileSync(`/proc/${pid}/mountinfo`, "utf8")
    return yield* Effect.suspend(() => {
      const seen = look({
        pid,
        error: text.startsWith(".") ? undefined : text.startsWith("!") ? text.slice(1) : "the child was lost",
        answer: text.slice(1),
        at: (below) => `/proc/${pid}/root${below}`,
        mounts: () => parseMountInfo(info()),
        line: (mountpoint) => info().split("\n").findLast((line) => line.split(" ")[4] === mountpoint) ?? ""
      })
      return Effect.isEffect(seen) ? seen : Effect.succeed(seen)
    }).pipe(Effect.ensuring(Effect.orDie(Effect.gen(function*() {
      yield* sys.close({ fd: endWrite })
      yield* sys.close({ fd: reportRead })
      yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      // a process that was cloned anew on its way into a pid namespace is a child of ours as well; the first process of
      // that namespace can't end before it is reaped
      if (names.length === 0) yield* sys.waitid({ idtype: P.ALL, id: 0, options: W.EXITED })
    }))))
  })
