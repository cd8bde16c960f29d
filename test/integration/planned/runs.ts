/** Plans of `run`. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { bundle } from "../../../scripts/bundle.mjs"
import { accompaniedRun, type RunCommand, runOptions } from "../../../src/cli/run.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import { planDelete, planRun } from "../../../src/runtime/plan.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { relayOnPaper, TerminalRelay } from "../../../src/runtime/terminal.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import { begin } from "../../support/command.ts"
import { containerOf, on, options } from "../../support/containers.ts"
import { difference, done } from "../../support/planned.ts"
import { place } from "./setup.ts"

const filter = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [{ names: ["kexec_load"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [] }]
}

/** A bundle as an engine writes it. */
const bundleOf = (): string => {
  const directory = path.join(place.stateRoot, "bundle")
  fs.mkdirSync(directory)
  fs.writeFileSync(
    path.join(directory, "config.json"),
    JSON.stringify({
      ociVersion: "1.2.0",
      process: {
        args: ["/bin/true"],
        cwd: "/",
        env: ["PATH=/bin", "A=1"],
        user: { uid: 1000, gid: 1000, additionalGids: [5] },
        capabilities: { bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"] },
        rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
        noNewPrivileges: true,
        oomScoreAdj: 100
      },
      root: { path: place.root, readonly: true },
      hostname: "bundle",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
        { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
        { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", "nosuid"] },
        { destination: "/etc", type: "bind", source: "/etc", options: ["rbind", "ro"] }
      ],
      linux: {
        namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type })),
        resources: { devices: [{ allow: false, access: "rwm" }] },
        maskedPaths: ["/proc/acpi", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/missing"],
        readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]
      }
    })
  )
  return directory
}

const counted = { runs: 0, undone: 0 }

const silent = Step.make("silent", {
  doc: "only count",
  calls: [],
  reversal: "compensated",
  run: Effect.sync(() => void counted.runs++),
  undo: () => Effect.sync(() => void counted.undone++)
})

const loud = Step.make("loud", {
  doc: "be out of reach of the killer",
  calls: ["openat", "write", "close"],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: -100, path: "/proc/self/comm", flags: 1, mode: 0 })
    yield* sys.write({ fd, data: new TextEncoder().encode("web") })
    yield* sys.close({ fd })
  })
})

type Given = () => Effect.Effect<Runtime.RunOptions, unknown, Kernel>

const command = (given: () => Partial<RunCommand>): Given => () =>
  runOptions({ root: place.stateRoot, id: place.id(), cmd: ["true"], ...given() } as RunCommand)

const library =
  (given: () => Parameters<typeof containerOf>[2], more: () => Partial<Runtime.RunOptions> = () => ({})): Given => () =>
    Effect.sync(() => options(place, containerOf(place, ["/bin/true"], given()), more()))

const runs: Readonly<Record<string, Given>> = {
  "the default, without a root": command(() => ({})),
  "a root": command(() => ({ rootfs: place.root })),
  "a bundle": command(() => ({ bundle: bundleOf(), cmd: [] })),
  "rootless": command(() => ({ rootfs: place.root, rootless: true })),
  "a user namespace": library(() => ({ userns: true })),
  "a seccomp filter": library(() => ({ seccomp: filter, process: { noNewPrivileges: true } })),
  "a seccomp filter that takes a privilege": library(() => ({ seccomp: filter, process: { noNewPrivileges: false } })),
  "a terminal": command(() => ({ rootfs: place.root, tty: true })),
  "networks": library(() => ({
    networks: [
      { strategy: "loopback", name: "lo" },
      {
        strategy: "veth",
        name: "eth0",
        bridge: `pl${process.pid % 100_000}`,
        createBridge: { address: "10.78.0.1/24" },
        address: "10.78.0.2/24",
        gateway: "10.78.0.1",
        mtu: 1400
      }
    ],
    routes: [{ destination: "10.79.0.0/24", gateway: "10.78.0.1", interfaceName: "eth0" }]
  })),
  "limits": library(() => ({
    cgroup: {
      devices: [],
      memory: { limit: 64n << 20n },
      pids: { limit: 100n },
      cpu: { shares: 512n, quota: 50_000n, period: 100_000n, cpus: "0" }
    },
    process: { rlimits: [{ resource: 7, soft: 64n, hard: 128n }], umask: 0o27 }
  })),
  "a flow": library(() => ({}), () => ({
    flow: Pipeline.insertAllAfter("setHostname", [silent, loud])
  }))
}

