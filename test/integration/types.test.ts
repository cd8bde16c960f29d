/**
 * Each kind of container as the kernel shows it from outside, and as its program sees it: the first process, and one that
 * is executed in it later.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Container, NamespaceType, Process } from "../../src/config/Container.ts"
import { MS } from "../../src/native/constants.ts"
import type { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import { awaitExit } from "../../src/runtime/awaitExit.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { containerOf, failureOf, leavesNothing, on, options, sh } from "../support/containers.ts"
import { eachLeavesNothing, ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"
import { eventually } from "../support/until.ts"

const place = ownPlace()
eachLeavesNothing(place)

// ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type Given = NonNullable<Parameters<typeof containerOf>[2]>

interface Kind {
  readonly name: string
  readonly type: Runtime.InitType
  readonly userns: boolean
}

const kinds: ReadonlyArray<Kind> = [
  { name: "standard", type: "standard", userns: false },
  { name: "userns with its side-car", type: "userns", userns: true },
  { name: "standard in a user namespace", type: "standard", userns: true }
]

const proc = (pid: number, name: string): string => fs.readFileSync(`/proc/${pid}/${name}`, "utf8")
const ns = (pid: number | "self", type: string): string => fs.readlinkSync(`/proc/${pid}/ns/${type}`)
const status = (pid: number): Readonly<Record<string, string>> =>
  Object.fromEntries(proc(pid, "status").trim().split("\n").map((line) => line.split(/:\s*/, 2)))

interface Running {
  readonly id: string
  readonly pid: number
}

/** Removes a container, and reaps its first process. */
const end = ({ id, pidfd }: { readonly id: string; readonly pidfd: number }) =>
  Effect.andThen(Runtime.remove(id, { stateRoot: place.stateRoot, force: true }), sys.close({ fd: pidfd }))

/** The channel closes in the middle of an exec, before the new credentials hold; a program that sleeps has left it behind. */
const untilAsleep = (pid: number) => eventually(() => status(pid)["State"]!.startsWith("S"))

/** A container, for as long as `use` lasts. */
const whileRunning = <A>(
  container: Container,
  given: Partial<Runtime.RunOptions>,
  use: (running: Running) => Effect.Effect<A, unknown, Kernel | Fork>
): Effect.Effect<A, unknown, Kernel | Fork> =>
  Effect.gen(function*() {
    const chosen = options(place, container, given)
    const { pid, pidfd } = yield* Runtime.create(chosen)
    yield* untilAsleep(pid)
    const exit = yield* Effect.exit(use({ id: chosen.id, pid }))
    yield* end({ id: chosen.id, pidfd })
    return yield* exit
  })

const sleeping = ["/bin/sleep", "1000"]

/** Looks at the first process of a container that sleeps. */
const look = (kind: Kind, given: Given, use: (running: Running) => void) =>
  on(whileRunning(
    containerOf(place, sleeping, { ...given, userns: kind.userns }),
    { type: kind.type },
    (running) => Effect.sync(() => use(running))
  ))

/** Looks at a further process of a container, which sleeps as well. */
const lookAtExec = (
  kind: Kind,
  given: Given,
  process: Partial<Process>,
  use: (exec: Running, first: Running) => void
) =>
  on(whileRunning(
    containerOf(place, sleeping, { ...given, userns: kind.userns }),
    { type: kind.type },
    (first) =>
      Effect.gen(function*() {
        const { pid, pidfd } = yield* Runtime.start({
          id: first.id,
          stateRoot: place.stateRoot,
          process: { ...containerOf(place, sleeping).process, ...process }
        })
        yield* untilAsleep(pid)
        const exit = yield* Effect.exit(Effect.sync(() => use({ id: first.id, pid }, first)))
        yield* sys.kill({ pid, signal: 9 })
        yield* awaitExit(pidfd)
        yield* sys.close({ fd: pidfd })
        return yield* exit
      })
  ))

/** What a script in a container says, on both of its streams. */
const tell = (kind: Kind, script: string, given: Given = {}) =>
  on(Effect.gen(function*() {
    const file = path.join(place.root, "tmp/out")
    const container = containerOf(place, sh(`exec >/tmp/out 2>&1\n${script}`), {
      readonlyRootfs: false,
      ...given,
      userns: kind.userns
    })
    yield* Runtime.run(options(place, container, { type: kind.type }))
    return yield* Effect.sync(() => {
      const text = fs.readFileSync(file, "utf8")
      fs.rmSync(file)
      return text
    })
  }))

