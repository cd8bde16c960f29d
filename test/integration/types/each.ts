/** What holds for a container of each type. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Container, NamespaceType, Process } from "../../../src/config/Container.ts"
import { MS } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import { awaitExit } from "../../../src/runtime/awaitExit.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { containerOf, on } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import {
  type Given,
  type Kind,
  kinds,
  look,
  ns,
  place,
  proc,
  type Running,
  sleeping,
  status,
  tell,
  untilAsleep,
  whileRunning
} from "./setup.ts"

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