describe("a plan of run tells the calls of the run that follows", () => {
  for (const [name, given] of Object.entries(runs)) {
    it.live(`with ${name}`, () =>
      Effect.gen(function*() {
        const chosen = yield* on(given())
        const plan = yield* planRun(chosen)
        assert.strictEqual(plan.fails, undefined)
        const act = Effect.provideService(Runtime.run(chosen), TerminalRelay, relayOnPaper)
        const run = yield* done(act, "run")
        assert.strictEqual(difference(plan, run), "")
      }))
  }

  it.live("with what runs beside it: the way to its proxy, and placeholders in its workspace", () =>
    Effect.gen(function*() {
      const workspace = path.join(place.stateRoot, "workspace")
      fs.mkdirSync(workspace)
      const given: RunCommand = {
        root: place.stateRoot,
        id: place.id(),
        cmd: ["true"],
        allow: ["example.org"],
        workspace
      }
      const chosen = yield* on(runOptions(given))
      const run = yield* accompaniedRun(given, Runtime.run)
      const act = run(chosen, () => Effect.void)
      const plan = yield* planRun(chosen, act)
      assert.strictEqual(plan.fails, undefined)
      assert.deepStrictEqual(fs.readdirSync(workspace), [])
      // the event loop closes the socket
      const closed = "parent: outside of a step\n  - close(<socket of openPort>) …"
      assert.strictEqual(difference(plan, yield* done(act, "run")), closed)
      assert.deepStrictEqual(fs.readdirSync(workspace), [])
    }))

  it.live("and runs the JavaScript of a flow once, also of a step that makes no call", () =>
    Effect.gen(function*() {
      counted.runs = counted.undone = 0
      const plan = yield* planRun(yield* on(runs["a flow"]!()))
      assert.deepStrictEqual(counted, { runs: 1, undone: 1 })
      assert.deepStrictEqual(plan.rows.filter(({ step }) => step === "silent").map(({ calls }) => calls), [[]])
    }))
})

