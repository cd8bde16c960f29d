/**
 * The `runfx` command: which subcommands there are, with which options. What they do is in `src/runtime`; each is
 * loaded only when it is needed.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import { writeSync } from "node:fs"
import { resolve } from "node:path/posix"
import process from "node:process"
import { textOf } from "../engine/errorText.ts"
import { visible } from "../engine/visible.ts"
import type { Output, StreamError } from "../runtime/streams.ts"
import { ownArguments } from "./arguments.ts"
import { misplaced } from "./misplaced.ts"
import { collect, podmanOptions } from "./podmanOptions.ts"
import { version } from "./version.ts"

const subcommands = new Set(["run", "exec", "kill", "doctor", "list", "delete", "prune", "plan"])

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It must be a whole number, 0 or more.")
  return value
}

/** As an absolute path without a slash at its end: it is compared with paths that the kernel returns. */
const directory = (text: string): string => {
  if (text === "") throw new InvalidArgumentError("It must not be empty.")
  return resolve(text)
}

/** commander keeps a `--` that comes after the first argument. */
const withoutDashes = (cmd: ReadonlyArray<string>): ReadonlyArray<string> => cmd[0] === "--" ? cmd.slice(1) : cmd

/** What `exec` runs: not needed if a file has it. */
const programOf = (
  cmd: ReadonlyArray<string>,
  { process: file }: { readonly process?: string },
  command: Command
): ReadonlyArray<string> =>
  cmd.length === 0 && file === undefined
    ? command.error("error: missing required argument 'cmd'", { code: "commander.missingArgument" })
    : withoutDashes(cmd)

/** The options of a program, shared by all commands that start one. */
const processOptions = (command: Command): Command =>
  command
    .option("-t, --tty", "give the program a terminal")
    .option("-u, --user <user>", "user[:group], names or ids, of the program")
    .option("-w, --cwd <dir>", "working directory of the program")
    .option("-e, --env <name=value>", "add to the program's environment; may be repeated", collect)
    .option("--cap-add <names>", "capabilities to add, separated by commas, or ALL", collect)

/** The options of a container, shared by `run` and `plan run`. */
const containerOptions = (command: Command): Command =>
  podmanOptions(processOptions(command))
    .addOption(
      new Option("-b, --bundle <dir>", "OCI bundle: a directory with a config.json").conflicts(["config", "rootfs"])
    )
    .addOption(
      new Option("-c, --config <file>", "configuration: OCI config.json, or libcontainer's JSON").conflicts("rootfs")
    )
    .option(
      "--rootfs <dir>",
      "directory to use as root; without it, --bundle and --config: the host's files, whose writes are discarded"
    )
    .option("--id <id>", "the container's id; a new one is chosen if it is absent")
    .addOption(
      new Option("--type <type>", "init pipeline; by default the one that fits").choices(["standard", "userns"])
    )
    .option("--flow <file>", "module whose default export takes the init pipeline and returns the one to use")
    .option("--hostname <name>", "host name of the container")
    .option(
      "--network <kind>",
      "none, loopback, bridge (a veth pair to a bridge that runfx makes), or a kind of the flow"
    )
    .option("--read-only", "make the root read-only")
    .option("--rootless", "give the container a user namespace, even as root")
    .addOption(
      new Option("--cgroups <kind>", "none: make no cgroup, and leave out the configuration's limits of it").choices([
        "none"
      ])
    )
    .option("--init", "run a process 1 of runfx's own, which reaps processes and passes signals on to the program")
    .option("--no-new-keyring", "leave the container in the caller's session keyring")
    .option("--preserve-fds <n>", "pass on this many descriptors, from 3 on", count)
    .option("--console-socket <path>", "unix socket that takes the terminal's master")

/** The first argument that is neither an option nor the value of `--root`: for commander, the subcommand. */
const asked = process.argv.slice(2).find((word, index, all) => !word.startsWith("-") && all[index - 1] !== "--root")

/**
 * Whether a subcommand may be asked for. Defining all of them takes longer than reading the command line. If the word is no
 * subcommand, the answer is an error or help, which list all.
 */
const isAsked = (name: string): boolean => !subcommands.has(asked ?? "") || asked === name

/** What commander prints: it throws after that, also for help. */
const said: Array<readonly [Output, string]> = []

