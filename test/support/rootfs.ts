/** A root file system for tests: busybox and the few files that a container needs. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const busybox = "/bin/busybox"

const isStatic = (file: string): boolean => {
  // a static program names no loader: no segment of the type PT_INTERP (3)
  const bytes = fs.readFileSync(file)
  const [at, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(at + index * size)).every((type) => type !== 3)
}

/** Why no container of these tests can be run here; `undefined` where it can. */
export const missing: string | undefined = process.getuid?.() !== 0
  ? "these tests must be run as root"
  : !fs.existsSync(busybox)
  ? "/bin/busybox is missing: install busybox-static"
  : isStatic(busybox)
  ? undefined
  : "/bin/busybox is not static: install busybox-static"

if (missing !== undefined) process.stdout.write(`skipped: ${missing}\n`)

const applets = [
  ..."[ awk cat chmod chown cut date dd df echo env false find grep head hostname id ifconfig ip kill ln ls".split(" "),
  ..."mkdir mknod mount mv nc ping printf ps pwd readlink rm rmdir sed sh sleep sort stat stty sync tail".split(" "),
  ..."test timeout touch tr true tty umount uname wc yes".split(" ")
]

/** A new root with busybox, the users root, bob (1000, in the groups 1000 and 2000) and nobody, and empty mount points. */
export const makeRoot = (): string => {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runfx-root-")))
  fs.chmodSync(root, 0o755)
  for (const directory of ["bin", "dev", "etc", "home/bob", "proc", "root", "sys", "tmp", "run"]) {
    fs.mkdirSync(path.join(root, directory), { recursive: true })
  }
  fs.chmodSync(path.join(root, "tmp"), 0o1777)
  fs.copyFileSync(busybox, path.join(root, "bin/busybox"))
  fs.chmodSync(path.join(root, "bin/busybox"), 0o755)
  for (const applet of applets) fs.symlinkSync("busybox", path.join(root, "bin", applet))
  const write = (name: string, text: string) => fs.writeFileSync(path.join(root, "etc", name), text)
  write("passwd", "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
  write("group", "root:x:0:\nbob:x:1000:\nusers:x:2000:bob\ntty:x:5:\n")
  return root
}

/** Removes it; what is mounted in it by mistake makes this fail. */
export const removeRoot = (root: string): void => fs.rmSync(root, { recursive: true })