const allTypes: ReadonlyArray<NamespaceType> = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user"]
const three = "0000000020000420"

for (const kind of kinds) {
  describe.skipIf(missing !== undefined)(`a container (${kind.name})`, () => {
    const own = allTypes.filter((type) => type !== "user" || kind.userns)

    const isContained = (pid: number) => {
      for (const type of allTypes) {
        const isOwn = ns(pid, type) !== ns("self", type)
        assert.strictEqual(isOwn, own.includes(type), `${type} namespace`)
      }
      const { CapAmb, CapBnd, CapEff, CapInh, CapPrm, Gid, Groups, NoNewPrivs, Seccomp, SigBlk, SigCgt, SigIgn, Uid } =
        status(pid)
      assert.deepStrictEqual(
        { CapAmb, CapBnd, CapEff, CapInh, CapPrm },
        { CapAmb: "0".repeat(16), CapBnd: three, CapEff: three, CapInh: "0".repeat(16), CapPrm: three }
      )
      const root = kind.userns ? "100000" : "0"
      assert.deepStrictEqual([Uid, Gid, Groups?.trim()], [
        Array(4).fill(root).join("\t"),
        Array(4).fill(root).join("\t"),
        ""
      ])
      const none = "0".repeat(16)
      assert.deepStrictEqual({ NoNewPrivs, Seccomp, SigBlk, SigCgt, SigIgn }, {
        NoNewPrivs: "1",
        Seccomp: "2",
        SigBlk: none,
        SigCgt: none,
        SigIgn: none
      })
      assert.deepStrictEqual(fs.readdirSync(`/proc/${pid}/fd`), ["0", "1", "2"])
      assert.match(proc(pid, "limits"), /^Max open files +1024 +1024 /m)
    }

    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: [],
      flags: [],
      syscalls: [{ names: ["sethostname"], action: "SCMP_ACT_ERRNO", errnoRet: 38, args: [] }]
    }

    it.live("has its own namespaces, and what the configuration gives it, not more", () =>
      look(kind, { seccomp }, ({ id, pid }) => {
        isContained(pid)
        const map = kind.userns ? ["0", "100000", "65536"] : ["0", "0", "4294967295"]
        assert.deepStrictEqual(proc(pid, "uid_map").trim().split(/\s+/), map)
        assert.deepStrictEqual(proc(pid, "gid_map").trim().split(/\s+/), map)
        assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), "/")
        assert.strictEqual(
          proc(pid, "environ"),
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0TERM=xterm\0HOME=/root\0"
        )
        const groups = proc(pid, "cgroup").trim().split("\n").filter((line) => !line.startsWith("0::/../"))
        assert.isTrue(groups.some((line) => line.endsWith(`/runfx-${id}`)), groups.join(" "))
        // the host's root is out of reach: its mounts are gone
        assert.notInclude(proc(pid, "mountinfo"), " /work")
        assert.isFalse(fs.existsSync(`/proc/${pid}/root/usr/bin/node`))
      }))

    it.live("gives a later process the same", () =>
      lookAtExec(kind, { seccomp }, { env: ["A=1"], cwd: "/tmp" }, ({ pid }, first) => {
        isContained(pid)
        for (const type of allTypes) assert.strictEqual(ns(pid, type), ns(first.pid, type), type)
        assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), "/tmp")
        assert.strictEqual(proc(pid, "environ"), "A=1\0HOME=/root\0")
        assert.strictEqual(proc(pid, "cgroup"), proc(first.pid, "cgroup"))
        assert.strictEqual(status(pid)["PPid"], String(process.pid))
      }))

    it.live("shows its program what is its own", () =>
      Effect.gen(function*() {
        const text = yield* tell(
          kind,
          "ps -o pid,user,comm; hostname; id; pwd; cat /proc/sys/net/ipv4/ip_forward; umask; ulimit -n; tty",
          {
            hostname: "box",
            sysctl: { "net.ipv4.ip_forward": "1" },
            process: { umask: 0o27, cwd: "/home/bob", user: { _tag: "Named", spec: "bob", additionalGids: [7] } }
          }
        )
        assert.deepStrictEqual(text.split("\n").map((line) => line.trim().replace(/ +/g, " ")), [
          "PID USER COMMAND",
          "1 bob sh",
          // after a side-car, which had the second pid
          `${kind.type === "userns" ? 3 : 2} bob ps`,
          "box",
          "uid=1000(bob) gid=1000(bob) groups=7,2000(users)",
          "/home/bob",
          "1",
          "0027",
          "1024",
          "not a tty",
          ""
        ])
      }))

    it.live("keeps it away from what is the host's", () =>
      Effect.gen(function*() {
        const text = yield* tell(
          kind,
          [
            "r() { \"$@\" >/dev/null 2>&1 && echo \"done: $*\" || echo \"refused: $1\"; }",
            "r sh -c 'echo x > /proc/sys/kernel/core_pattern'",
            "r sh -c 'echo b > /proc/sysrq-trigger'",
            "r hostname other",
            "r mount -t tmpfs none /tmp",
            "r umount /proc",
            "r mknod /tmp/disk b 254 0",
            "r chown 5 /tmp",
            "r ifconfig lo down",
            "r cat /proc/1/environ",
            "wc -c < /proc/keys",
            "ls /proc/acpi /sys/firmware",
            "cat /sys/kernel/x; touch /sys/x",
            "dd if=/dev/zero bs=4 count=1 | wc -c; echo y > /dev/null; ls -l /dev/null | cut -c1-10; readlink /dev/fd"
          ].join("\n"),
          { process: { rlimits: [] } }
        )
        assert.deepStrictEqual(
          text.split("\n").filter((line) => !/records/.test(line)),
          [
            "refused: sh",
            "refused: sh",
            "refused: hostname",
            "refused: mount",
            "refused: umount",
            "refused: mknod",
            "refused: chown",
            "refused: ifconfig",
            "done: cat /proc/1/environ",
            "0",
            ...text.includes("/proc/acpi:")
              ? ["/proc/acpi:", "", "/sys/firmware:"]
              : ["ls: /proc/acpi: No such file or directory"],
            "cat: can't open '/sys/kernel/x': No such file or directory",
            "touch: /sys/x: Read-only file system",
            "4",
            "crw-rw-rw-",
            "/proc/self/fd",
            ""
          ]
        )
      }))

    it.live("has the mounts of its configuration", () =>
      Effect.gen(function*() {
        const outside = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-bind-"))
        fs.writeFileSync(path.join(outside, "file"), "from outside\n")
        fs.chmodSync(outside, 0o755)
        const bind = {
          destination: "/mnt/data",
          type: "bind",
          source: outside,
          flags: MS.BIND | MS.REC | MS.RDONLY | MS.NOSUID | MS.NODEV,
          clearedFlags: 0,
          propagation: [MS.PRIVATE],
          recursiveAttributes: { set: 0, clear: 0 },
          data: [],
          copyUp: false
        }
        const { mounts } = containerOf(place, sleeping, { userns: kind.userns })
        fs.mkdirSync(path.join(place.root, "mnt/data"), { recursive: true })
        const text = yield* tell(kind, "cat /mnt/data/file; touch /mnt/data/x; grep ' /mnt/data ' /proc/mounts", {
          mounts: [...mounts, bind]
        })
        fs.rmSync(outside, { recursive: true })
        assert.match(
          text,
          /^from outside\ntouch: \/mnt\/data\/x: Read-only file system\n\S+ \/mnt\/data \S+ ro,nosuid,nodev,/
        )
      }))

    it.live("can be joined, namespace by namespace", () =>
      on(whileRunning(
        containerOf(place, sleeping, { userns: kind.userns }),
        { type: kind.type },
        (host) =>
          Effect.forEach(["net", "ipc", "uts", "pid", "cgroup"] as const, (type) =>
            Effect.gen(function*() {
              const base = containerOf(place, sleeping, { userns: kind.userns })
              // namespaces of a user namespace can be joined by who is in it only
              const joined = kind.userns ? [type, "user" as const] : [type]
              const namespaces = base.namespaces.map((namespace) =>
                joined.some((one) => one === namespace.type)
                  ? { ...namespace, path: `/proc/${host.pid}/ns/${namespace.type}` }
                  : namespace
              )
              const { hostname: _, ...rest } = base
              const guest: Container = {
                ...rest,
                namespaces,
                networks: type === "net" ? [] : base.networks,
                ...(kind.userns ? { uidMappings: [], gidMappings: [] } : {}),
                // the mounts of a sysfs and an mqueue belong to namespaces of their own
                mounts: base.mounts.filter((mount) => !["sysfs", "mqueue", "cgroup"].includes(mount.type)),
                readonlyPaths: [],
                maskedPaths: []
              }
              yield* whileRunning(guest, { type: "standard" }, ({ pid }) =>
                Effect.sync(() => {
                  for (const other of own) {
                    assert.strictEqual(
                      ns(pid, other) === ns(host.pid, other),
                      joined.includes(other as never),
                      `${other} where ${type} is joined`
                    )
                    assert.notStrictEqual(ns(pid, other), ns("self", other), other)
                  }
                }))
            }), { discard: true })
      )))
  })
}

