/** Signals and terminals of `runfx run` and `runfx exec`. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type Command, complete } from "../support/command.ts"
import { leavingNothing } from "../support/commandHost.ts"
import { hasEnded } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

let root = ""
let command: Command
const { fresh } = leavingNothing("term", (made) => void ({ command, root } = made))

const run = (...program: ReadonlyArray<string>) => ["run", "--id", fresh(), "--rootfs", root, "--", ...program]
const loop = "while :; do sleep 0.05; done"

const statusOf = async (id: string): Promise<string | undefined> =>
  (JSON.parse((await command.runfx("list", "-f", "json")).stdout) as ReadonlyArray<
    { readonly id: string; readonly status: string }
  >).find((listed) => listed.id === id)?.status

/** Whether each thread of a process is stopped. */
const isStopped = (pid: number): boolean =>
  fs.readdirSync(`/proc/${pid}/task`).every((thread) =>
    fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").includes(") T ")
  )

/** Whether a child of a process has ended, and waits to be reaped. */
const hasEndedChild = (pid: number): boolean =>
  fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").some((child) =>
    child !== "" && hasEnded(child)
  )

describe.skipIf(missing !== undefined)("signals to runfx run", () => {
  it("reach the program", async () => {
    for (const name of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const) {
      const short = name.slice(3)
      const started = command.begin(
        ...run("/bin/sh", "-c", `trap 'echo ${short}; exit 9' ${short}; echo ready; ${loop}`)
      )
      await started.says("ready")
      started.process.kill(name)
      assert.deepStrictEqual(await started.ended, { code: 9, stdout: `ready\n${short}\n`, stderr: "" })
    }
  })

  it("reach the program, all that would have ended the command, and real-time ones among them", async () => {
    // not 32 and 33, which are the C library's
    for (const signal of [5, 6, 14, 16, 24, 26, 27, 29, 30, 34, 37, 50, 64]) {
      const started = command.begin(
        ...run("/bin/sh", "-c", `trap 'echo got; exit 9' ${signal}; echo ready; ${loop}`)
      )
      await started.says("ready")
      process.kill(started.process.pid!, signal)
      assert.deepStrictEqual(await started.ended, { code: 9, stdout: "ready\ngot\n", stderr: "" }, String(signal))
    }
  })

  it("end a start, also many of them at any moment of it, and leave nothing", async () => {
    for (let moment = 0; moment < 12; moment++) {
      const id = fresh()
      const started = command.begin("run", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")
      // the moments are counted from when there is something to leave
      while (!fs.existsSync(`${command.stateRoot}/${id}`) && started.process.exitCode === null) await sleep(1)
      await sleep(moment * 8)
      for (const name of ["SIGINT", "SIGTERM", "SIGINT"] as const) {
        started.process.kill(name)
        await sleep(2)
      }
      // one that a signal has ended has no exit code
      const { exitCode, pid, signalCode } = started.process
      const isThere = exitCode === null && signalCode === null
      if (isThere) process.kill(pid!, moment % 2 === 0 ? 34 : 64)
      // the first process of a pid namespace gets none of them: a program that runs by now has to be told by KILL
      let isOver = false
      const killed = until(async () => isOver || await statusOf(id) === "running").then(() =>
        isOver ? undefined : command.runfx("kill", id, "KILL")
      )
      const { code, stderr } = await started.ended
      isOver = true
      await killed
      // Node has no word for an end by a real-time signal; a sleep of 1,000 seconds has not ended by itself
      assert.isTrue(code > 128 || isThere && code === 0, `${moment}: ${code}`)
      assert.strictEqual(stderr, "")
    }
  })

  it("do not end it where the program goes on", async () => {
    const script = `trap 'echo one' TERM; trap 'echo two; exit 3' INT; echo ready; ${loop}`
    const started = command.begin(...run("/bin/sh", "-c", script))
    await started.says("ready")
    started.process.kill("SIGTERM")
    await started.says("one")
    started.process.kill("SIGINT")
    assert.deepStrictEqual(await started.ended, { code: 3, stdout: "ready\none\ntwo\n", stderr: "" })
  })

  it("reach a program that was executed in a container", async () => {
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const started = command.begin("exec", id, "/bin/sh", "-c", `echo ready; ${loop}`)
    await started.says("ready")
    started.process.kill("SIGTERM")
    assert.strictEqual((await started.ended).code, 143)
    await command.runfx("delete", "-f", id)
  })

  it("SIGKILL ends runfx, and with it its container, which can be deleted", async () => {
    const [, , id = ""] = run()
    const started = command.begin("run", "--id", id, "--rootfs", root, "--", "/bin/sh", "-c", `echo ready; ${loop}`)
    await started.says("ready")
    started.process.kill("SIGKILL")
    await new Promise((resolve) => started.process.on("exit", resolve))
    // its first process dies with the thread that has started it, which may take a moment
    await until(async () => await statusOf(id) === "stopped")
    assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
    await started.ended
  })

  it("end a start that has not come to its program yet, and leave nothing", async () => {
    // a named pipe without a writer in the place of the user file holds nobody: so a frozen start is not to be had; a
    // signal right after the start of the command finds it anywhere on its way
    for (const delay of [20, 40, 60, 80, 100, 120]) {
      const started = command.begin(...run("/bin/sh", "-c", "trap 'exit 143' TERM; sleep 0.2; exit 143"))
      await new Promise((resolve) => setTimeout(resolve, delay))
      started.process.kill("SIGTERM")
      const { code, stderr } = await started.ended
      assert.deepStrictEqual([code, stderr], [143, ""], `after ${delay} ms`)
    }
  })
})

const noPython = spawnSync("python3", ["-c", "import termios, os; os.waitstatus_to_exitcode(0)"]).status !== 0
if (noPython) process.stdout.write("skipped: python3 (3.9 or later) is missing, which gives these tests a terminal\n")

describe.skipIf(missing !== undefined || noPython)("a terminal", () => {
  const helper = fileURLToPath(new URL("../support/terminal.py", import.meta.url))
  const on = async (talk: ReadonlyArray<object>, ...args: ReadonlyArray<string>) => {
    const { stderr, stdout } = await complete("python3", [
      helper,
      JSON.stringify(talk),
      command.file,
      "--root",
      command.stateRoot,
      ...args
    ])
    assert.strictEqual(stderr, "")
    return JSON.parse(stdout) as { readonly output: string; readonly code: number; readonly restored: boolean }
  }
  const tty = (...program: ReadonlyArray<string>) => ["run", "-t", "--id", fresh(), "--rootfs", root, "--", ...program]

  it("is the program's own, of the size of the caller's, and adds nothing to what it says", async () => {
    assert.deepStrictEqual(await on([], ...tty("/bin/sh", "-c", "tty; stty size; echo err >&2; exit 5")), {
      output: "/dev/pts/0\r\n40 100\r\nerr\r\n",
      code: 5,
      restored: true
    })
  })

  it("ends with its program, also if that reads nothing of much that is typed", async () => {
    const started = command.begin(...tty("/bin/sh", "-c", "stty raw -echo; echo up; sleep 1; exit 6"))
    await started.says("up")
    started.process.stdin!.on("error", () => {}).write(Buffer.alloc(1 << 20, "x\n"))
    assert.strictEqual((await started.ended).code, 6)
  })

  it("passes on what is typed, as it is typed", async () => {
    const ended = await on(
      [{ after: "ready", say: "hello\r" }, { after: "got hello", say: "\x03" }],
      ...tty("/bin/sh", "-c", "trap 'echo interrupted; exit 7' INT; echo ready; read line; echo got $line; read line")
    )
    assert.deepStrictEqual(ended, {
      output: "ready\r\nhello\r\ngot hello\r\n^Cinterrupted\r\n",
      code: 7,
      restored: true
    })
  })

  it("changes its size with the caller's", async () => {
    const ended = await on(
      [{ after: "ready", resize: [50, 120] }],
      ...tty("/bin/sh", "-c", `trap 'stty size; exit 0' WINCH; echo ready; ${loop}`)
    )
    assert.deepStrictEqual(ended, { output: "ready\r\n50 120\r\n", code: 0, restored: true })
  })

  it("delivers all that the program has written last", async () => {
    const ended = await on([], ...tty("/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"))
    assert.strictEqual(ended.output, Array.from({ length: 3000 }, (_, line) => `${line}\r\n`).join(""))
  })

  it("delivers all of it where the program has ended before any of it was read", async () => {
    const lines = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"
    const go = fresh()
    const started = command.begin(
      ...tty("/bin/sh", "-c", `echo ready; until [ -e /${go} ]; do sleep 0.05; done; ${lines}`)
    )
    await started.says("ready")
    started.process.kill("SIGSTOP")
    // a stop takes a moment in each of its threads, and the program must not end before
    await until(() => isStopped(started.process.pid!))
    fs.writeFileSync(path.join(root, go), "")
    await until(() => hasEndedChild(started.process.pid!))
    started.process.kill("SIGCONT")
    const { stdout } = await started.ended
    assert.strictEqual(stdout, ["ready", ...Array.from({ length: 3000 }, (_, line) => line), ""].join("\r\n"))
  })

  it("is as it was after a start that failed, and after a program that was killed", async () => {
    const failed = await on([], ...tty("/bin/nosuch"))
    assert.deepInclude(failed, { code: 127, restored: true })
    assert.match(failed.output, /nosuch/)
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const killed = await on(
      [{ after: "ready", say: "\x1c" }],
      "exec",
      "-t",
      id,
      "/bin/sh",
      "-c",
      "echo ready; exec cat"
    )
    await command.runfx("delete", "-f", id)
    assert.deepInclude(killed, { code: 131, restored: true })
  })

  it("is had by a program that is executed in a container, and held up by nobody else", async () => {
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const ended = await on([], "exec", "-t", id, "/bin/sh", "-c", "trap '' HUP; sleep 1000 & tty; stty size; exit 6")
    assert.deepStrictEqual(ended, { output: "/dev/pts/0\r\n40 100\r\n", code: 6, restored: true })
    await command.runfx("delete", "-f", id)
  })

  it("that hangs up does not end the command otherwise than in order", async () => {
    // Node would abort where it can't set the modes back
    const script = "import os, pty, sys\n" +
      "pid, master = pty.fork()\n" +
      "if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n" +
      "text = b''\n" +
      "while b'ready' not in text: text += os.read(master, 1000)\n" +
      "os.close(master)\n" +
      "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    const program = "trap 'exit 7' HUP; echo ready; while :; do sleep 0.05; done"
    const { stderr, stdout } = await complete("python3", [
      "-c",
      script,
      command.file,
      "--root",
      command.stateRoot,
      ...tty("/bin/sh", "-c", program)
    ])
    assert.deepStrictEqual([stdout, stderr], ["7\n", ""])
  })

  it("has the size of whichever of the caller's streams is one", async () => {
    const sized = (line: string) =>
      complete("python3", [
        "-c",
        "import fcntl, os, pty, struct, sys, termios\n" +
        "pid, master = pty.fork()\n" +
        "if pid == 0:\n" +
        "  fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 77, 0, 0))\n" +
        "  os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])\n" +
        "text = b''\n" +
        "try:\n" +
        "  while True:\n" +
        "    part = os.read(master, 1000)\n" +
        "    if not part: break\n" +
        "    text += part\n" +
        "except OSError: pass\n" +
        "os.waitpid(pid, 0)\n" +
        "print(text.decode(), end='')\n",
        line
      ])
    const runfx = `${command.file} --root ${command.stateRoot}`
    const lines = [
      `${runfx} ${tty("/bin/stty", "size").join(" ")} </dev/null`,
      `${runfx} ${tty("/bin/stty", "size").join(" ")} 2>/dev/null | cat`,
      `${runfx} ${tty("/bin/stty", "size").join(" ")} </dev/null | cat`
    ]
    for (const line of lines) assert.include((await sized(line)).stdout, "33 77", line)
  })

  it("is left to the foreground by a command in the background, which stops and goes on", async () => {
    const script = "import os, pty, signal, sys, time\n" +
      "pid, master = pty.fork()\n" +
      "if pid == 0:\n" +
      "  signal.signal(signal.SIGTTOU, signal.SIG_IGN)\n" +
      "  child = os.fork()\n" +
      "  if child == 0:\n" +
      "    signal.signal(signal.SIGTTOU, signal.SIG_DFL)\n" +
      "    os.setpgid(0, 0)\n" +
      "    os.execv(sys.argv[1], sys.argv[1:])\n" +
      "  _, status = os.waitpid(child, os.WUNTRACED)\n" +
      "  print('stopped', os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTTOU, flush=True)\n" +
      "  os.tcsetpgrp(0, child)\n" +
      "  os.kill(child, signal.SIGCONT)\n" +
      "  _, status = os.waitpid(child, 0)\n" +
      "  os.tcsetpgrp(0, os.getpgrp())\n" +
      "  print('ended', os.waitstatus_to_exitcode(status), flush=True)\n" +
      "  os._exit(0)\n" +
      "text = b''\n" +
      "try:\n" +
      "  while True:\n" +
      "    part = os.read(master, 1000)\n" +
      "    if not part: break\n" +
      "    text += part\n" +
      "except OSError: pass\n" +
      "print(text.decode(), end='')\n"
    const { stdout } = await complete("python3", [
      "-c",
      script,
      command.file,
      "--root",
      command.stateRoot,
      ...tty("/bin/sh", "-c", "exit 7")
    ])
    assert.match(stdout, /stopped True\r\n[^]*ended 7\r\n/)
  })

  it("is had without one of the caller's too", async () => {
    const ended = await command.runfx(...tty("/bin/sh", "-c", "tty; exit 8"))
    assert.deepStrictEqual(ended, { code: 8, stdout: "/dev/pts/0\r\n", stderr: "" })
  })
})
