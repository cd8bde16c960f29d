/**
 * `node:child_process` for the command. commander loads it for subcommands that are programs of their own; runfx has none,
 * and the module takes 3 ms.
 */
module.exports = {
  get spawn() {
    return process.getBuiltinModule("node:child_process").spawn
  }
}