const program = new Command("runfx")
  .description("Run containers through typed, composable pipelines of steps.")
  .version(version, "-v, --version")
  .option("--root <dir>", "directory of the state of all containers", directory)
  .option("--debug", "also print what helps to find a fault; the same as RUNFX_DEBUG=1")
  .exitOverride()
  .configureOutput({
    writeOut: (text) => void said.push(["stdout", text]),
    writeErr: (text) => void said.push(["stderr", text]),
    outputError: (text, write) => write(misplaced(text.replace(/^error:/, "runfx:")))
  })
  .configureHelp({ showGlobalOptions: true })
  .enablePositionalOptions()
  .hook("preAction", (_, command) => {
    if (command.optsWithGlobals()["debug"] === true) process.env["RUNFX_DEBUG"] = "1"
  })

if (isAsked("run")) {
  containerOptions(program.command("run"))
    .description("run a program in a new container, and wait for its end")
    .option("-d, --detach", "return as soon as the program runs")
    .option("--pid-file <file>", "write the pid of the container's first process there")
    .option("--show-plan", "print the steps before the start")
    .option("--timings", "print the time of each step at the end, with bars on a terminal")
    .option("--trace <file>", "write what the start does, step by step, as a trace for Perfetto or chrome://tracing")
    .argument("[cmd...]", "the program and its arguments")
    .passThroughOptions()
    .action(async (cmd, options, command: Command) => {
      const { run } = await import("./run.ts")
      await run({ ...command.optsWithGlobals(), ...options, cmd })
    })
}

if (isAsked("exec")) {
  processOptions(program.command("exec"))
    .description("run a program in a running container")
    .option("-p, --process <file>", "file with the process: the process object of an OCI config.json")
    .option("--flow <file>", "module whose default export takes the setns pipeline and returns the one to use")
    .option("-d, --detach", "return as soon as the program runs")
    .option("--pid-file <file>", "write the pid of the program there")
    .option("--preserve-fds <n>", "pass on this many descriptors, from 3 on", count)
    .option("--console-socket <path>", "unix socket that takes the terminal's master")
    .option("--timings", "print the time of each step at the end, with bars on a terminal")
    .option("--trace <file>", "write what the start does, step by step, as a trace for Perfetto or chrome://tracing")
    .argument("<id>", "the container's id")
    .argument("[cmd...]", "the program and its arguments; not needed with --process")
    .passThroughOptions()
    .action(async (id, cmd, options, command: Command) => {
      const { exec } = await import("./exec.ts")
      await exec({ ...command.optsWithGlobals(), ...options, id, cmd: programOf(cmd, options, command) })
    })
}

if (isAsked("kill")) {
  program.command("kill")
    .description("signal a container; KILL ends all of its processes")
    .argument("<id>", "the container's id")
    .argument("[signal]", "name or number; 0 only asks whether the container runs", "TERM")
    .option("-a, --all", "signal every process of the container, not only the first")
    .action(async (id, signal, options, command: Command) => {
      const { kill } = await import("./kill.ts")
      await kill({ ...command.optsWithGlobals(), ...options, id, signal })
    })
}

if (isAsked("doctor")) {
  program.command("doctor")
    .description("say what this host allows, and how to get what it does not")
    .addOption(new Option("-f, --format <format>", "how to print it").choices(["table", "json"]).default("table"))
    .action(async (options, command: Command) => {
      const { doctor } = await import("./doctor.ts")
      await doctor({ ...command.optsWithGlobals(), ...options })
    })
}

if (isAsked("list")) {
  program.command("list")
    .description("list the containers")
    .addOption(new Option("-f, --format <format>", "how to print them").choices(["table", "json"]).default("table"))
    .option("-q, --quiet", "print only the ids")
    .action(async (options, command: Command) => {
      const { list } = await import("./list.ts")
      await list({ ...command.optsWithGlobals(), ...options })
    })
}

if (isAsked("delete")) {
  program.command("delete")
    .description("remove a container that has stopped, with everything that belongs to it")
    .argument("<id>", "the container's id")
    .option("-f, --force", "kill it first if it runs; no error if it is gone")
    .option("--flow <file>", "the flow that it was started with, if that added a kind of network")
    .action(async (id, options, command: Command) => {
      const { delete_ } = await import("./delete.ts")
      await delete_({ ...command.optsWithGlobals(), ...options, id })
    })
}

if (isAsked("prune")) {
  program.command("prune")
    .description("remove what runtimes that have ended left behind; containers that run on are killed")
    .option("-a, --all", "also remove detached containers that have ended")
    .option("-n, --dry-run", "only print what would be removed")
    .option("--verbose", "also print what is kept, and why")
    .option("--flow <file>", "the flow that they were started with, if that added a kind of network")
    .action(async (options, command: Command) => {
      const { prune } = await import("./prune.ts")
      await prune({ ...command.optsWithGlobals(), ...options })
    })
}

