/** The same bundle under runfx and its peers: what a program finds inside, as facts that can be compared. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const repository = fileURLToPath(new URL("../../", import.meta.url))

// a document of any shape, which each test changes in its own way
// oxlint-disable-next-line typescript/no-explicit-any
type Value = any

/** A JSON object that a test changes. */
export type Spec = Record<string, Value>

/** One configuration: what it changes in the base. */
export interface Configuration {
  readonly change: (spec: Spec) => void
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
export const makeBundle = (directory: string): void => {
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
export const runtimes = {
  runfx: [path.join(repository, "bin/runfx"), "run", "--bundle", ".", "--id"],
  runc: ["runc", "run", "-b", "."],
  crun: ["crun", "run", "-b", "."]
} as const

const own = Object.fromEntries(namespaces.map((name) => [name, fs.readlinkSync(`/proc/self/ns/${name}`)]))

const parse = (text: string): Facts => {
  const facts: Record<string, string> = {}
  for (const line of text.split("\n")) {
    const at = line.indexOf("=")
    if (at < 0) continue
    const name = line.slice(0, at)
    let value = line.slice(at + 1).trim()
    if (name.startsWith("ns ")) value = value === own[name.slice(3)] ? "the host's" : "its own"
    // root, type and flags: sources are names only, and a size or mode that nobody gave is the runtime's own
    if (name.startsWith("mount ")) value = value.replace(/^(\S+) (\S+) .* (\S+)$/, "$1 $2 $3")
    facts[name] = name in facts ? `${facts[name]} | ${value}` : value
  }
  return facts
}

/** Runs a bundle; gives what its program found, and how it ended. */
export const ask = (
  runtime: keyof typeof runtimes,
  directory: string,
  { change, end = "exit 0" }: Configuration
): Facts => {
  const spec: Spec = JSON.parse(fs.readFileSync(path.join(repository, "bench/config.json"), "utf8"))
  spec["root"] = { path: path.join(directory, "rootfs"), readonly: true }
  spec["process"].args = ["/bin/sh", "-c", question + end]
  spec["linux"].cgroupsPath = "/runfx-differential"
  change(spec)
  fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify(spec))
  const id = `differential-${process.pid}`
  // crun takes no hierarchies of both versions at once
  const { signal, status, stderr, stdout } = spawnSync(
    "sh",
    [path.join(repository, "bench/in-cgroup-v1.sh"), ...runtimes[runtime], id],
    { cwd: directory, encoding: "utf8", timeout: 60_000, input: "" }
  )
  return {
    ...parse(stdout),
    "exit code": signal ?? String(status),
    "says why": String(status === 0 || stdout !== "" || stderr.trim() !== "")
  }
}

/** Facts in which runfx is like neither of its peers. */
export const differences = (
  runfx: Facts,
  peers: ReadonlyArray<Facts>
): ReadonlyArray<string> =>
  [...new Set([runfx, ...peers].flatMap((facts) => Object.keys(facts)))]
    .filter((name) => peers.every((peer) => peer[name] !== runfx[name]))
    .map((name) => `${name}: runfx ${runfx[name]}; peers ${peers.map((peer) => peer[name]).join("; ")}`)
