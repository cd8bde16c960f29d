/**
 * Callers without the host's privileges, and hosts that lack something, for real: what works there, and what the message
 * says where something can't.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { syscallNumbers } from "../../src/native/syscallTables.ts"
import { begin, type Command, type Ended, makeCommand } from "../support/command.ts"
import { isolate } from "../support/host.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"

let root = ""
let states = ""
let command: Command

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  root = makeRoot()
  command = makeCommand()
  states = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-hosts-"))
  fs.chmodSync(states, 0o1777)
})
afterAll(() => {
  if (missing !== undefined) return
  command.remove()
  removeRoot(root)
  fs.rmSync(states, { recursive: true })
})

let count = 0

/** runfx behind another command, with a directory of states of its own. */
const behind = (prefix: ReadonlyArray<string>, ...args: ReadonlyArray<string>): Promise<Ended> => {
  const [file, ...rest] = [...prefix, command.file, "--root", path.join(states, String(count++)), ...args]
  return begin(file!, rest, { input: "", env: { ...process.env, RUNFX_DEBUG: "0" } }).ended
}

/** runfx behind a script of a shell, in a mount namespace of its own. */
const after = (script: string, ...args: ReadonlyArray<string>): Promise<Ended> =>
  behind(["unshare", "-m", "sh", "-c", `${script}; exec "$@"`, "sh"], ...args)

const uid = 41_733
const plain = ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"]

const works = (ended: Ended, stdout = "hi\n") => {
  assert.deepStrictEqual(ended, { code: 0, stdout, stderr: "" })
}

const refused = ({ code, stderr }: Ended, ...parts: ReadonlyArray<string>) => {
  assert.strictEqual(code, 1, stderr)
  for (const part of parts) assert.include(stderr, part)
}

const bundle = (change: (config: Record<string, any>) => void): string => {
  const directory = fs.mkdtempSync(path.join(states, "bundle-"))
  fs.chmodSync(directory, 0o755)
  const config = {
    ociVersion: "1.0.2",
    root: { path: root },
    process: { args: ["sh", "-c", "echo hi"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } } as object,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] }
    ],
    linux: { namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })), resources: {} }
  }
  change(config)
  fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify(config), { mode: 0o644 })
  return directory
}

