/** The five jobs with @anthropic-ai/sandbox-runtime. */
import { SandboxManager } from "@anthropic-ai/sandbox-runtime"
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"

/** One configuration for the process, and one proxy: it is set up and torn down for each job. */
const inSandbox = async (script, filesystem, use) => {
  await SandboxManager.initialize({ network: { allowedDomains: ["example.org"], deniedDomains: [] }, filesystem })
  try {
    const wrapped = await SandboxManager.wrapWithSandbox(script)
    return await use(spawn(wrapped, { shell: true, detached: true, stdio: ["ignore", "pipe", "pipe"] }))
  } finally {
    await SandboxManager.reset()
  }
}

const nothing = { denyRead: [], allowWrite: [], denyWrite: [] }
const ended = (child) => new Promise((resolve) => child.on("close", resolve))

export const capture = () =>
  inSandbox("echo out; sleep 60", nothing, async (child) => {
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      process.kill(-child.pid, "SIGKILL")
    }, 1000)
    const [stdout] = await Promise.all([text(child.stdout), ended(child)])
    clearTimeout(timer)
    return { stdout, timedOut }
  })

export const limit = () =>
  // no limits: those of the shell
  inSandbox("ulimit -v 65536; head -c 200000000 /dev/zero | tail", nothing, async (child) => ({
    outOfMemory: (await ended(child)) !== 0 ? undefined : false
  }))

export const files = ({ input, output }) =>
  // the host's files under their own names
  inSandbox(`sort ${input}/data > ${output}/sorted`, { ...nothing, allowWrite: [output] }, async (child) => ({
    exitCode: await ended(child)
  }))

export const network = ({ probe }) =>
  inSandbox(probe, nothing, async (child) => ({ reached: (await ended(child)) === 0 }))

export const stream = () =>
  inSandbox("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done", nothing, async (child) => {
    let said = ""
    for await (const chunk of child.stdout) {
      said += chunk
      if (said.split("\n").length > 3) break
    }
    process.kill(-child.pid, "SIGKILL")
    return { lines: said.split("\n").slice(0, 3) }
  })