if (isAsked("plan")) {
  const plan = program.command("plan").description(
    "show what a command would do, without doing it; by default what run would do"
  )
    .enablePositionalOptions()

  /** The options of all plans. */
  const planOptions = (command: Command): Command =>
    command
      .addOption(
        new Option("-f, --format <format>", "how to print it; html is a page for a browser, in one file")
          .choices(["text", "json", "html"]).default("text")
      )
      .option("-a, --all", "print every call, even those that only look")
      .option(
        "--diff <file>",
        "print only the difference from an earlier plan, a JSON file; exit code 1 if there is one"
      )

  planOptions(containerOptions(plan.command("run", { isDefault: true })))
    .description("what run would do")
    .argument("[cmd...]", "the program and its arguments")
    .passThroughOptions()
    .action(async (cmd, options, command: Command) => {
      const { showRun } = await import("./plan.ts")
      await showRun({ ...command.optsWithGlobals(), ...options, cmd })
    })

  planOptions(processOptions(plan.command("exec")))
    .description("what exec would do")
    .option("-p, --process <file>", "file with the process: the process object of an OCI config.json")
    .option("--flow <file>", "module whose default export takes the setns pipeline and returns the one to use")
    .argument("<id>", "the container's id")
    .argument("[cmd...]", "the program and its arguments; not needed with --process")
    .passThroughOptions()
    .action(async (id, cmd, options, command: Command) => {
      const { showExec } = await import("./plan.ts")
      await showExec({ ...command.optsWithGlobals(), ...options, id, cmd: programOf(cmd, options, command) })
    })

  planOptions(plan.command("kill"))
    .description("what kill would do")
    .argument("<id>", "the container's id")
    .argument("[signal]", "name or number", "TERM")
    .option("--all-processes", "as kill --all: signal every process of the container")
    .action(async (id, signal, options, command: Command) => {
      const { showKill } = await import("./plan.ts")
      await showKill({ ...command.optsWithGlobals(), ...options, id, signal })
    })

  planOptions(plan.command("delete"))
    .description("what delete would do")
    .argument("<id>", "the container's id")
    .option("--force", "kill it first if it runs")
    .option("--flow <file>", "the flow that it was started with, if that added a kind of network")
    .action(async (id, options, command: Command) => {
      const { showDelete } = await import("./plan.ts")
      await showDelete({ ...command.optsWithGlobals(), ...options, id })
    })

  planOptions(plan.command("prune"))
    .description("what prune would do")
    .option("--detached", "as prune --all: also detached containers that have ended")
    .option("--flow <file>", "the flow that they were started with, if that added a kind of network")
    .action(async (options, command: Command) => {
      const { showPrune } = await import("./plan.ts")
      await showPrune({ ...command.optsWithGlobals(), ...options })
    })
}

/** The part of a text that could not be written at once. Usually there is none, and the code that waits is not loaded. */
const unwritten = (to: Output, text: string): Uint8Array => {
  let bytes: Uint8Array = Buffer.from(text)
  try {
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(to === "stdout" ? 1 : 2, bytes))
  } catch {
    // a pipe that is full, or an error, which the other way of writing meets and reports as well
  }
  return bytes
}

const sayOne = async (to: Output, text: string): Promise<StreamError | undefined> => {
  const rest = unwritten(to, visible(text))
  if (rest.length === 0) return undefined
  const { write } = await import("../runtime/streams.ts")
  return new Promise((resolve) => void write(to, rest, resolve))
}

/** What needs no effect: help, the version, and errors of the command line. */
const say = async (code: number): Promise<void> => {
  process.exitCode = code
  for (const [to, text] of said) {
    const error = await sayOne(to, text)
    if (error === undefined) continue
    process.exitCode = error.exitCode
    if (to === "stdout") await sayOne("stderr", `runfx: ${error.message}\n`)
  }
}

const main = async (): Promise<void> => {
  try {
    await program.parseAsync(ownArguments(), { from: "user" })
  } catch (error) {
    if (!(error instanceof CommanderError)) said.push(["stderr", `runfx: ${textOf(error)}\n`])
    await say(error instanceof CommanderError && error.exitCode === 0 ? 0 : 1)
  }
}

void main()