describe.skipIf(missing !== undefined)("runfx", () => {
  const preset = ["run", "--rootfs", "", "--", "echo", "hi"]
  const hi = () => preset.map((word) => word === "" ? root : word)

  it("works for root of a user namespace, from root and from a user", async () => {
    works(await behind(["unshare", "-Ur"], ...hi()))
    works(await behind([...plain, "unshare", "-Ur"], ...hi()))
    works(await behind([...plain, "unshare", "-Urmpf", "--mount-proc"], ...hi()))
    works(await behind([...plain, "unshare", "-Ur"], "run", "-b", bundle(() => {})))
  })

  it("works for root with the capabilities that a container engine gives", async () => {
    const kept =
      "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+net_bind_service,+setfcap,+setgid,+setpcap,+setuid," +
      "+sys_chroot"
    works(await behind(["setpriv", "--bounding-set", kept], ...hi()))
    refused(await behind(["setpriv", "--bounding-set", "-all"], ...hi()), "EPERM", "CAP_SETFCAP")
  })

  it("runs any user for a user without privileges", async () => {
    const run = ["run", "--rootfs", root, "--user", "33:34", "--", "sh", "-c", "id -u; id -g"]
    works(await behind(plain, ...run), "33\n34\n")
    works(await behind(["unshare", "-Ur"], ...run), "33\n34\n")
  })

  it("goes without a mount of a directory that was removed", async (context) => {
    if (!fs.existsSync("/boot")) return context.skip("there is no /boot to mount on")
    const gone = path.join(states, "gone")
    const script = `mkdir ${gone}; mount --bind ${gone} /boot; rmdir ${gone}`
    const behindUser = ["unshare", "-m", "sh", "-c", `${script}; exec "$@"`, "sh", ...plain]
    works(await behind(behindUser, "run", "--", "sh", "-c", "ls /boot; echo hi"))
  })

  it("gives all capabilities that there are", async () => {
    const all = ["run", "--rootfs", root, "--cap-add", "ALL", "--", "grep", "CapBnd", "/proc/self/status"]
    const { code, stderr, stdout } = await behind(["setpriv", "--bounding-set", "-net_raw"], ...all)
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.strictEqual(BigInt(`0x${stdout.split(/\s+/)[1]!}`) >> 13n & 1n, 0n)
  })

  it("does not hand on the processors that it was started on", async () => {
    const all = fs.readFileSync("/proc/self/status", "utf8").match(/^Cpus_allowed:.*$/m)![0]
    const list = ["run", "--rootfs", root, "--", "grep", "Cpus_allowed:", "/proc/self/status"]
    const { stdout } = await behind(["taskset", "-c", "0"], ...list)
    assert.strictEqual(stdout.trim(), all)
  })

  it("says that a chroot lets no user namespace be made", async () => {
    // of the host's own directories, on a directory that is no mount point
    const jail = path.join(states, "jail")
    const binds =
      `mkdir -p ${jail}; for d in /*; do [ -d $d ] || continue; [ -L $d ] && { cp -a $d ${jail}; continue; }; ` +
      `mkdir -p ${jail}$d; case $d in /tmp) mount --bind $d ${jail}$d;; *) mount --rbind $d ${jail}$d;; esac; done; ` +
      `set -- chroot ${jail} ${plain.join(" ")} "$@"`
    const ended = await after(binds, ...hi())
    refused(ended, "EPERM", "chroot(2)")
    assert.notInclude(ended.stderr, "give the container a user namespace")
  })

  it("says that there may be no user namespace, or that its own id has no mapping", async () => {
    const none = ["unshare", "-Ur", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"", "sh"]
    refused(await behind(none, ...hi()), "ENOSPC", "user.max_user_namespaces is 0")
    refused(await behind(["unshare", "-U"], ...hi()), "EPERM", "is not mapped in the user namespace")
  })

  it("says what a user without a user namespace lacks", async () => {
    refused(
      await behind(plain, "run", "-b", bundle(() => {})),
      "EPERM",
      "CAP_SYS_ADMIN",
      "give the container a user namespace"
    )
  })

  it("without /proc says so, once, and blames no namespace", async () => {
    const ended = await after("umount -l /proc", "run", "-b", bundle(() => {}))
    refused(ended, "mount -t proc")
    assert.notInclude(ended.stderr, "this kernel does not have")
  })

  it("says how to go without cgroups, and does", async () => {
    const readonly = "for m in $(awk '$5 ~ /^.sys.fs.cgroup/ {print $5}' /proc/self/mountinfo); do " +
      "mount -o remount,bind,ro $m; done"
    refused(await after(readonly, ...hi()), "EROFS", "--cgroups none")
    works(await after(readonly, "run", "--cgroups", "none", ...hi().slice(1)))
    const gone = "umount -l /sys/fs/cgroup"
    refused(await after(gone, ...hi()), "no cgroup hierarchy is mounted", "--cgroups none")
    works(await after(gone, "run", "--cgroups", "none", ...hi().slice(1)))
  })

  it("says what it needs a directory of states for, and where else it may be", async () => {
    const [file, ...args] = [
      "unshare",
      "-m",
      "sh",
      "-c",
      "mount -t tmpfs -o ro none /run; exec \"$@\"",
      "sh",
      command.file
    ]
    refused(await begin(file!, [...args, ...hi()], { input: "" }).ended, "EROFS", "--root")
  })

  it("names the real-time policy that a cgroup of version 1 refuses", async (context) => {
    if (!fs.existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")) return context.skip("no such cgroups here")
    refused(await behind(["chrt", "-f", "1"], ...hi()), "EINVAL", "real-time")
    works(await behind(["chrt", "-f", "1"], "run", "--cgroups", "none", ...hi().slice(1)))
  })

  it("tells of the out-of-memory killer, for the start and for the program", async (context) => {
    const limited = (limit: number) =>
      bundle(({ linux, process }) => {
        linux["resources"] = { memory: { limit } }
        process["args"] = ["sh", "-c", "head -c 200000000 /dev/zero | tail"]
      })
    const start = await behind([], "run", "-b", limited(4096))
    if (start.stderr.includes("is in no mounted hierarchy")) return context.skip("no memory controller here")
    refused(start, "the out-of-memory killer has ended 1 process of it: its memory limit is 4096 bytes")
    const program = await behind([], "run", "-b", limited(8_388_608))
    assert.notStrictEqual(program.code, 0)
    assert.include(program.stderr, "the out-of-memory killer has ended")
    assert.include(program.stderr, "its memory limit is 8388608 bytes")
  })

  it("tells of the limit of processes", async (context) => {
    const limited = bundle(({ linux, process }) => {
      linux["resources"] = { pids: { limit: 3 } }
      process["args"] = ["sh", "-c", "(true & true & true & sleep 1 & sleep 1 & sleep 1 & wait); exit 3"]
    })
    const { stderr } = await behind([], "run", "-b", limited)
    if (stderr.includes("is in no mounted hierarchy")) return context.skip("no pids controller here")
    assert.match(stderr, /forks? (was|were) refused: its pids limit is 3/)
  })

  it("names seccomp, and the calls, where a filter forbids the start itself", async () => {
    for (const defaultAction of ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL"]) {
      const names = ["read", "write", "exit", "exit_group", "execve", "brk", "mmap"]
      const tight = bundle(({ linux }) => {
        linux["seccomp"] = { defaultAction, syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] }
      })
      refused(await behind([], "run", "-b", tight), "seccomp filter", "setresuid", "process.noNewPrivileges")
    }
  })

  it("names seccomp where a filter forbids to start the program, or what the program does", async () => {
    const late = (defaultAction: string, names: ReadonlyArray<string>) =>
      bundle(({ linux, process }) => {
        linux["seccomp"] = { defaultAction, syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] }
        process["noNewPrivileges"] = true
      })
    const { code, stderr } = await behind([], "run", "-b", late("SCMP_ACT_ERRNO", ["read", "write", "exit_group"]))
    assert.strictEqual(code, 126, stderr)
    assert.include(stderr, "the seccomp filter does not allow execve")
    const killed = await behind([], "run", "-b", late("SCMP_ACT_KILL", ["read", "fcntl", "write", "exit", "execve"]))
    assert.strictEqual(killed.code, 159, killed.stderr)
    assert.include(killed.stderr, "its program made a call that the seccomp filter forbids")
  })

  it("names each call that an outer filter has taken away, and leaves nothing", async () => {
    const arch = process.arch === "arm64" ? "AARCH64" : "X86_64"
    const calls = [
      "openat2",
      "fsopen",
      "fsmount",
      "move_mount",
      "open_tree",
      "mount_setattr",
      "pidfd_open",
      "statx",
      "memfd_create",
      "faccessat2",
      "execveat"
    ]
    for (const call of calls) {
      const number = syscallNumbers(arch).get(call)!
      const place = path.join(states, `without-${call}`)
      const words = ["test/support/without.py", String(number), "38", command.file, "--root", place, ...hi()]
      const ended = await begin("python3", words, { input: "" }).ended
      refused(ended, call, "ENOSYS", "what to do", "5.12", "seccomp filter")
      assert.deepStrictEqual(fs.existsSync(place) ? fs.readdirSync(place) : [], [], call)
    }
  })

  it("names a filter that refuses a call with EPERM, beside the other causes", async () => {
    const arch = process.arch === "arm64" ? "AARCH64" : "X86_64"
    for (const call of ["fsopen", "waitid"]) {
      const place = path.join(states, `forbidden-${call}`)
      const words = ["test/support/without.py", String(syscallNumbers(arch).get(call)!), "1", command.file]
      const ended = await begin("python3", [...words, "--root", place, ...hi()], { input: "" }).ended
      refused(ended, call, "EPERM", "what to do", "seccomp filter")
      assert.notInclude(ended.stderr, "ECHILD")
      assert.deepStrictEqual(fs.existsSync(place) ? fs.readdirSync(place) : [], [], call)
    }
  })

  it("writes the maps of its own child where /proc is that of an outer pid namespace", async () => {
    works(await behind([...plain, "unshare", "-Upf", "--map-user", "1000", "--map-group", "1000"], ...hi()))
  })
})
