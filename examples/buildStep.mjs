// @ts-check
/**
 * A build step that trusts neither its sources nor its tools: sources are read-only, only the output can be written, there is no
 * network, and what comes out depends on nothing else of this machine.
 *
 *     node examples/buildStep.mjs SOURCES OUTPUT 'make -C /src OUT=/out'
 */
import { mkdirSync, realpathSync } from "node:fs"
import process from "node:process"
import { bind, ifPossible, sandbox } from "runfx/promise"

const [sources = ".", output = "out", command = "ls -l /src > /out/list"] = process.argv.slice(2)
mkdirSync(output, { recursive: true })

const step = sandbox({
  mounts: [bind(realpathSync(sources), { at: "/src" }), bind(realpathSync(output), { at: "/out", readOnly: false })],
  cwd: "/src",
  network: "none",
  hostname: "build",
  env: { SOURCE_DATE_EPOCH: "0", LC_ALL: "C", TZ: "UTC" },
  // what is made is the caller's
  ...(process.getuid?.() === 0 ? { user: "root" } : {}),
  limits: { memory: ifPossible("2 GiB"), processes: 512, time: "10 minutes", output: "1 MiB" }
})

const { exitCode, stderr, stdout, timedOut, usage } = await step.run(command, { overflow: "last" })
process.stdout.write(stdout)
process.stderr.write(stderr)
console.log(JSON.stringify({ exitCode, timedOut, cpu: usage.cpu }))
process.exitCode = exitCode ?? 1
