/** The examples and the program of the README, run as their readers would: against the built package, by its name. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import process from "node:process"
import { type Installed, installed } from "../support/installed.ts"

const reason = process.platform !== "linux" ? "needs Linux" : process.getuid!() !== 0 ? "needs root" : undefined

describe.skipIf(reason !== undefined)(`examples${reason === undefined ? "" : `: ${reason}`}`, () => {
  let package_: Installed
  let remove = () => {}
  beforeAll(() => {
    package_ = installed()
    remove = package_.remove
    buildSync({ entryPoints: [`${package_.app}/banner.ts`], outfile: `${package_.app}/banner.mjs`, logLevel: "error" })
  }, 240_000)
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
        include: ["hello.mjs", "banner.ts", "sandbox.mjs", "pointToPoint.mjs", "dryRun.test.ts", "check.test.ts"]
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
      echo "processes $(ls /proc | grep -c '^[0-9]')"
      echo "roots $(ls / | tr '\\n' ' ')"
      grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
      (echo x >/usr/x) 2>/dev/null || echo "/usr can't be written to"
      cat /etc/shadow 2>/dev/null || echo "no /etc/shadow"
      exit 7
    `)
    const { code, stdout } = await node("sandbox.mjs", file)
    const lines = stdout.trim().split("\n")
    const result = JSON.parse(lines.pop()!) as Record<string, number>
    assert.deepStrictEqual(lines, [
      "uid 65534 groups 65534",
      lines[1]!,
      "roots bin dev lib lib64 proc sbin script sys tmp usr ",
      "CapEff:\t0000000000000000",
      "CapBnd:\t0000000000000000",
      "NoNewPrivs:\t1",
      "Seccomp:\t2",
      "/usr can't be written to",
      "no /etc/shadow"
    ])
    assert.match(lines[1]!, /^processes [1-9]$/)
    assert.strictEqual(result["code"], 7)
    assert.isAbove(result["cpuMilliseconds"]!, 0)
    assert.strictEqual(code, 0)
  })

  it("sandbox.mjs: a script without end is stopped, and nothing is left of it", async () => {
    const before = readdirSync("/run/runfx")
    const { stdout } = await node("sandbox.mjs", script("(sleep 1000 &) ; while :; do :; done"))
    assert.strictEqual(stdout, "{\"error\":\"it was stopped after 5 seconds\"}\n")
    assert.deepStrictEqual(
      readdirSync("/run/runfx").filter((id) => id.startsWith("sandbox") && !before.includes(id)),
      []
    )
  })

  it("sandbox.mjs: whoever stops it stops the script", async () => {
    const before = readdirSync("/run/runfx")
    const stopped = await package_.run(
      "/usr/bin/timeout",
      "-s",
      "INT",
      "1",
      process.execPath,
      "sandbox.mjs",
      script("sleep 1000")
    )
    assert.match(stopped.stdout, /^\{"error":".*interrupt.*"\}\n$/)
    assert.deepStrictEqual(
      readdirSync("/run/runfx").filter((id) => id.startsWith("sandbox") && !before.includes(id)),
      []
    )
  })

  it("sandbox.mjs: a script that takes all memory is killed", async () => {
    const { stdout } = await node("sandbox.mjs", script("all=$(head -c 200000000 /dev/zero | tr '\\0' x)"))
    assert.strictEqual((JSON.parse(stdout) as { readonly code: number }).code, 137)
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
