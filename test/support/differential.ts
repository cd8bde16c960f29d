/** The same bundle under runfx and its peers: what a program finds inside, as facts that can be compared. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { makeCommand } from "./command.ts"
import { markOf } from "./mark.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

// a document of any shape, which each test changes in its own way
// oxlint-disable-next-line typescript/no-explicit-any
type Value = any

/** A JSON object that a test changes. */
export type Spec = Record<string, Value>

/** One configuration: what it changes in the base. */
export interface Configuration extends Told {
  readonly change: (spec: Spec) => void
}

/** A further program of a container that runs. */
export interface Further extends Told {
  /** Options, by the names that the peers have for them. */
  readonly options?: ReadonlyArray<string>
  /** What it changes in the process, which is then given as a file. */
  readonly process?: (process: Spec) => void
  /** The program, in place of the one that tells what it finds. */
  readonly args?: ReadonlyArray<string>
}

/** What all have in common. */
interface Told {
  /** The program's last words; by default it exits with 0. */
  readonly end?: string
  /** Facts in which runfx is like neither, and why. */
  readonly unlike?: ReadonlyArray<Unlike>
}

/** Facts, by their names, in which runfx is like neither of its peers. */
export interface Unlike {
  readonly facts: RegExp
  readonly why: string
}

/** Facts in which runfx is like neither of its peers, whatever the configuration. */
export const onPurpose: ReadonlyArray<Unlike> = [
  {
    facts: /^mount \/sys\/fs\/cgroup:/,
    why: "the configuration says that it is read-only; the peers leave its tmpfs writable"
  },
  {
    facts: /^mount \/(sys\/firmware|proc\/acpi|proc\/scsi):/,
    why: "what masks a directory is nosuid, nodev and noexec, too, and holds nothing"
  },
  {
    facts: /^mount \/proc\/(kcore|keys|timer_list|latency_stats|timer_stats|sched_debug):/,
    why: "what masks a file is the container's own null device, not the host's"
  }
]

/** The cgroup of all three, one after another. */
const group = `/${markOf("runfx-differential")}`

/** Facts by name; the order of repeated ones is part of the value. */
export type Facts = Readonly<Record<string, string>>

const namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] as const

/** Asks for everything in lines of `name=value`. */
const question = `
while read k v; do case $k in Uid:|Gid:|Groups:|Cap*|NoNewPrivs:|Seccomp:|Umask:|SigIgn:|SigBlk:|SigCgt:) echo "status $k=$v";; esac; done < /proc/self/status
while read l; do echo "limit \${l%%  *}=\${l#*  }"; done < /proc/self/limits
env | while read l; do echo "env=$l"; done
for n in ${namespaces.join(" ")}; do echo "ns $n=$(readlink /proc/self/ns/$n)"; done
while read a b c root point options rest; do echo "mount $point=$root \${rest#*- } $options"; done < /proc/self/mountinfo
for f in /dev/* /dev/pts/ptmx; do [ -e $f -o -L $f ] && echo "dev $f=$(stat -c '%A %u:%g %t:%T' $f) $(readlink $f)"; done
echo "cwd=$(pwd)"; echo "hostname=$(hostname)"
while read l; do echo "cgroup \${l#*:}=yes"; done < /proc/self/cgroup
read -r own < /proc/$$/stat; set -- $own; [ $6 = $1 ] && echo "session=own" || echo "session=another's"; [ $4 = 0 ] && echo "parent=outside" || echo "parent=seen"
echo "oom=$(cat /proc/self/oom_score_adj)"; echo "nice=$(cut -d' ' -f19 /proc/self/stat)"
echo "affinity=$(grep Cpus_allowed_list /proc/self/status)"
for f in /proc/kcore /proc/keys /proc/sysrq-trigger /proc/sys/kernel/hostname /sys/firmware /proc/timer_list; do
  [ -r $f ] && r=r || r=-; ( : >> $f ) 2>/dev/null && w=w || w=-; echo "may $f=$r$w"; done
( : > /probe ) 2>/dev/null && echo "root=writable" || echo "root=read-only"; rm -f /probe 2>/dev/null
for s in kernel/domainname kernel/shmmax net/ipv4/ip_forward net/ipv4/ping_group_range; do echo "sysctl $s=$(cat /proc/sys/$s 2>/dev/null)"; done
echo "fds=$(ls /proc/self/fd | wc -l)"; echo "tty=$(tty)"
for c in memory pids cpu; do for f in memory.limit_in_bytes memory.soft_limit_in_bytes pids.max cpu.shares cpu.cfs_quota_us; do
  [ -r /sys/fs/cgroup/$c/$f ] && echo "limit-of $c/$f=$(cat /sys/fs/cgroup/$c/$f)"; done; done
`

