/**
 * The `runfx` command: which subcommands there are, with which options. What they do stands in `src/runtime`; each is
 * loaded only when it is asked for.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import process from "node:process"
import { version } from "./version.ts"

const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It must be a whole number, 0 or more.")
  return value
}

const collect = (value: string, all: ReadonlyArray<string> = []): ReadonlyArray<string> => [...all, value]

/** commander leaves a `--` that stands behind the first argument. */
const withoutDashes = (cmd: ReadonlyArray<string>): ReadonlyArray<string> => cmd[0] === "--" ? cmd.slice(1) : cmd

/** What `exec` is to run: nothing is needed where a file says it. */
const programOf = (
  cmd: ReadonlyArray<string>,
  { process: file }: { readonly process?: string },
  command: Command
): ReadonlyArray<string> =>
  cmd.length === 0 && file === undefined
    ? command.error("error: missing required argument 'cmd'", { code: "commander.missingArgument" })
    : withoutDashes(cmd)

/** The options that say what a program is like, shared by all that start one. */
const processOptions = (command: Command): Command =>
  command
    .option("-t, --tty", "give the program a terminal")
    .option("-u, --user <user>", "user[:group], names or ids, of the program")
    .option("-w, --cwd <dir>", "working directory of the program")
    .option("-e, --env <name=value>", "add to the program's environment; may be repeated", collect)
    .option("--cap-add <names>", "capabilities to add, with commas, or ALL", collect)

/** The options that say which container, shared by `run` and `plan run`. */
const containerOptions = (command: Command): Command =>
  processOptions(command)
    .addOption(
      new Option("-b, --bundle <dir>", "OCI bundle: a directory with a config.json").conflicts(["config", "rootfs"])
    )
    .addOption(
      new Option("-c, --config <file>", "configuration: OCI config.json, or libcontainer's JSON").conflicts("rootfs")
    )
    .option(
      "--rootfs <dir>",
      "directory to use as root; without any of the three: the host's files, writes thrown away"
    )
    .option("--id <id>", "the container's id; chosen where it is not given")
    .addOption(
      new Option("--type <type>", "init pipeline; by default the one that fits").choices(["standard", "userns"])
    )
    .option("--flow <file>", "module whose default export takes the init pipeline and returns the one to use")
    .option("--hostname <name>", "host name of the container")
    .option("--network <kind>", "none, loopback, bridge (a veth pair to a bridge of its own), or one of the flow's own")
    .option("--read-only", "make the root read-only")
    .option("--rootless", "give the container a user namespace, also as root")
    .option("--preserve-fds <n>", "pass on this many descriptors, from 3 on", positive)
    .option("--console-socket <path>", "unix socket that takes the terminal's master")

const program = new Command("runfx")
  .description("Run containers through typed, composable pipelines of steps.")
  .version(version, "-v, --version")
  .option("--root <dir>", "directory of the state of all containers")
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, "runfx:")) })
  .configureHelp({ showGlobalOptions: true })
  .enablePositionalOptions()

containerOptions(program.command("run"))
  .description("run a program in a new container, and wait for its end")
  .option("-d, --detach", "return as soon as the program runs")
  .option("--pid-file <file>", "write the pid of the container's first process there")
  .option("--show-plan", "print the steps before they are done")
  .option("--timings", "print the time of each step at the end")
  .argument("[cmd...]", "the program and its arguments")
  .passThroughOptions()
  .action(async (cmd, options, command: Command) => {
    const { run } = await import("./run.ts")
    await run({ ...command.optsWithGlobals(), ...options, cmd })
  })

processOptions(program.command("exec"))
  .description("run a program in a running container")
  .option("-p, --process <file>", "the process as a file has it: the process object of an OCI config.json")
  .option("--flow <file>", "module whose default export takes the setns pipeline and returns the one to use")
  .option("-d, --detach", "return as soon as the program runs")
  .option("--pid-file <file>", "write the pid of the program there")
  .option("--preserve-fds <n>", "pass on this many descriptors, from 3 on", positive)
  .option("--console-socket <path>", "unix socket that takes the terminal's master")
  .option("--timings", "print the time of each step at the end")
  .argument("<id>", "the container's id")
  .argument("[cmd...]", "the program and its arguments; not needed with --process")
  .passThroughOptions()
  .action(async (id, cmd, options, command: Command) => {
    const { exec } = await import("./exec.ts")
    await exec({ ...command.optsWithGlobals(), ...options, id, cmd: programOf(cmd, options, command) })
  })

program.command("kill")
  .description("signal a container; KILL ends all of its processes")
  .argument("<id>", "the container's id")
  .argument("[signal]", "name or number", "TERM")
  .option("-a, --all", "signal every process of the container, not the first alone")
  .action(async (id, signal, options, command: Command) => {
    const { kill } = await import("./kill.ts")
    await kill({ ...command.optsWithGlobals(), ...options, id, signal })
  })

program.command("list")
  .description("list the containers")
  .addOption(new Option("-f, --format <format>", "how to print them").choices(["table", "json"]).default("table"))
  .option("-q, --quiet", "print the ids only")
  .action(async (options, command: Command) => {
    const { list } = await import("./list.ts")
    await list({ ...command.optsWithGlobals(), ...options })
  })

program.command("delete")
  .description("remove a container that has stopped, with everything that belongs to it")
  .argument("<id>", "the container's id")
  .option("-f, --force", "kill it first where it runs; no error where it is gone")
  .option("--flow <file>", "the flow that it was started with, where that brought a kind of network")
  .action(async (id, options, command: Command) => {
    const { delete_ } = await import("./delete.ts")
    await delete_({ ...command.optsWithGlobals(), ...options, id })
  })

const plan = program.command("plan").description("show what a command would do; nothing is done")
  .enablePositionalOptions()

/** The options of all plans. */
const planOptions = (command: Command): Command =>
  command
    .addOption(new Option("-f, --format <format>", "how to print it").choices(["text", "json"]).default("text"))
    .option("-a, --all", "print every call, also those that only look")

planOptions(containerOptions(plan.command("run", { isDefault: true })))
  .description("what run would do")
  .argument("[cmd...]", "the program and its arguments")
  .passThroughOptions()
  .action(async (cmd, options, command: Command) => {
    const { planRun } = await import("./plan.ts")
    await planRun({ ...command.optsWithGlobals(), ...options, cmd })
  })

planOptions(processOptions(plan.command("exec")))
  .description("what exec would do")
  .option("-p, --process <file>", "the process as a file has it: the process object of an OCI config.json")
  .option("--flow <file>", "module whose default export takes the setns pipeline and returns the one to use")
  .argument("<id>", "the container's id")
  .argument("[cmd...]", "the program and its arguments; not needed with --process")
  .passThroughOptions()
  .action(async (id, cmd, options, command: Command) => {
    const { planExec } = await import("./plan.ts")
    await planExec({ ...command.optsWithGlobals(), ...options, id, cmd: programOf(cmd, options, command) })
  })

planOptions(plan.command("kill"))
  .description("what kill would do")
  .argument("<id>", "the container's id")
  .action(async (id, options, command: Command) => {
    const { planKill } = await import("./plan.ts")
    await planKill({ ...command.optsWithGlobals(), ...options, id })
  })

program.parseAsync().catch((error: unknown) => {
  // commander has printed its message, or the help, already
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 1
})
