/** The five jobs with execa and bubblewrap. */
import { execa } from "execa"

const box = (...more) =>
  [
    "bwrap",
    ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"],
    ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"],
    ["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
    more
  ].flat()

const start = (script, { mounts = [], before = [], ...options } = {}) => {
  const [file, ...args] = [...before, ...box(...mounts), "bash", "-c", script]
  return execa(file, args, { reject: false, ...options })
}

export const capture = async () => {
  const { stdout, timedOut } = await start("echo out; sleep 60", { timeout: 1000, killSignal: "SIGKILL" })
  return { stdout: `${stdout}\n`, timedOut }
}

export const limit = async () => {
  // no cgroup: the address space of each process, and the processes of the user all together
  const before = ["prlimit", `--as=${64 * 1024 ** 2}`, "--nproc=32"]
  const { exitCode } = await start("head -c 200000000 /dev/zero | tail", { before })
  // an exit code says that something failed, not what
  return { outOfMemory: exitCode !== 0 ? undefined : false }
}

export const files = async ({ input, output }) => {
  const mounts = ["--ro-bind", input, "/in", "--bind", output, "/out"]
  const { exitCode } = await start("sort /in/data > /out/sorted", { mounts })
  return { exitCode }
}

export const network = async ({ probe }) => {
  // none at all; one domain takes a proxy of one's own, and a way to it
  const { exitCode } = await start(probe)
  return { reached: exitCode === 0 }
}

export const stream = async () => {
  const child = start("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done", { buffer: false })
  const lines = []
  for await (const line of child) {
    lines.push(line)
    if (lines.length === 3) break
  }
  child.kill("SIGKILL")
  await child
  return { lines }
}