describe("a plan of run tells the calls of the run that follows, in namespaces of others", () => {
  /** A process with namespaces of its own, which lives as long as its standard input is open. */
  const neighbour = async (
    flags: string,
    type: string
  ): Promise<{ readonly pid: number; readonly end: () => void }> => {
    const started = begin("unshare", [...flags.split(" "), "sh", "-c", "echo ready; read -r line"])
    await started.says("ready")
    const pid = started.process.pid!
    assert.notStrictEqual(fs.statSync(`/proc/${pid}/ns/${type}`).ino, fs.statSync(`/proc/self/ns/${type}`).ino)
    return { pid, end: () => void started.process.stdin!.end() }
  }
  const bundleWith = (linux: object): string => {
    const directory = fs.mkdtempSync(path.join(place.stateRoot, "bundle-"))
    fs.writeFileSync(
      path.join(directory, "config.json"),
      JSON.stringify({
        ociVersion: "1.2.0",
        process: { args: ["/bin/true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
        root: { path: place.root },
        mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
        linux
      })
    )
    return directory
  }
  const joined = (pid: number, types: Readonly<Record<string, string>>): ReadonlyArray<object> =>
    Object.entries(types).map(([type, name]) => ({ type, path: `/proc/${pid}/ns/${name}` }))
  const fresh = [{ type: "mount" }, { type: "pid" }]
  const compared = (linux: object): Effect.Effect<string, unknown> =>
    Effect.gen(function*() {
      const chosen = yield* on(command(() => ({ bundle: bundleWith(linux), cmd: [] }))())
      const plan = yield* planRun(chosen)
      assert.strictEqual(plan.fails, undefined)
      return difference(plan, yield* done(Runtime.run(chosen), "run"))
    })

  it.live("of another process, and of a file on which one is mounted", () =>
    Effect.gen(function*() {
      const { end, pid } = yield* Effect.promise(() => neighbour("-n -u -i -C", "net"))
      const file = path.join(place.stateRoot, "network")
      fs.writeFileSync(file, "")
      execFileSync("mount", ["--bind", `/proc/${pid}/ns/net`, file])
      try {
        const own = joined(pid, { network: "net", uts: "uts", ipc: "ipc", cgroup: "cgroup" })
        const sysctl = { "net.ipv4.ip_forward": "1" }
        assert.strictEqual(yield* compared({ namespaces: [...fresh, ...own], sysctl }), "")
        end()
        assert.strictEqual(yield* compared({ namespaces: [...fresh, { type: "network", path: file }] }), "")
      } finally {
        end()
        execFileSync("umount", [file])
      }
    }))

  it.live("of another process's user namespace, with its maps", () =>
    Effect.gen(function*() {
      const { end, pid } = yield* Effect.promise(() => neighbour("-r -n", "user"))
      try {
        const maps = [{ containerID: 0, hostID: 0, size: 1 }]
        const namespaces = [...fresh, ...joined(pid, { user: "user", network: "net" })]
        assert.strictEqual(yield* compared({ namespaces, uidMappings: maps, gidMappings: maps }), "")
      } finally {
        end()
      }
    }))

  it.live("and a container can be removed on paper when the process has ended", () =>
    Effect.gen(function*() {
      const { end, pid } = yield* Effect.promise(() => neighbour("-u", "uts"))
      const linux = { namespaces: [...fresh, ...joined(pid, { uts: "uts" })] }
      const chosen = yield* on(command(() => ({ bundle: bundleWith(linux), cmd: [] }))())
      yield* on(Effect.gen(function*() {
        const created = yield* Runtime.create(chosen)
        yield* sys.waitid({ idtype: 3, id: created.pidfd, options: 4 })
        yield* sys.close({ fd: created.pidfd })
        end()
        const { bundle, container } = yield* Store.load(place.stateRoot, chosen.id)
        const gone = {
          ...container,
          namespaces: container.namespaces.map((one) => ({
            ...one,
            ...one.path === undefined ? {} : { path: "/proc/4194305/ns/uts" }
          }))
        }
        const known = { stateRoot: place.stateRoot, status: "stopped" } as const
        const plan = yield* planDelete(chosen.id, gone, bundle, { stateRoot: place.stateRoot }, known)
        assert.strictEqual(plan.fails, undefined)
        const pids = new Map([[created.pid, "init of the container"]])
        const run = yield* done(Runtime.remove(chosen.id, { stateRoot: place.stateRoot }), "delete", pids)
        assert.strictEqual(difference(plan, run), "")
      }))
    }))
})

describe("a plan of run tells the calls of the run that follows, of other callers", () => {
  let directory: string
  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-planned-"))
    // anybody may read the program, and have a state root beside it
    fs.chmodSync(directory, 0o1777)
    fs.symlinkSync(path.resolve("node_modules"), path.join(directory, "node_modules"))
    bundle(path.join(directory, "planned.cjs"), "test/support/plannedAlone.ts")
  })
  afterAll(() => fs.rmSync(directory, { recursive: true }))

  const compared = async (caller: ReadonlyArray<string>, given: Partial<RunCommand>): Promise<string> => {
    const chosen = { root: path.join(directory, place.id()), id: place.id(), cmd: ["true"], ...given }
    const [file, ...args] = [...caller, process.execPath, path.join(directory, "planned.cjs"), JSON.stringify(chosen)]
    const { code, stderr, stdout } = await begin(file!, args).ended
    assert.deepStrictEqual([code, stderr], [0, ""])
    return stdout
  }
  const user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]

  it.each([
    ["a user without privileges", user],
    ["root of a user namespace", ["unshare", "--user", "--map-root-user", "--mount"]],
    ["a caller whose new files are nobody else's", ["sh", "-c", "umask 077; exec \"$@\"", "sh"]],
    ["a caller whose output and errors go the same way", ["sh", "-c", "exec \"$@\" 2>&1", "sh"]],
    ["a caller that is nice, on one processor, and the first to be killed", [
      ..."nice -n 5 taskset -c 0 sh -c".split(" "),
      "echo 300 > /proc/self/oom_score_adj; exec \"$@\"",
      "sh"
    ]],
    ["a caller with ambient capabilities", ["setpriv", "--inh-caps", "+kill,+chown", "--ambient-caps", "+kill"]],
    ["root without CAP_SYS_ADMIN", ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]]
  ])("%s", async (_, caller) => {
    assert.strictEqual(await compared(caller, { rootfs: place.root }), "")
    assert.strictEqual(await compared(caller, {}), "")
  })

  it("a terminal, whose modes are set and set back", async () => {
    const helper = ["python3", "test/support/terminal.py", "[]"]
    const { code, output, restored } = JSON.parse(await compared(helper, { rootfs: place.root, tty: true }))
    // libuv closes the master
    const difference = "parent: outside of a step\r\n  - close(</dev/pts/ptmx>) …"
    assert.deepStrictEqual({ code, output: output.trimEnd(), restored }, {
      code: 0,
      output: difference,
      restored: true
    })
  })
})