/** A place with a root of busybox and the bundle's directory. */
const makeBundle = (directory: string): void => {
  const root = path.join(directory, "rootfs")
  for (const name of ["bin", "proc", "sys", "dev", "etc", "tmp", "work", "data", "home"]) {
    fs.mkdirSync(path.join(root, name), { recursive: true })
  }
  fs.mkdirSync(path.join(directory, "shared"))
  fs.copyFileSync("/bin/busybox", path.join(root, "bin/busybox"))
  for (
    const name of ["sh", "readlink", "stat", "hostname", "cat", "cut", "grep", "rm", "ls", "wc", "tty", "env", "kill"]
  ) {
    fs.symlinkSync("busybox", path.join(root, "bin", name))
  }
  fs.symlinkSync("work", path.join(root, "link"))
  fs.writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n")
  fs.writeFileSync(path.join(root, "etc/group"), "root:x:0:\nuser:x:1000:\n")
  fs.writeFileSync(path.join(root, "bin/text"), "no program\n")
}

/** Those who run a bundle. */
export const runtimes = ["runfx", "runc", "crun"] as const

/** One of them. */
export type Runtime = (typeof runtimes)[number]

/** A bundle, and all that can run it. */
export interface Bench {
  readonly directory: string
  /** What a runtime is called with, of the options that all have. */
  readonly command: (
    runtime: Runtime,
    verb: string,
    id: string,
    options?: ReadonlyArray<string>
  ) => ReadonlyArray<string>
  readonly remove: () => void
}

