/**
 * Options of `run` with podman's words: mounts, limits, capabilities, devices and a filter, with a configuration file or
 * without one.
 *
 * @see podman-run(1)
 */
import type { Command } from "commander"

/** What these options can say. */
export interface PodmanOptions {
  readonly volume?: ReadonlyArray<string>
  readonly mount?: ReadonlyArray<string>
  readonly tmpfs?: ReadonlyArray<string>
  readonly memory?: string
  readonly memorySwap?: string
  readonly cpus?: string
  readonly pidsLimit?: string
  readonly ulimit?: ReadonlyArray<string>
  readonly time?: string
  readonly capAdd?: ReadonlyArray<string>
  readonly capDrop?: ReadonlyArray<string>
  readonly seccomp?: string
  readonly device?: ReadonlyArray<string>
}

/** Collects the values of an option that may be repeated. */
export const collect = (value: string, all: ReadonlyArray<string> = []): ReadonlyArray<string> => [...all, value]

/** Declares the options. */
export const podmanOptions = (command: Command): Command =>
  command
    .option(
      "-v, --volume <src:dst[:options]>",
      "bind a path of the host, as in /data:/data:ro; may be repeated",
      collect
    )
    .option(
      "--mount <options>",
      "type=bind,src=…,dst=…[,ro] or type=tmpfs,dst=…[,tmpfs-size=…]; may be repeated",
      collect
    )
    .option("--tmpfs <dst[:options]>", "a file system in memory, as in /cache:size=64m; may be repeated", collect)
    .option("-m, --memory <size>", "limit of memory: 256m, 1g")
    .option("--memory-swap <size>", "limit of memory and swap together; -1: none")
    .option("--cpus <number>", "limit of processors: 0.5")
    .option("--pids-limit <number>", "limit of processes and threads; -1: none")
    .option("--ulimit <name=soft[:hard]>", "resource limit of the program, as in nofile=1024; may be repeated", collect)
    .option("--time <duration>", "end the program after 10s, 5m, 1h")
    .option("--cap-drop <names>", "capabilities to remove, separated by commas, or ALL", collect)
    .option("--seccomp <filter>", "filter of system calls: default, strict, none, or a file in the OCI form")
    .option(
      "--workspace <dir>",
      "work in this directory of the host: all of it is writable, but .git is read-only, and .env and .ssh are hidden"
    )
    .option(
      "--allow <host>",
      "let the program reach only such hosts, by a proxy: example.org, *.example.org:443, 10.0.0.7:5432; may be repeated",
      collect
    )
    .option("--device <path>", "device of the host, as in /dev/fuse[:/dev/fuse[:rwm]]; may be repeated", collect)
