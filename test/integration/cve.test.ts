/**
 * What container runtimes were once broken by, tried on the command as a whole: hostile images, hostile programs in a
 * container that waits for `exec`, hostile configurations. The steps' own tests try the same one by one.
 */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Command, makeCommand } from "../support/command.ts"
import { changes, isolate, snapshot } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

let command: Command
let root = ""
let outside = ""
let before: ReturnType<typeof snapshot>
const mark = markOf("cve")
let count = 0
const fresh = (): string => `${mark}-${count++}`
const state = () => ({ ...snapshot(mark, command.stateRoot), descriptors: [] })

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  command = makeCommand()
})
afterAll(() => {
  if (missing === undefined) command.remove()
})
beforeEach(() => {
  if (missing !== undefined) return
  before = state()
  root = makeRoot()
  outside = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-outside-"))
  fs.writeFileSync(path.join(outside, "secret"), "secret")
})
afterEach(() => {
  if (missing !== undefined) return
  assert.deepStrictEqual(fs.readdirSync(outside), ["secret"], "something was made outside of the root")
  assert.strictEqual(fs.readFileSync(path.join(outside, "secret"), "utf8"), "secret")
  fs.rmSync(outside, { recursive: true })
  removeRoot(root)
  assert.deepStrictEqual(changes(before, state()), {}, "something is left")
})

const run = (options: ReadonlyArray<string>, ...program: ReadonlyArray<string>) =>
  command.runfx("run", "--id", fresh(), "--rootfs", root, ...options, "--", ...program)

const link = (target: string, at: string): void => {
  fs.rmSync(path.join(root, at), { recursive: true, force: true })
  fs.symlinkSync(target, path.join(root, at))
}

/** Runs a bundle with the mounts, and with `more` in its `linux` part. */
const runBundle = async (
  mounts: ReadonlyArray<object>,
  more: object = {},
  args: ReadonlyArray<string> = ["/bin/true"],
  terminal = false
) => {
  const bundle = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-bundle-"))
  fs.writeFileSync(
    path.join(bundle, "config.json"),
    JSON.stringify({
      ociVersion: "1.0.2",
      root: { path: root },
      process: { args, cwd: "/", env: ["PATH=/bin"], terminal, user: { uid: 0, gid: 0 } },
      mounts,
      linux: { namespaces: ["pid", "mount", "network", "ipc", "uts"].map((type) => ({ type })), ...more }
    })
  )
  const ended = await command.runfx("run", "--id", fresh(), "--bundle", bundle)
  fs.rmSync(bundle, { recursive: true })
  return ended
}

const proc = { destination: "/proc", type: "proc", source: "proc" }
const devpts = { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] }

/** A container that runs a script as root with many capabilities, while processes are executed in it. */
const whileAttacked = async (script: string, use: (id: string) => Promise<void>): Promise<string> => {
  const id = fresh()
  const caps = ["--cap-add", "SYS_PTRACE,DAC_OVERRIDE,DAC_READ_SEARCH,CHOWN,FOWNER"]
  const begun = await command.runfx(
    "run",
    "-d",
    "--id",
    id,
    "--rootfs",
    root,
    ...caps,
    "--",
    "/bin/sh",
    "-c",
    `exec 2>/dev/null >/tmp/found; touch /tmp/ready; while [ ! -e /tmp/stop ]; do ${script}; done; touch /tmp/done; sleep 1000`
  )
  assert.deepStrictEqual([begun.code, begun.stderr], [0, ""])
  const file = (name: string) => path.join(root, "tmp", name)
  const isThere = (name: string) => until(() => fs.existsSync(file(name)))
  try {
    await isThere("ready")
    await use(id)
    fs.writeFileSync(file("stop"), "")
    await isThere("done")
    return fs.readFileSync(file("found"), "utf8")
  } finally {
    assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
  }
}

const hash = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex")

