/** A sandbox on the model loads nothing native, and needs neither root nor Linux. */
import { assert, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { spawnSync } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"

const application = `
  import * as Sandbox from "./src/sandbox.ts"
  import { Check, Program } from "./src/testing/Testing.ts"

  // nothing that a program on the model does may depend on where it is
  Object.defineProperty(process, "platform", { value: "darwin" })
  process.dlopen = (_, file) => { throw new Error("loads " + file) }
  for (const name of ["getuid", "geteuid"]) delete process[name]

  const run = Sandbox.run(Sandbox.make({ limits: { time: "1 hour" } }), ["/bin/agent"])
  const checked = await Check.runPromise(run, {
    machine: { files: { "/bin/agent": { mode: 0o755 } } },
    programs: { "/bin/agent": () => Program.print("hello") }
  })
  console.log(Check.succeeded(checked).stdout, Check.seen(checked).interfaces.length)
`

it("a sandbox is tested without root, without Linux, and without native code", () => {
  const { outputFiles } = buildSync({
    stdin: { contents: application, resolveDir: fileURLToPath(new URL("../../", import.meta.url)), loader: "ts" },
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    logLevel: "error",
    external: ["@koromix/*"],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/')" }
  })
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-"], {
    input: outputFiles[0]!.text,
    encoding: "utf8",
    cwd: "/",
    env: {},
    ...process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  })
  assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "hello 1\n" })
})
