/**
 * A plan is what happens, for configurations of many kinds: what each part of a `config.json` and each option of the command
 * does, and how those end that the kernel refuses.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { type RunCommand, runOptions } from "../../src/cli/run.ts"
import { planRun } from "../../src/runtime/plan.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { makePlace, on, type Place } from "../support/containers.ts"
import { bind, mount } from "../support/ociMounts.ts"
import { difference, ended } from "../support/planned.ts"

const place: Place = makePlace()
afterAll(() => place.remove())

interface Document {
  readonly process?: object
  readonly linux?: object
  readonly mounts?: ReadonlyArray<object>
  readonly [key: string]: unknown
}

const proc = { destination: "/proc", type: "proc", source: "proc" }
const dev = { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] }
const namespaces = (...types: ReadonlyArray<string>) => ({ namespaces: types.map((type) => ({ type })) })
const usual = ["pid", "mount", "ipc", "uts"]
const network = namespaces(...usual, "network")

const bundle = ({ linux, process, ...rest }: Document): Partial<RunCommand> => {
  const directory = fs.mkdtempSync(path.join(place.stateRoot, "bundle-"))
  fs.writeFileSync(
    path.join(directory, "config.json"),
    JSON.stringify({
      ociVersion: "1.2.0",
      process: { args: ["/bin/true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, ...process },
      root: { path: place.root },
      mounts: [proc],
      ...rest,
      linux: { ...namespaces(...usual), ...linux }
    })
  )
  return { bundle: directory, cmd: [] }
}

/** Documents of a bundle. */
const documents: Readonly<Record<string, Document>> = {
  "forty mounts": {
    mounts: [
      proc,
      ...Array.from(
        { length: 40 },
        (_, index) => mount(`/tmp/m/${index}`, "tmpfs", `size=${index + 1}m`, index % 2 === 0 ? "nosuid" : "noexec")
      )
    ]
  },
  "options of tmpfs": {
    mounts: [
      proc,
      ...["size=1k", "size=10%", "nr_inodes=100", "nr_blocks=5", "huge=never", "mode=1777,uid=5,gid=6", "inode64"].map(
        (options, index) => mount(`/tmp/s${index}`, "tmpfs", ...options.split(","))
      )
    ]
  },
  "a tmpfs with what it covers": { mounts: [proc, mount("/etc", "tmpfs", "tmpcopyup", "mode=755")] },
  "devices and their rules": {
    mounts: [proc, dev],
    linux: {
      devices: [
        { path: "/dev/x", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 5, gid: 6 },
        { path: "/dev/sub/directory/block", type: "b", major: 8, minor: 0 },
        { path: "/dev/pipe", type: "p" }
      ],
      resources: { devices: [{ allow: false, access: "rwm" }, { allow: true, type: "c", major: 10, access: "rw" }] }
    }
  },
  "parameters of the kernel": {
    linux: {
      ...network,
      sysctl: {
        "net.ipv4.ip_forward": "1",
        "net.core.somaxconn": "256",
        "kernel.msgmax": "9000",
        "fs.mqueue.msg_max": "20",
        "net.ipv4.ping_group_range": "0 10"
      }
    }
  },
  "masked and read-only paths that are not there": {
    linux: {
      maskedPaths: ["/proc/missing", "/nowhere/at/all", "/etc/passwd", "/home", "/proc/kcore"],
      readonlyPaths: ["/proc/missing too", "/home/bob", "/etc/group", "/proc/irq/none"]
    }
  },
  "a cgroup by its path": {
    linux: {
      cgroupsPath: `/${place.mark}-planned/deep/er`,
      resources: { pids: { limit: 50 }, memory: { limit: 128 << 20, reservation: 64 << 20 } }
    }
  },
  "limits of processors": {
    linux: { resources: { cpu: { shares: 100, quota: 20_000, period: 100_000, cpus: "0", mems: "0" } } }
  },
  "limits of huge pages": { linux: { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4 << 20 }] } } },
  "a time namespace": {
    linux: {
      ...namespaces(...usual, "time"),
      timeOffsets: { monotonic: { secs: 100, nanosecs: 5 }, boottime: { secs: 7 } }
    }
  },
  "a personality and a memory policy": {
    linux: { personality: { domain: "LINUX32" }, memoryPolicy: { mode: "MPOL_BIND", nodes: "0" } }
  },
  "scheduling": {
    process: {
      scheduler: { policy: "SCHED_BATCH", nice: 5 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
      execCPUAffinity: { initial: "0", final: "0" },
      oomScoreAdj: 500
    }
  },
  "names": { hostname: "h", domainname: "example.org" },
  "capabilities of a user": {
    process: {
      user: { uid: 1000, gid: 1000, umask: 0o77, additionalGids: [5] },
      capabilities: {
        bounding: ["CAP_KILL", "CAP_NET_RAW", "CAP_CHOWN"],
        effective: ["CAP_KILL"],
        permitted: ["CAP_KILL", "CAP_CHOWN"],
        inheritable: ["CAP_KILL"],
        ambient: ["CAP_KILL"]
      }
    }
  },
  "a working directory that is not there": { process: { cwd: "/new/directory" } },
  "binds": {
    mounts: [
      proc,
      bind("/usr", "/mnt/a", "rbind", "rro", "nosuid"),
      bind("/etc/hostname", "/mnt/f", "bind", "ro"),
      bind("/opt", "/mnt/p", "bind", "private", "noatime", "nodev")
    ]
  },
  "kernel file systems, with the cgroups": {
    mounts: [
      { ...proc, options: ["hidepid=2"] },
      dev,
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid"] }
    ],
    linux: namespaces(...usual, "network", "cgroup")
  },
  "no namespaces": { mounts: [], linux: namespaces() },
  "a user namespace without root": {
    process: { user: { uid: 5, gid: 5 } },
    linux: {
      ...namespaces("pid", "mount", "user"),
      uidMappings: [{ containerID: 5, hostID: 100_000, size: 10 }],
      gidMappings: [{ containerID: 5, hostID: 100_000, size: 10 }]
    }
  }
}