describe.skipIf(missing !== undefined)("an attack as in", () => {
  it("CVE-2015-3629: a link of the image on the way to a mount", async () => {
    link(outside, "data")
    const ended = await runBundle([proc, { destination: "/data/deep", type: "tmpfs", source: "tmpfs" }])
    assert.deepStrictEqual([ended.code, ended.stderr], [0, ""])
    // it was resolved below the root
    assert.isTrue(fs.existsSync(path.join(root, outside, "deep")))
  })

  it("CVE-2015-3627, CVE-2016-9962: a descriptor of the host in a process on its way into the container", async () => {
    const found = await whileAttacked(
      "for p in /proc/[0-9]*; do [ $p = /proc/1 ] || ls -l $p/fd $p/cwd $p/root; done",
      async (id) => {
        const seen = () => fs.readFileSync(path.join(root, "tmp/found"), "utf8").includes("pipe:")
        for (let tries = 0; tries < 40 && (tries < 5 || !seen()); tries++) await command.runfx("exec", id, "/bin/true")
      }
    )
    // with CAP_SYS_PTRACE a container may look at the process; what it finds leads to no handle of the runtime
    assert.notMatch(found, /anon_inode:\[(?:pidfd|eventpoll|eventfd|io_uring)/)
    // what it finds besides is an end of a pipe, and the standard streams
    const leading = found.split("\n").flatMap((line) => / -> (\/.+)$/.exec(line)?.[1] ?? [])
    // the image's user files, and the sealed program in between
    const known = new Set([
      "/",
      "/dev/null",
      "/bin",
      "/tmp/found",
      "/etc/passwd",
      "/etc/group",
      "/memfd:runfx-exec (deleted)"
    ])
    assert.deepStrictEqual(
      leading.filter((to) => !known.has(to) && !to.startsWith("/proc/") && !/\/std(out|err)$/.test(to)),
      []
    )
  })

  it("CVE-2016-3697: a user of the image whose name is a number", async () => {
    fs.appendFileSync(path.join(root, "etc/passwd"), "1234:x:0:0::/:/bin/sh\n")
    assert.deepStrictEqual(await run(["-u", "1234"], "/bin/id", "-u"), { code: 0, stdout: "1234\n", stderr: "" })
  })

  it("CVE-2019-5736: writing to the runtime through /proc/<pid>/exe", async () => {
    const node = hash(process.execPath)
    // the image makes the runtime execute itself
    link("/proc/self/exe", "bin/again")
    fs.writeFileSync(path.join(root, "bin/script"), "#!/proc/self/exe\n", { mode: 0o755 })
    await whileAttacked("for p in /proc/[0-9]*; do [ $p = /proc/1 ] || echo owned > $p/exe; done", async (id) => {
      for (const program of ["/bin/true", "/bin/again", "/bin/script"]) {
        for (let tries = 0; tries < 4; tries++) {
          const { stdout } = await command.runfx("exec", id, program, "-e", "console.log('node')")
          assert.notInclude(stdout, "node")
        }
      }
    })
    assert.strictEqual(hash(process.execPath), node)
  })

  it("a script whose interpreter would be the start itself is told so", async () => {
    fs.writeFileSync(path.join(root, "bin/script"), "#!/proc/self/exe\n", { mode: 0o755 })
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["syslog"], action: "SCMP_ACT_ERRNO" }] }
    const starts = [
      run([], "/bin/script"),
      run(["--init"], "/bin/script"),
      runBundle([proc], { seccomp }, ["/bin/script"])
    ]
    for (const { code, stderr } of await Promise.all(starts)) {
      assert.strictEqual(code, 126)
      assert.match(stderr, /interpreter leads to \/proc\/self\/exe, which is the start itself$/m)
    }
  })

  it("CVE-2019-16884, CVE-2025-52881: a /proc of the image's own", async () => {
    fs.mkdirSync(path.join(root, "volume"))
    const bind = { type: "bind", source: path.join(root, "volume"), options: ["bind"] }
    for (const destination of ["/proc", "/proc/self", "/proc/sys/kernel"]) {
      const ended = await runBundle([proc, { ...bind, destination }])
      assert.strictEqual(ended.code, 1, destination)
      assert.match(ended.stderr, /\/proc/)
    }
  })

  for (const name of ["proc", "sys"]) {
    it(`CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /${name} of the image is a link`, async () => {
      fs.mkdirSync(path.join(root, "other"))
      link("/other", name)
      const ended = await run([], "/bin/true")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, new RegExp(`mountFilesystems: .*/${name}`))
    })
  }

  it("CVE-2021-30465: a mount whose place is exchanged meanwhile", async () => {
    // another container shares the volume, and exchanges a directory for a link to the host's root, over and over
    const volume = path.join(root, "volume")
    fs.mkdirSync(path.join(volume, "a"), { recursive: true })
    fs.symlinkSync("../../../../../../../..", path.join(volume, "link"))
    const bind = { destination: "/volume", type: "bind", source: volume, options: ["rbind"] }
    await whileAttacked(
      "mv /volume/a /volume/b; mv /volume/link /volume/a; mv /volume/a /volume/link; mv /volume/b /volume/a",
      async () => {
        for (let tries = 0; tries < 8; tries++) {
          await runBundle([proc, bind, { destination: `/volume/a${outside}`, type: "tmpfs", source: "tmpfs" }])
        }
      }
    )
    assert.notInclude(fs.readFileSync("/proc/self/mountinfo", "utf8"), outside)
  })

  it("CVE-2022-29162: capabilities that a file could make its own", async () => {
    const { stdout } = await run(["--cap-add", "NET_ADMIN"], "/bin/grep", "^Cap[IA]", "/proc/self/status")
    assert.strictEqual(stdout, `CapInh:\t${"0".repeat(16)}\nCapAmb:\t${"0".repeat(16)}\n`)
  })

  it("CVE-2024-21626: a working directory that is a descriptor of the runtime's", async () => {
    const id = fresh()
    const begun = await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")
    assert.strictEqual(begun.code, 0)
    const ends = []
    for (const fd of ["self/fd/0", "self/fd/3", "self/fd/7", "self/fd/8", "thread-self/fd/7", "self/fd/14"]) {
      ends.push(await command.runfx("exec", "-w", `/proc/${fd}`, id, "/bin/ls", "../../../../../.."))
    }
    ends.push(await run(["-w", "/proc/self/fd/7"], "/bin/ls", "../../../../../.."))
    await command.runfx("delete", "--force", id)
    for (const { code, stdout } of ends) {
      assert.notStrictEqual(code, 0)
      assert.strictEqual(stdout, "")
    }
  })

  it("CVE-2025-31133: a /dev/null of the image's that masks nothing", async () => {
    for (
      const put of [
        () => link("/proc/sysrq-trigger", "dev/null"),
        () => fs.writeFileSync(path.join(root, "dev/null"), "")
      ]
    ) {
      put()
      const ended = await runBundle([proc], { maskedPaths: ["/etc/passwd"], devices: [] }, ["/bin/cat", "/etc/passwd"])
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /\/dev\/null/)
      assert.strictEqual(ended.stdout, "")
      fs.rmSync(path.join(root, "dev/null"))
    }
  })

  it("CVE-2025-52565: a /dev/console of the image's that leads elsewhere", async () => {
    fs.mkdirSync(path.join(root, "dev/pts"))
    link("/proc/sys/kernel/core_pattern", "dev/console")
    const ended = await runBundle([proc, devpts], {}, ["/bin/true"], true)
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /\/dev\/console/)
  })

  it("no CVE: the pid of a container that has stopped is another process's by now", async () => {
    const id = fresh()
    const begun = await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")
    assert.strictEqual(begun.code, 0)
    const file = `${command.stateRoot}/${id}/state.json`
    const whole = fs.readFileSync(file, "utf8")
    // the same pid, started at another time
    fs.writeFileSync(file, whole.replace(/("startTime":\D*)\d+/, "$11"))
    assert.match((await command.runfx("list")).stdout, / stopped /)
    const { code, stderr } = await command.runfx("kill", id, "TERM")
    assert.strictEqual(code, 1)
    assert.match(stderr, /is stopped/)
    assert.strictEqual((await command.runfx("exec", id, "/bin/true")).code, 1)
    fs.writeFileSync(file, whole)
    assert.match((await command.runfx("list")).stdout, / running /)
    assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
  })
})