/** Makes the place of all comparisons. */
export const makeBench = (): Bench => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-differential-"))
  fs.chmodSync(directory, 0o755)
  makeBundle(directory)
  const built = makeCommand()
  const start = { runfx: [built.file, "--root", built.stateRoot], runc: ["runc"], crun: ["crun"] }
  return {
    directory,
    command: (runtime, verb, id, options = []) => [
      ...start[runtime],
      verb,
      ...options,
      ...(verb === "run" ? ["--bundle", directory, ...(runtime === "runfx" ? ["--id"] : [])] : []),
      id
    ],
    remove: () => {
      built.remove()
      fs.rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** The namespaces of a process of the host. */
const namespacesOf = (pid: string): Facts =>
  Object.fromEntries(namespaces.map((name) => [name, fs.readlinkSync(`/proc/${pid}/ns/${name}`)]))

/** @param others namespaces that are neither the host's nor new, and what they are called */
const parse = (text: string, others: { readonly called: string; readonly of: Facts }): Facts => {
  const host = namespacesOf("self")
  const facts: Record<string, string> = {}
  for (const line of text.split("\n")) {
    const at = line.indexOf("=")
    if (at < 0) continue
    const name = line.slice(0, at)
    let value = line.slice(at + 1).trim()
    if (name.startsWith("ns ")) {
      const type = name.slice(3)
      value = value === host[type] ? "the host's" : value === others.of[type] ? others.called : "its own"
    }
    // root, type and flags: sources are names only, and a size or mode that nobody gave is the runtime's own
    if (name.startsWith("mount ")) value = value.replace(/^(\S+) (\S+) .* (\S+)$/, "$1 $2 $3")
    facts[name] = name in facts ? `${facts[name]} | ${value}` : value
  }
  return facts
}

/** crun takes no hierarchies of both versions at once. */
const inCgroupV1 = (command: ReadonlyArray<string>): ReadonlyArray<string> => [
  path.join(repository, "test/support/in-cgroup-v1.sh"),
  ...command
]

const listen = (directory: string, command: ReadonlyArray<string>) =>
  spawnSync("sh", inCgroupV1(command), { cwd: directory, encoding: "utf8", timeout: 600_000, input: "" })

const factsOf = (
  { signal, status, stderr, stdout }: ReturnType<typeof listen>,
  others: Parameters<typeof parse>[1]
): Facts => ({
  ...parse(stdout, others),
  "exit code": signal ?? String(status),
  "says why": String(status === 0 || stdout !== "" || stderr.trim() !== "")
})

const writeSpec = (directory: string, args: ReadonlyArray<string>, change: (spec: Spec) => void): Spec => {
  const spec: Spec = JSON.parse(fs.readFileSync(path.join(repository, "bench/config.json"), "utf8"))
  spec["root"] = { path: path.join(directory, "rootfs"), readonly: true }
  spec["process"].args = args
  spec["linux"].cgroupsPath = group
  change(spec)
  fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify(spec))
  return spec
}

/** Runs a bundle; gives what its program found, and how it ended. */
export const ask = (runtime: Runtime, bench: Bench, { change, end = "exit 0" }: Configuration): Facts => {
  writeSpec(bench.directory, ["/bin/sh", "-c", question + end], change)
  const ended = listen(bench.directory, bench.command(runtime, "run", markOf("differential")))
  // why, for who reads that nothing was found
  if (runtime === "runfx" && ended.stdout === "") process.stdout.write(ended.stderr)
  return factsOf(ended, { called: "its own", of: {} })
}

/** A container that runs until it is removed. */
export interface Resident {
  readonly runtime: Runtime
  readonly id: string
  /** The process of its configuration. */
  readonly process: Spec
  readonly namespaces: Facts
  readonly remove: () => void
}

/** Starts a container for further programs. It has a cgroup of its own, for all three runtimes have one at once. */
export const reside = (runtime: Runtime, bench: Bench, change: (spec: Spec) => void): Resident => {
  const id = `${markOf("differential")}-${runtime}`
  const pidFile = path.join(bench.directory, "pid")
  const spec = writeSpec(bench.directory, ["/bin/busybox", "sleep", "1000"], (spec) => {
    spec["linux"].cgroupsPath = cgroupOf(runtime)
    change(spec)
  })
  // crun gives its standard streams to root of the user namespace: the host's /dev/null must not be one of them
  const stream = fs.openSync(path.join(bench.directory, "stream"), "w+")
  const started = spawnSync(
    "sh",
    inCgroupV1(bench.command(runtime, "run", id, ["--detach", "--pid-file", pidFile])),
    { cwd: bench.directory, stdio: [stream, stream, "inherit"], timeout: 600_000 }
  )
  fs.closeSync(stream)
  if (started.status !== 0) throw new Error(`${runtime} did not start the container: ${started.status}`)
  return {
    runtime,
    id,
    process: spec["process"],
    namespaces: namespacesOf(fs.readFileSync(pidFile, "utf8").trim()),
    remove: () => {
      listen(bench.directory, bench.command(runtime, "delete", id, ["--force"]))
    }
  }
}

const cgroupOf = (runtime: Runtime): string => `${group}-${runtime}`

/** Executes a program in a container; gives what it found, and how it ended. */
export const askFurther = (
  { id, namespaces, process, runtime }: Resident,
  bench: Bench,
  { args, end = "exit 0", options = [], process: change }: Further
): Facts => {
  const program = args ?? ["/bin/sh", "-c", question + end]
  const named = options.map((option) => runtime === "runfx" && option === "--cap" ? "--cap-add" : option)
  let command: ReadonlyArray<string>
  if (change === undefined) {
    command = [...bench.command(runtime, "exec", id, named), ...program]
  } else {
    const file = path.join(bench.directory, "process.json")
    const own: Spec = { ...structuredClone(process), args: program }
    change(own)
    fs.writeFileSync(file, JSON.stringify(own))
    command = bench.command(runtime, "exec", id, [...named, "--process", file])
  }
  const ended = listen(bench.directory, command)
  const stdout = ended.stdout.replaceAll(cgroupOf(runtime), group)
  return factsOf({ ...ended, stdout }, { called: "the container's", of: namespaces })
}

/** Facts in which runfx is like neither of its peers. */
export const differences = (
  runfx: Facts,
  peers: ReadonlyArray<Facts>
): ReadonlyArray<string> =>
  [...new Set([runfx, ...peers].flatMap((facts) => Object.keys(facts)))]
    .filter((name) => peers.every((peer) => peer[name] !== runfx[name]))
    .map((name) => `${name}: runfx ${runfx[name]}; peers ${peers.map((peer) => peer[name]).join("; ")}`)