/** Options of the command. */
const commands: Readonly<Record<string, Partial<RunCommand>>> = {
  "podman's words": {
    rootfs: place.root,
    volume: [`${place.root}/etc:/data:ro`],
    tmpfs: ["/cache:size=4m,mode=755"],
    memory: "64m",
    cpus: "0.5",
    pidsLimit: "20",
    ulimit: ["nofile=64:128"],
    capDrop: ["ALL"],
    seccomp: "default",
    hostname: "pod"
  },
  "more of podman's words": {
    rootfs: place.root,
    mount: ["type=bind,src=/etc,dst=/e,ro", "type=tmpfs,dst=/t,tmpfs-size=1m"],
    capAdd: ["NET_ADMIN"],
    network: "loopback",
    readOnly: true,
    user: "bob",
    cwd: "/home/bob",
    env: ["A=1", "B=2"],
    seccomp: "strict"
  },
  "no cgroup, and the caller's keyring": { rootfs: place.root, cgroups: "none", newKeyring: false },
  "rootless, as a user, read-only": {
    rootfs: place.root,
    rootless: true,
    network: "none",
    user: "1000:1000",
    readOnly: true
  }
}

/** What the kernel refuses, and so the plan. */
const refusals: Readonly<Record<string, readonly [step: string, Document]>> = {
  "a parameter that is not there": ["writeSysctl", { linux: { ...network, sysctl: { "net.ipv4.missing": "1" } } }],
  "a value that is none": ["writeSysctl", { linux: { ...network, sysctl: { "net.ipv4.ip_forward": "x" } } }],
  "a bind of what is not there": ["mountFilesystems", { mounts: [proc, bind("/no/such", "/mnt/a", "rbind")] }],
  "ids of a mount": ["mountFilesystems", {
    mounts: [proc, {
      ...bind("/opt", "/tmp/idm", "bind", "idmap"),
      uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 1000, size: 10 }]
    }]
  }],
  "a program that is not there": ["findProgram", { process: { args: ["missing"] } }],
  "a program that is none": ["findProgram", { process: { args: ["/etc/passwd"] } }],
  "a namespace that is none": ["joinNamespaces", {
    linux: { namespaces: [{ type: "mount" }, { type: "uts", path: "/etc/passwd" }] }
  }]
}

const compared = (given: Partial<RunCommand>) =>
  Effect.gen(function*() {
    const chosen = yield* on(
      runOptions({ root: place.stateRoot, id: place.id(), cmd: ["true"], ...given } as RunCommand)
    )
    const plan = yield* planRun(chosen)
    const { error, plan: run } = yield* ended(Runtime.run(chosen), "run")
    return { plan, error, difference: difference(plan, run) }
  })

describe("a plan of run tells the calls of the run that follows", () => {
  for (
    const [name, given] of [
      ...Object.entries(documents).map(([name, document]) => [name, () => bundle(document)] as const),
      ...Object.entries(commands).map(([name, command]) => [name, () => command] as const)
    ]
  ) {
    it.live(`with ${name}`, () =>
      Effect.gen(function*() {
        const { difference, error, plan } = yield* compared(given())
        assert.deepStrictEqual([plan.fails, error], [undefined, undefined])
        assert.strictEqual(difference, "")
      }))
  }
})

describe("a plan of run fails as the run that follows", () => {
  for (const [name, [step, document]] of Object.entries(refusals)) {
    it.live(`at ${name}`, () =>
      Effect.gen(function*() {
        const { difference, error, plan } = yield* compared(bundle(document))
        assert.strictEqual(plan.fails?.step, step)
        assert.include((error as Error).message, `${step}: `)
        // the process may be killed before it has ended by itself, with the status that its failure has
        assert.match(difference, /^(?:init: create\/cloneInit\n {2}- exit_group\((?:1|126|127)\) …)?$/)
      }))
  }

  it("at hooks, with the words of the run", async () => {
    const refused = await Effect.runPromise(
      Effect.flip(compared(bundle({ hooks: { poststop: [{ path: "/bin/true" }] } })))
    )
    assert.include(String(refused), "hooks")
  })
})