describe.skipIf(missing !== undefined)("a container", () => {
  const [standard, userns] = kinds as readonly [Kind, Kind, Kind]

  it.live("is under the limits of its configuration", () =>
    look(standard, {
      cgroup: { devices: [], pids: { limit: 17n }, memory: { limit: 64n << 20n } },
      process: {
        oomScoreAdj: 300,
        rlimits: [{ resource: 7, soft: 100n, hard: 200n }, { resource: 4, soft: 0n, hard: 0n }],
        scheduler: { policy: 0, nice: 7, priority: 0, flags: 0, runtime: 0n, deadline: 0n, period: 0n },
        cpuAffinity: { final: [0] },
        umask: 0o77
      }
    }, ({ id, pid }) => {
      assert.strictEqual(proc(pid, "oom_score_adj"), "300\n")
      assert.match(proc(pid, "limits"), /^Max open files +100 +200 /m)
      assert.match(proc(pid, "limits"), /^Max core file size +0 +0 /m)
      assert.strictEqual(status(pid)["Cpus_allowed_list"], "0")
      assert.strictEqual(status(pid)["Umask"], "0077")
      assert.strictEqual(proc(pid, "stat").replace(/^.*\) /, "").split(" ")[16], "7")
      const values = ["pids.max", "memory.max", "memory.limit_in_bytes"].flatMap((file) =>
        ["", "pids/", "memory/"].flatMap((controller) => {
          try {
            return [fs.readFileSync(`/sys/fs/cgroup/${controller}${groupOf(pid, controller)}/${file}`, "utf8").trim()]
          } catch {
            return []
          }
        })
      )
      assert.sameMembers([...new Set(values)], ["17", String(64 << 20)], id)
    }))

  /** The path of a process's cgroup. */
  const groupOf = (pid: number, controller: string): string =>
    proc(pid, "cgroup").split("\n").find((line) => line.split(":")[1] === controller.replace("/", ""))?.split(":")[2] ??
      ""

  it.live("has clocks of its own where a time namespace asks for them", () =>
    Effect.gen(function*() {
      const namespaces = containerOf(place, sleeping).namespaces
      const text = yield* tell(standard, "cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time", {
        namespaces: [...namespaces, { type: "time" }],
        timeOffsets: [{ clock: "boottime", seconds: 1_000_000_000n, nanoseconds: 0 }]
      })
      const [uptime, link] = text.split("\n")
      assert.isAbove(Number(uptime), 1_000_000_000)
      assert.notStrictEqual(link, ns("self", "time"))
    }))

  it.live("may not reach a device that its rules forbid, with the capability to make nodes", () =>
    Effect.gen(function*() {
      const { process } = containerOf(place, sleeping)
      const mknod = 27
      const add = (set: ReadonlyArray<number> = []) => [...set, mknod]
      const text = yield* tell(
        standard,
        "mknod /dev/mine c 1 3; echo $?; mknod /dev/kmsg c 1 11 && head -c1 /dev/kmsg; mknod /dev/zero2 c 1 5; " +
          "head -c2 /dev/zero2 | wc -c",
        {
          process: {
            capabilities: {
              ...process.capabilities!,
              bounding: add(process.capabilities?.bounding),
              effective: add(process.capabilities?.effective),
              permitted: add(process.capabilities?.permitted)
            }
          }
        }
      )
      assert.match(text, /^0\nhead: \/dev\/kmsg: Operation not permitted\n2\n$/)
    }))

  it.live("refuses what a container without its own mount namespace would do to the host", () =>
    Effect.forEach([standard, userns], (kind) =>
      leavesNothing(
        place,
        Effect.gen(function*() {
          const container = containerOf(place, sleeping, { userns: kind.userns })
          const joining = {
            ...container,
            namespaces: container.namespaces.map((namespace) =>
              namespace.type === "mnt" ? { ...namespace, path: "/proc/1/ns/nosuch" } : namespace
            )
          }
          const exit = yield* Effect.exit(on(Runtime.run(options(place, joining, { type: kind.type }))))
          assert.isTrue(Exit.isFailure(exit))
          assert.match(failureOf(exit).message, /nosuch/)
        })
      ), { discard: true }))
})

