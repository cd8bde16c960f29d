/** Which files can be executed. */
import { MS, O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { elf, ending, file, sleeping } from "../../support/programs.ts"
import { fork, line, mkdir, mount, open, see, symlink, unlink } from "../../support/vocabulary.ts"
import { executed, execve, tryExec, user } from "./lines.ts"

export const formats: Readonly<Record<string, Scenario>> = {
  "a static program": [...file("p", ending), tryExec("p"), tryExec("./p"), tryExec("/mnt/p")],
  "what is no program": [
    ...file("empty", ""),
    ...file("text", "echo hello\n"),
    ...file("short", Uint8Array.of(0x7f, 0x45, 0x4c)),
    ...file("object", elf([], { type: 1 })),
    ...file("core", elf([], { type: 4 })),
    ...file("machine", elf([], { machine: 8 })),
    ...file("cut", ending.slice(0, 100)),
    ...["empty", "text", "short", "object", "core", "machine", "cut"].map((path) => tryExec(path))
  ],
  "a dynamic program needs its linker": [
    ...file("missing", elf([], { interpreter: "/mnt/ld.so" })),
    tryExec("missing"),
    ...file("ld.so", "text", 0o644),
    tryExec("missing"),
    line("fchmodat", { dirfd: cwd, path: "ld.so", mode: 0o755 }),
    tryExec("missing"),
    ...file("long.so", "text".repeat(20)),
    ...file("long", elf([], { interpreter: "/mnt/long.so" })),
    tryExec("long"),
    ...file("none", elf([], { interpreter: "" })),
    tryExec("none"),
    mkdir("dir"),
    ...file("strange", elf([], { interpreter: "/mnt/dir" })),
    tryExec("strange"),
    ...file("below", elf([], { interpreter: "/mnt/ld.so/x" })),
    tryExec("below")
  ],
  "execute permission is somebody's, also for root": [
    ...file("p", ending, 0o644),
    tryExec("p"),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o641 }),
    tryExec("p"),
    fork(0, [...user(1000), execve("p")]),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o711 }),
    fork(0, [...user(1000), execve("p")]),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o744 }),
    fork(0, [...user(1000), execve("p")])
  ],
  "a directory on the way must be searchable": [
    mkdir("d", 0o700),
    ...file("d/p", ending),
    tryExec("d/p"),
    fork(0, [...user(1000), execve("d/p")])
  ],
  "only files are executed": [
    mkdir("d"),
    line("mknodat", { dirfd: cwd, path: "fifo", mode: 0o10755, major: 0, minor: 0 }),
    line("mknodat", { dirfd: cwd, path: "null", mode: 0o20777, major: 1, minor: 3 }),
    tryExec("d"),
    tryExec("fifo"),
    tryExec("null"),
    tryExec("."),
    tryExec("/proc/self/status"),
    tryExec("/proc/self/ns/uts")
  ],
  "noexec": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    ...file("m/p", ending),
    ...file("m/s", "#!/mnt/q\n"),
    ...file("q", ending),
    ...file("t", "#!/mnt/m/p\n"),
    tryExec("m/p"),
    tryExec("m/s"),
    tryExec("t"),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.NOEXEC),
    tryExec("m/p"),
    tryExec("m/s"),
    tryExec("t")
  ],
  "a file that is open for writing": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    open("p", O.RDONLY, "reader"),
    tryExec("p"),
    open("p", O.WRONLY, "writer"),
    tryExec("p"),
    tryExec("s"),
    line("close", { fd: "$writer" }),
    tryExec("p"),
    open("s", O.RDWR, "script"),
    tryExec("s"),
    line("close", { fd: "$script" }),
    tryExec("s")
  ],
  "a program that runs can't be written": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p\n")],
    [],
    [
      open("p", O.WRONLY),
      open("p", O.RDWR),
      open("p", O.RDONLY),
      open("p", O.RDONLY | O.TRUNC),
      open("s", O.WRONLY),
      open("/proc/$child/exe", O.WRONLY),
      open("/proc/$child/exe", O.RDONLY),
      unlink("p"),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see)
    ],
    execve("s")
  ),
  "a program that ended can be written": [
    ...file("p", ending),
    tryExec("p"),
    open("p", O.WRONLY)
  ],
  "paths": [
    ...file("p", ending),
    symlink("p", "link"),
    symlink("loop", "loop"),
    symlink("nothing", "dangling"),
    tryExec("link"),
    tryExec("loop"),
    tryExec("dangling"),
    tryExec("missing"),
    tryExec(""),
    tryExec("p/"),
    tryExec("p/x"),
    tryExec("x".repeat(256)),
    tryExec("x/".repeat(2048))
  ]
}
