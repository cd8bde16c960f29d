/**
 * One small job by each of the others, for `npm run bench -- sandboxes`: the program gets an input, and what it writes to both
 * outputs and how it ends is captured. What is asked of each is all that it can separate.
 */

/** @typedef {{ readonly stdout: string, readonly stderr: string, readonly exitCode: number | null }} Result */
/** @typedef {(command: readonly string[], input: string) => Promise<Result>} Run */

const bwrap = [
  ["--unshare-all", "--die-with-parent", "--new-session"],
  ["/usr", "/bin", "/lib", "/lib64", "/etc"].flatMap((path) => ["--ro-bind-try", path, path]),
  ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
  ["--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--"]
].flat()

/** @returns {Promise<Run>} */
export const execa = async () => {
  const { execa } = await import("execa")
  return async (command, input) => {
    const { exitCode = null, stderr, stdout } = await execa("bwrap", [...bwrap, ...command], {
      input,
      reject: false,
      stripFinalNewline: false
    })
    return { stdout, stderr, exitCode }
  }
}

/** @param {string} word */
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`

/** @returns {Promise<Run>} */
export const sandboxRuntime = async () => {
  const { SandboxManager } = await import("@anthropic-ai/sandbox-runtime")
  const { execa } = await import("execa")
  await SandboxManager.initialize({
    network: { allowedDomains: [], deniedDomains: [] },
    filesystem: { denyRead: [], allowWrite: [], denyWrite: [] }
  })
  return async (command, input) => {
    const line = await SandboxManager.wrapWithSandbox(command.map(quoted).join(" "))
    const { exitCode = null, stderr, stdout } = await execa(line, {
      shell: true,
      input,
      reject: false,
      stripFinalNewline: false
    })
    return { stdout, stderr, exitCode }
  }
}
