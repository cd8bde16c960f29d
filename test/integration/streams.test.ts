/** The command's own streams: what fails there ends it as a signal does, and leaves nothing. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Command, complete } from "../support/command.ts"
import { leavingNothing } from "../support/commandHost.ts"
import { missing } from "../support/rootfs.ts"

let root = ""
let command: Command
let bundle = ""
const { fresh } = leavingNothing("str", (made) => {
  ;({ command, root } = made)
  bundle = path.join(path.dirname(command.stateRoot), "bundle")
  fs.mkdirSync(bundle)
  const config = {
    ociVersion: "1.0.2",
    root: { path: root },
    process: { args: ["/bin/true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
    // what has no effect is a warning
    future: 1
  }
  fs.writeFileSync(path.join(bundle, "config.json"), JSON.stringify(config))
})

/** Runs a line of the shell, in which `runfx` is the command. */
const sh = (line: string) =>
  complete("/bin/sh", ["-c", `runfx() { ${command.file} --root ${command.stateRoot} "$@"; }; ${line}`])

const loop = "while :; do echo y; done"

describe.skipIf(missing !== undefined)("a full disk in the place of standard output", () => {
  const message = /^runfx: standard output can't be written: ENOSPC \(No space left on device\)\n/

  it("is told, whatever the text is", async () => {
    const lines = [
      "list",
      "list -q --format json",
      "--help",
      "--version",
      "run --help",
      `plan run --rootfs ${root} -- /bin/true`,
      `plan run --format json --rootfs ${root} -- /bin/true`
    ]
    for (const line of lines) {
      const { code, stderr } = await sh(`runfx ${line} >/dev/full`)
      // an empty list of ids is no text
      if (line.startsWith("list -q")) continue
      assert.strictEqual(code, 1, line)
      assert.match(stderr, message, line)
      assert.notInclude(stderr, "    at ", line)
    }
  })

  it("ends a program with a terminal, and one whose id can't be said", async () => {
    for (const line of [`run -t --id ${fresh()} --rootfs ${root} -- /bin/sh -c '${loop}'`]) {
      const { code, stderr } = await sh(`runfx ${line} >/dev/full`)
      assert.strictEqual(code, 1)
      assert.match(stderr, message)
    }
    const { code, stderr } = await sh(`runfx run -d --id ${fresh()} --rootfs ${root} -- /bin/sleep 1000 >/dev/full`)
    assert.strictEqual(code, 1)
    assert.match(stderr, message)
  })

  it("is told of the part of a text that did not fit", async () => {
    const small = path.join(path.dirname(command.stateRoot), "small")
    fs.mkdirSync(small)
    const { code, stderr } = await sh(
      `mount -t tmpfs -o size=4k tmpfs ${small} && runfx plan run --rootfs ${root} -- /bin/true >${small}/plan; ` +
        `code=$?; umount ${small}; exit $code`
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, message)
  })
})

describe.skipIf(missing !== undefined)("a pipe that the program shares with the command", () => {
  it("stays in blocking mode while the program runs, standard error too", async () => {
    // the command writes it when the program runs, after the last words of its init
    const running = path.join(root, `running-${fresh()}`)
    const flags = "while [ ! -e $0 ]; do :; done; cat /proc/self/fdinfo/1 /proc/self/fdinfo/2"
    const { stdout } = await sh(
      `runfx run --pid-file ${running} --rootfs ${root} -- /bin/sh -c '${flags}' /${path.basename(running)} 2>&1 | cat`
    )
    fs.rmSync(running, { force: true })
    const found = [...stdout.matchAll(/flags:\s+(\d+)/g)].map(([, flags]) => Number.parseInt(flags!, 8))
    assert.deepStrictEqual(found.map((flags) => flags & fs.constants.O_NONBLOCK), [0, 0])
  })
})

describe.skipIf(missing !== undefined)("a full disk in the place of standard error", () => {
  it("fails what should have been said there, and leaves nothing", async () => {
    const texts = [
      `run --id ${fresh()} --show-plan --rootfs ${root} -- /bin/sleep 1000`,
      `run --id ${fresh()} --timings --rootfs ${root} -- /bin/true`,
      `run -d --id ${fresh()} --timings --rootfs ${root} -- /bin/sleep 1000`,
      // a warning
      `run --id ${fresh()} --bundle ${bundle}`,
      "nonsense"
    ]
    for (const text of texts) assert.strictEqual((await sh(`runfx ${text} 2>/dev/full`)).code, 1, text)
  })
})