// ── without privileges ───────────────────────────────────────────────────────────────────────────────────────────────

describe.skipIf(missing !== undefined)("a user without privileges", () => {
  let command: Command
  let home = ""
  let reason: string | undefined
  beforeAll(async () => {
    command = makeCommand()
    home = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-home-"))
    fs.chownSync(home, 1000, 1000)
    const probe = await as("unshare", "-Ur", "true").catch(() => ({ code: 1, stderr: "setpriv(1) is missing" }))
    if (probe.code !== 0) reason = `a user can't make a user namespace here: ${probe.stderr}`
    const node = await as("node", "-e", "0").catch(() => ({ code: 1 }))
    if (node.code !== 0) reason = "another user can't run this node"
  })
  afterAll(async () => {
    await runfx("delete", "--force", "mine")
    command.remove()
    fs.rmSync(home, { recursive: true })
  })
  const as = (...args: ReadonlyArray<string>) =>
    complete("setpriv", ["--reuid=1000", "--regid=1000", "--clear-groups", "env", `HOME=${home}`, ...args])
  const runfx = (...args: ReadonlyArray<string>) => as(command.file, "--root", `${home}/state`, ...args)

  it("runs containers, and programs in them", async (context) => {
    if (reason !== undefined) return context.skip(reason)
    const ran = await runfx(
      "run",
      "--rootfs",
      place.root,
      "--",
      "/bin/sh",
      "-c",
      "id -u; cat /proc/self/uid_map /proc/self/setgroups; exit 4"
    )
    assert.deepStrictEqual([ran.code, ran.stderr], [4, ""])
    assert.match(ran.stdout, /^0\n +0 +1000 +1\ndeny\n$/)

    const begun = await runfx("run", "-d", "--id", "mine", "--rootfs", place.root, "--", ...sleeping)
    assert.deepStrictEqual(begun, { code: 0, stdout: "mine\n", stderr: "" })
    const [listed] = JSON.parse((await runfx("list", "-f", "json")).stdout) as ReadonlyArray<{ readonly pid: number }>
    const within = await runfx(
      "exec",
      "mine",
      "/bin/sh",
      "-c",
      "readlink /proc/self/ns/user; readlink /proc/self/ns/net; exit 9"
    )
    assert.deepStrictEqual(within, {
      code: 9,
      stdout: `${ns(listed!.pid, "user")}\n${ns(listed!.pid, "net")}\n`,
      stderr: ""
    })
    assert.strictEqual(status(listed!.pid)["Uid"], "1000\t1000\t1000\t1000")
    assert.deepStrictEqual(await runfx("delete", "--force", "mine"), { code: 0, stdout: "", stderr: "" })
    assert.deepStrictEqual(fs.readdirSync(`${home}/state`), [])
  })

  it("is told what it may not do", async (context) => {
    if (reason !== undefined) return context.skip(reason)
    const bridge = await runfx("run", "--rootfs", place.root, "--network", "bridge", "--", "/bin/true")
    assert.strictEqual(bridge.code, 1)
    assert.match(bridge.stderr, /connectNetworks.*EPERM[^]*CAP_NET_ADMIN/)
    assert.deepStrictEqual(fs.readdirSync(`${home}/state`), [])
  })
})
