/** The examples and the program of the README, run as their readers would: against the built package, by its name. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import { type AddressInfo, createServer } from "node:net"
import process from "node:process"
import { type Installed, installed } from "../support/installed.ts"
import { until } from "../support/until.ts"

const reason = process.platform !== "linux" ? "needs Linux" : process.getuid!() !== 0 ? "needs root" : undefined

describe.skipIf(reason !== undefined)(`examples${reason === undefined ? "" : `: ${reason}`}`, () => {
  let package_: Installed
  let remove = () => {}
  beforeAll(() => {
    package_ = installed()
    remove = package_.remove
    buildSync({ entryPoints: [`${package_.app}/banner.ts`], outfile: `${package_.app}/banner.mjs`, logLevel: "error" })
  })
  afterAll(() => remove())

  const node = (file: string, ...args: ReadonlyArray<string>) => package_.run(process.execPath, file, ...args)
  const script = (text: string): string => {
    const file = `${package_.app}/script.sh`
    writeFileSync(file, text)
    return file
  }

  it("have the types that the package declares", async () => {
    writeFileSync(
      `${package_.app}/tsconfig.json`,
      JSON.stringify({
        compilerOptions: {
          noEmit: true,
          strict: true,
          exactOptionalPropertyTypes: true,
          allowJs: true,
          checkJs: true,
          target: "ES2022",
          lib: ["ES2023"],
          module: "NodeNext",
          moduleDetection: "force",
          skipLibCheck: true,
          types: ["node"]
        },
        include: [
          "hello.mjs",
          "banner.ts",
          "sandbox.mjs",
          "shellTool.mjs",
          "judge.mjs",
          "serve.mjs",
          "buildStep.mjs",
          "pointToPoint.mjs",
          "dryRun.test.ts",
          "check.test.ts",
          "agent.test.ts"
        ]
      })
    )
    const { code, stdout } = await package_.run(process.execPath, `${process.cwd()}/node_modules/typescript/bin/tsc`)
    assert.strictEqual(stdout, "")
    assert.strictEqual(code, 0)
  })

  it("runfx/testing works in node:test, without root, and loads nothing native", async () => {
    writeFileSync(
      `${package_.app}/own.test.mjs`,
      `import assert from "node:assert/strict"
       import { test } from "node:test"
       import { sys } from "runfx/native/Kernel"
       import { Check } from "runfx/testing"
       process.setuid(65534)
       const checked = Check.run(sys.sethostname({ name: "web" }))
       test("a check that holds", () => Check.succeeded(checked))
       test("one that does not", () =>
         assert.throws(() => Check.program(checked), /no program was executed\\n\\nthe calls:\\n.*\\n +sethostname/))
       test("no addon", () =>
         assert.deepEqual(process.report.getReport().sharedObjects.filter((file) => /koffi/.test(file)), []))`
    )
    const { code, stdout } = await package_.run(process.execPath, "--test", "own.test.mjs")
    assert.match(stdout, /pass 3\b/)
    assert.strictEqual(code, 0)
  })

  it("README: a pipeline with two more steps", async () => {
    const { code, stderr, stdout } = await node("hello.mjs")
    assert.match(stderr, /^hello: (\/usr)?\/bin\/echo as uid 65534\n$/)
    assert.strictEqual(stdout, "hello\n")
    assert.strictEqual(code, 0)
  })

  it("banner.ts: a flow for the command", async () => {
    const flow = ["--flow", "banner.mjs", "--id", "framed"]
    const ended = await package_.runfx("run", ...flow, "--", "/bin/sh", "-c", "echo working; exit 3")
    assert.deepStrictEqual(ended, {
      code: 3,
      stdout: "working\n",
      stderr: "framed: /bin/sh as uid 0, disk priority idle\n"
    })
  })

  it("a flow whose order is wrong is refused before anything is done", async () => {
    writeFileSync(
      `${package_.app}/wrong.mjs`,
      `import * as Pipeline from "runfx/engine/Pipeline"
       export default (preset) => Pipeline.remove(preset, "setupUser")`
    )
    const { code, stderr } = await package_.runfx("run", "--id", "wrong", "--flow", "wrong.mjs", "--", "true")
    assert.match(stderr, /step "verifyWorkingDirectory" requires "runfx\/ExecUser", which no earlier step provides/)
    assert.strictEqual(code, 1)
    assert.isFalse(existsSync("/run/runfx/wrong"))
  })

  it("a file that is no flow is told so", async () => {
    writeFileSync(`${package_.app}/none.mjs`, "export const nothing = 1")
    const { code, stderr } = await package_.runfx("run", "--flow", "none.mjs", "--", "true")
    assert.include(stderr, "flow none.mjs: has no function as its default export, and no strategies")
    assert.strictEqual(code, 1)
  })

  it("pointToPoint.mjs: a connection from the container to the host", async () => {
    const server = createServer((socket) => socket.end(`hello ${socket.remoteAddress}\n`)).listen(0, "0.0.0.0")
    await new Promise((resolve) => server.once("listening", resolve))
    const { port } = server.address() as { readonly port: number }
    const talk = `exec 3<>/dev/tcp/10.77.0.0/${port}; cat <&3`
    const network = ["--flow", "pointToPoint.mjs", "--network", "point-to-point"]
    const { code, stdout } = await package_.runfx("run", ...network, "--", "bash", "-c", talk)
    server.close()
    assert.match(stdout, /^hello (::ffff:)?10\.77\.0\.1\n$/)
    assert.strictEqual(code, 0)
  })

  it("pointToPoint.mjs: is removed with the flow that made it", async () => {
    const flow = ["--flow", "pointToPoint.mjs"]
    const cables = () => readdirSync("/sys/class/net").filter((name) => name.startsWith("p2p"))
    const id = `cable-${process.pid}`
    // it keeps the standard output that it is given, whose end would be waited for
    const quietly = ["-c", "exec \"$@\" >/dev/null 2>&1", "sh", package_.command]
    const cable = [...flow, "--network", "point-to-point"]
    await package_.run("/bin/sh", ...quietly, "run", "-d", "--id", id, ...cable, "--", "sleep", "1000")
    assert.strictEqual(cables().length, 1)
    const without = await package_.runfx("delete", "--force", id)
    assert.include(without.stderr, "unknown strategy type \"point-to-point\"")
    const { code } = await package_.runfx("delete", "--force", ...flow, id)
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(cables(), [])
    assert.isFalse(existsSync(`/run/runfx/${id}`))
  })

  it("a network that no flow brings is not taken", async () => {
    const { code, stderr } = await package_.runfx("run", "--network", "point-to-point", "--", "true")
    assert.include(stderr, "--network point-to-point: must be none, loopback or bridge")
    assert.strictEqual(code, 1)
  })

  it("sandbox.mjs: the script is nobody, alone, and can change nothing", async () => {
    const file = script(`
      echo "uid $(id -u) groups $(id -G)"
      grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
      (echo x >/usr/x) 2>/dev/null || echo "/usr can't be written to"
      [ -s /etc/shadow ] || echo "nothing in /etc/shadow"
      ls -d /home /root /run /var 2>/dev/null || echo "no /home"
      exit 7
    `)
    const { code, stdout } = await node("sandbox.mjs", file)
    const lines = stdout.trim().split("\n")
    const { usage, ...result } = JSON.parse(lines.pop()!) as { readonly usage: { readonly cpu: number } }
    assert.deepStrictEqual(lines, [
      "uid 65534 groups 65534",
      "CapEff:\t0000000000000000",
      "CapBnd:\t0000000000000000",
      "NoNewPrivs:\t1",
      "Seccomp:\t2",
      "/usr can't be written to",
      "nothing in /etc/shadow",
      "no /home"
    ])
    assert.deepStrictEqual(result, { exitCode: 7, signal: null, timedOut: false, outOfMemory: false } as object)
    assert.isAbove(usage.cpu, 0)
    assert.strictEqual(code, 0)
  })

  const ended = (stdout: string) => JSON.parse(stdout) as Record<string, unknown>

  it("sandbox.mjs: a script without end is stopped", async () => {
    const { stdout } = await node("sandbox.mjs", script("(sleep 1000 &) ; while :; do :; done"))
    const { exitCode, signal, timedOut } = ended(stdout)
    assert.deepStrictEqual([exitCode, signal, timedOut], [null, "SIGKILL", true])
  })

  it("sandbox.mjs: a script that takes all memory is killed", async () => {
    const { stdout } = await node("sandbox.mjs", script("all=$(head -c 200000000 /dev/zero | tr '\\0' x)"))
    assert.isTrue(ended(stdout)["outOfMemory"])
  })

  it.each(["SIGINT", "SIGTERM"] as const)("sandbox.mjs: who stops it by %s stops the script", async (signal) => {
    const child = spawn(process.execPath, ["sandbox.mjs", script("trap '' INT TERM; while :; do sleep 1; done")], {
      cwd: package_.app,
      stdio: "ignore"
    })
    const closed = new Promise((resolve) => child.on("close", (code, by) => resolve(by ?? code)))
    const children = () => {
      try {
        return readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim()
      } catch {
        return ""
      }
    }
    // from the moment on at which there is something to leave
    await until(() => children() !== "" || child.exitCode !== null)
    const started = children().split(" ")[0]!
    child.kill(signal)
    assert.strictEqual(await closed, signal)
    assert.isFalse(existsSync(`/proc/${started}`))
  })

  it("shellTool.mjs: commands share a sandbox, can't read what is hidden, and reach what is named", async () => {
    const server = http.createServer((_, response) => void response.end("hello")).listen(0, "127.0.0.1")
    await new Promise((resolve) => server.once("listening", resolve))
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const workspace = `${package_.app}/workspace`
    mkdirSync(`${workspace}/.git`, { recursive: true })
    writeFileSync(`${workspace}/.env`, "TOKEN=1\n")
    writeFileSync(`${workspace}/.git/config`, "")
    const child = spawn(process.execPath, ["shellTool.mjs", workspace, at], {
      cwd: package_.app,
      stdio: ["pipe", "pipe", "pipe"]
    })
    const reach = `curl -s --noproxy '' http://${at}/; curl -s http://evil.example/`
    child.stdin.end(
      `echo made > file; echo in tmp > /tmp/other\ncat file /tmp/other\ncat .env; rm -rf .git; ls -A .git\nexit 3\n${reach}\n`
    )
    let stdout = ""
    let stderr = ""
    child.stderr.on("data", (chunk: Buffer) => void (stderr += chunk.toString()))
    child.stdout.on("data", (chunk: Buffer) => void (stdout += chunk.toString()))
    await new Promise((resolve) => child.on("close", resolve))
    const results = stdout.trim().split("\n").map(ended)
    assert.deepStrictEqual(results.map((result) => [result["exitCode"], result["stdout"]]), [
      [0, ""],
      [0, "made\nin tmp\n"],
      [0, "config\n"],
      [3, ""],
      [0, "helloevil.example:80 is not allowed\n"]
    ])
    assert.strictEqual(stderr, "allowed 127.0.0.1\nrefused evil.example\n")
    server.close()
    assert.strictEqual(readFileSync(`${workspace}/file`, "utf8"), "made\n")
  })

  it("serve.mjs: runs what it is sent in sandboxes that wait, and leaves nothing", async () => {
    const child = spawn(process.execPath, ["serve.mjs", "0"], {
      cwd: package_.app,
      stdio: ["ignore", "pipe", "inherit"]
    })
    const closed = new Promise((resolve) => child.on("close", resolve))
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => void (said += chunk.toString()))
    await until(() => said.includes("\n"))
    const { port } = JSON.parse(said) as { readonly port: number }
    const post = async (body: string) =>
      ended(await (await fetch(`http://127.0.0.1:${port}`, { method: "POST", body })).text())
    const results = await Promise.all(
      ["echo $((6 * 7))", "exit 3", "cat /etc/shadow", "kill -TERM $$; exit 4"].map(post)
    )
    assert.deepStrictEqual(results.map(({ exitCode, stdout }) => [exitCode, stdout]), [
      [0, "42\n"],
      [3, ""],
      [0, ""],
      [4, ""]
    ])
    child.kill("SIGTERM")
    assert.strictEqual(await closed, 0)
  })

  it("buildStep.mjs: writes where it may, and nowhere else, and says how it has ended", async () => {
    const [sources, out] = [`${package_.app}/sources`, `${package_.app}/built`]
    mkdirSync(sources, { recursive: true })
    writeFileSync(`${sources}/input`, "b\na\n")
    const built = await node(
      "buildStep.mjs",
      sources,
      out,
      "sort input > /out/sorted; echo $SOURCE_DATE_EPOCH; touch /src/x"
    )
    assert.strictEqual(readFileSync(`${out}/sorted`, "utf8"), "a\nb\n")
    assert.isFalse(existsSync(`${sources}/x`))
    const [said, result] = built.stdout.trim().split("\n")
    assert.strictEqual(said, "0")
    assert.deepInclude(JSON.parse(result!) as object, { exitCode: 1, timedOut: false })
    assert.strictEqual(built.code, 1)
  })

  it.each([
    ["read n; echo $((n * 2))", "accepted"],
    ["echo 41", "wrong answer"],
    ["exit 1", "runtime error"],
    ["while :; do :; done", "time limit exceeded"],
    ["yes", "output limit exceeded"]
  ])("judge.mjs: %s is told: %s", async (solution, verdict) => {
    const { stdout } = await node("judge.mjs", script(solution), "21\n", "42")
    assert.strictEqual(stdout, `${verdict}\n`)
  })

  it("the command gives a container of root a user namespace, with the host's files", async () => {
    const { code, stdout } = await package_.runfx(
      "run",
      "--rootless",
      "--",
      "sh",
      "-c",
      "id -u; echo x >/tmp/x; cat /tmp/x"
    )
    assert.strictEqual(stdout, "0\nx\n")
    assert.strictEqual(code, 0)
  })
})
