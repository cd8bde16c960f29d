/** Scripts and their interpreters. */
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { ending, file, sleeping } from "../../support/programs.ts"
import { line, mkdir, readFile, see } from "../../support/vocabulary.ts"
import { dumpable, executed, execve, status, tryExec, user } from "./lines.ts"

export const scripts: Readonly<Record<string, Scenario>> = {
  "a script's interpreter": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    ...file("spaces", "#!  \t/mnt/p   \n"),
    ...file("relative", "#!p\n"),
    ...file("open", "#!/mnt/p"),
    ...["s", "spaces", "relative", "open"].map((path) => tryExec(path))
  ],
  "a script without an interpreter": [
    ...file("missing", "#!/mnt/nothing\n"),
    ...file("empty", "#!\n"),
    ...file("blank", "#!  \n"),
    ...file("end", "#!"),
    ...file("carriage", "#!/mnt/p\r\n"),
    ...file("p", ending),
    mkdir("d"),
    ...file("directory", "#!/mnt/d\n"),
    ...file("q", ending, 0o644),
    ...file("closed", "#!/mnt/q\n"),
    ...file("text", "hello"),
    ...file("format", "#!/mnt/text\n"),
    ...["missing", "empty", "blank", "end", "carriage", "directory", "closed", "format"].map((path) => tryExec(path))
  ],
  "the first line has 256 bytes": [
    ...file("p", ending),
    ...file("fits", `#!/${"/".repeat(246)}mnt/p\n`),
    ...file("cut", `#!/${"/".repeat(247)}mnt/p\n`),
    ...file("argument", `#!/mnt/p ${"x".repeat(300)}\n`),
    ...["fits", "cut", "argument"].map((path) => tryExec(path))
  ],
  "scripts of scripts, five deep": [
    ...file("0", ending),
    ...[1, 2, 3, 4, 5, 6].flatMap((depth) => file(`${depth}`, `#!/mnt/${depth - 1}\n`)),
    ...[1, 2, 3, 4, 5, 6].map((depth) => tryExec(`${depth}`)),
    ...file("self", "#!/mnt/self\n"),
    tryExec("self")
  ],
  "what the interpreter is given": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p  one two\tthree \n")],
    [],
    [
      ...readFile("/proc/$child/cmdline"),
      ...readFile("/proc/$child/comm"),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see)
    ],
    execve("./s", ["first", "second", "third"], ["A=1", "B=2"])
  ),
  "blanks at the end of a script without a newline are an argument": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p  ")],
    [],
    [...readFile("/proc/$child/cmdline")],
    execve("s")
  ),
  "what the interpreter of an interpreter is given": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p one\n"), ...file("t", "#!/mnt/s two\n")],
    [],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execve("t", ["first", "second"])
  ),
  "no arguments make an empty one": executed(
    file("p", sleeping),
    [],
    [...readFile("/proc/$child/cmdline")],
    execve("p", [])
  ),
  "set-user-id of a script is nothing, that of its interpreter counts": [
    ...executed(
      [...file("p", sleeping), ...file("s", "#!/mnt/p\n", 0o6755)],
      user(1000),
      [...status],
      execve("s")
    ),
    ...executed(
      [line("fchmodat", { dirfd: cwd, path: "p", mode: 0o4755 })],
      user(1000),
      [...status],
      execve("s")
    )
  ],
  "a script that can't be read": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p\n", 0o711)],
    user(1000),
    [...status, dumpable],
    execve("s")
  )
}