describe.skipIf(missing !== undefined)("a reader that goes away", () => {
  it("ends a program with a terminal as SIGPIPE would", async () => {
    const line =
      `{ runfx run -t --id ${fresh()} --rootfs ${root} -- /bin/sh -c '${loop}'; echo "code $?" >&2; } | head -n 2`
    const { stderr, stdout } = await sh(line)
    assert.strictEqual(stdout, "y\r\ny\r\n")
    assert.strictEqual(stderr, "runfx: standard output can't be written: EPIPE (Broken pipe)\ncode 141\n")
  })

  it("ends what is larger than a pipe, and is no failure of what fits", async () => {
    const plan = `{ runfx plan run --all --rootfs ${root} -- /bin/true; echo "code $?" >&2; } | head -c 1`
    const { stderr } = await sh(plan)
    assert.match(stderr, /code (141|0)\n$/)
    assert.notInclude(stderr, "    at ")
  })
})

describe.skipIf(missing !== undefined)("standard output of a kind for which Node has no stream", () => {
  it("is written to, or it is an error", async () => {
    const version = (await command.runfx("--version")).stdout
    const packets = "import os, socket, sys; mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n" +
      "pid = os.fork()\n" +
      "if pid == 0: os.dup2(its.fileno(), 1); os.execv(sys.argv[1], sys.argv[1:])\n" +
      "os.waitpid(pid, 0); print(mine.recv(1000).decode(), end='')"
    assert.deepStrictEqual(await complete("python3", ["-c", packets, command.file, "--version"]), {
      code: 0,
      stdout: version,
      stderr: ""
    })
    for (const line of ["--version", "list", `run -d --id ${fresh()} --rootfs ${root} -- /bin/sleep 1000`]) {
      const { code, stderr } = await sh(`runfx ${line} 1<${root}`)
      assert.strictEqual(code, 1, line)
      assert.match(stderr, /^runfx: standard output can't be written: EBADF /, line)
    }
  })
})

describe.skipIf(missing !== undefined)("standard input", () => {
  it("that can't be read, as under nohup, ends a program that reads it from its terminal", async () => {
    const { code, stderr } = await sh(
      `runfx run -t --id ${fresh()} --rootfs ${root} -- /bin/sleep 1000 0>/dev/null`
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, /^runfx: standard input can't be read: EBADF .*\n {2}what to do: .*nohup/)
  })

  it("that ends is the end of a terminal's input, also behind a line that is not finished", async () => {
    for (const [text, shown] of [["hello\\n", "hello\r\nhello\r\n"], ["hello", "hellohello"], ["", ""]] as const) {
      const file = path.join(path.dirname(command.stateRoot), "input")
      const { code, stderr, stdout } = await sh(
        `printf '${text}' >${file}; runfx run -t --id ${fresh()} --rootfs ${root} -- /bin/cat <${file}`
      )
      assert.deepStrictEqual([code, stderr, stdout], [0, "", shown])
    }
  })

  it("that is a file of the host's can't be written by root of the container, nor be named by it", async () => {
    const file = path.join(path.dirname(command.stateRoot), "input")
    const script = "read first; echo $first; (echo theirs >/proc/self/fd/0) 2>/dev/null && echo written; " +
      "readlink /proc/self/fd/0; cat"
    for (const input of [`<${file}`, `<>${file}`]) {
      fs.writeFileSync(file, "skipped\none\ntwo\n")
      const line = `{ read skipped; runfx run --id ${fresh()} --rootfs ${root} -- /bin/sh -c '${script}'; } ${input}`
      const { code, stderr, stdout } = await sh(line)
      assert.deepStrictEqual([code, stderr, stdout], [0, "", "one\n/\ntwo\n"])
      assert.strictEqual(fs.readFileSync(file, "utf8"), "skipped\none\ntwo\n")
    }
  })

  it("of a terminal's program that is a directory, or a terminal that has hung up, is told", async () => {
    const line =
      `${command.file} --root ${command.stateRoot} run -t --id ${fresh()} --rootfs ${root} -- /bin/sleep 1000`
    const directory = await sh(`${line} <${root}`)
    assert.strictEqual(directory.code, 1)
    assert.match(directory.stderr, /^runfx: standard input can't be read: EISDIR /)
    const script =
      "import os, pty, sys; m, s = pty.openpty(); os.dup2(s, 0); os.close(m); os.execv(sys.argv[1], sys.argv[1:])"
    const gone = await complete("python3", ["-c", script, ...line.split(" ")])
    assert.strictEqual(gone.code, 1)
    assert.match(gone.stderr, /^runfx: standard input can't be read: EIO .*\n {2}what to do: .*hung up/)
  })

  it("closed, as all three, starts and ends as it should", async () => {
    const { code } = await sh(`runfx run --id ${fresh()} --rootfs ${root} -- /bin/sh -c 'exit 7' <&- >&- 2>&-`)
    assert.strictEqual(code, 7)
  })
})

describe.skipIf(missing !== undefined)("a pid file", () => {
  const pid = () => path.join(path.dirname(command.stateRoot), "pids")
  beforeEach(() => {
    if (missing === undefined) fs.mkdirSync(pid(), { recursive: true })
  })
  afterEach(() => {
    if (missing === undefined) fs.rmSync(pid(), { recursive: true, force: true })
  })

  it("that can't be written fails the start, and names itself", async () => {
    fs.mkdirSync(`${pid()}/directory`)
    for (const file of ["none/pid", "directory", "directory/", "."]) {
      for (const detach of ["", "-d"]) {
        const { code, stderr } = await sh(
          `runfx run ${detach} --id ${fresh()} --pid-file ${pid()}/${file} --rootfs ${root} -- /bin/sleep 1000`
        )
        assert.strictEqual(code, 1, file)
        assert.include(stderr, `runfx: --pid-file ${pid()}/${file}: `)
        assert.notInclude(stderr, "    at ")
      }
    }
    assert.deepStrictEqual(fs.readdirSync(pid()), ["directory"])
  })

  it("takes the place of a link, and never writes what that leads to", async () => {
    fs.writeFileSync(`${pid()}/victim`, "theirs")
    fs.symlinkSync("victim", `${pid()}/pid`)
    const id = fresh()
    const started = await sh(`runfx run -d --id ${id} --pid-file ${pid()}/pid --rootfs ${root} -- /bin/sleep 1000`)
    assert.deepStrictEqual(started, { code: 0, stdout: `${id}\n`, stderr: "" })
    const [listed] = JSON.parse((await command.runfx("list", "-f", "json")).stdout) as ReadonlyArray<{ pid: number }>
    assert.strictEqual(fs.readFileSync(`${pid()}/pid`, "utf8"), String(listed!.pid))
    assert.strictEqual(fs.readFileSync(`${pid()}/victim`, "utf8"), "theirs")
    assert.deepStrictEqual(fs.readdirSync(pid()).toSorted(), ["pid", "victim"])
    const again = await sh(`runfx exec -d --pid-file ${pid()}/no/pid ${id} /bin/sleep 2000`)
    assert.strictEqual(again.code, 1)
    await command.runfx("delete", "-f", id)
  })

  it("does not take the place of the kernel's own links", async () => {
    fs.symlinkSync("/proc/self/fd/1", `${pid()}/stdout`)
    const { code, stderr } = await sh(
      `runfx run --id ${fresh()} --pid-file ${pid()}/stdout --rootfs ${root} -- /bin/true`
    )
    assert.strictEqual(code, 1)
    assert.include(stderr, "a link of /proc to an open file")
  })
})

describe.skipIf(missing !== undefined)("a program with a terminal that is left alone", () => {
  it("is refused where nobody would hold the other end of it", async () => {
    const refused = await sh(`runfx run -d -t --id ${fresh()} --rootfs ${root} -- /bin/sleep 1000`)
    assert.strictEqual(refused.code, 1)
    assert.match(refused.stderr, /^runfx: --detach with a terminal: .*--console-socket/)
    const id = fresh()
    await sh(`runfx run -d --id ${id} --rootfs ${root} -- /bin/sleep 1000`)
    const executed = await sh(`runfx exec -d -t ${id} /bin/sleep 2000`)
    assert.strictEqual(executed.code, 1)
    assert.match(executed.stderr, /--console-socket/)
    await command.runfx("delete", "-f", id)
  })
})
