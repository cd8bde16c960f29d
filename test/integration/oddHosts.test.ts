/**
 * A caller that is odd: streams that are closed, limits that are low, signals that are ignored, places that can't be written.
 * The same bundle is run by runc in the same situation, and must come to the same, but where the row says otherwise.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { begin, type Command, type Ended, makeCommand } from "../support/command.ts"
import { cgroups, isolate } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

const hasRunc = spawnSync("runc", ["--version"]).status === 0
if (!hasRunc) process.stdout.write("not compared: runc is not installed\n")

const mark = markOf("odd")
let top = ""
let root = ""
let command: Command

const program = [
  "umask",
  "echo hi",
  "readlink /proc/self/cwd",
  "grep -E '^(FDSize|Sig(Blk|Ign)):' /proc/self/status",
  "env",
  "test -c /dev/null && exit 7"
]

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  root = makeRoot()
  command = makeCommand()
  top = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-odd-"))
  fs.writeFileSync(
    path.join(top, "config.json"),
    JSON.stringify({
      ociVersion: "1.0.2",
      root: { path: root, readonly: true },
      process: { args: ["sh", "-c", program.join("; ")], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] }
      ],
      linux: { namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })) }
    })
  )
})
afterAll(() => {
  if (missing !== undefined) return
  command.remove()
  removeRoot(root)
  fs.rmSync(top, { recursive: true })
})

let count = 0

interface Row {
  /** What stands before the runtime's own words: they are `$@`. */
  readonly prefix: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
  /** What the program sees otherwise than under runc, and why. */
  readonly unlike?: { readonly theirs: RegExp; readonly ours: string; readonly why: string }
  /** It can't work: what the message says. */
  readonly fails?: RegExp
  /** Whether it works with runc all the same. */
  readonly works?: true
}

const sh = (script: string, ...rest: ReadonlyArray<string>): Row => ({
  prefix: ["sh", "-c", `${script}; exec "$@"`, "sh", ...rest]
})
/** In a mount namespace of its own, with new mounts only. */
const mounted = (script: string): Row => ({
  prefix: ["unshare", "-m", "sh", "-c", `${script}; exec "$@"`, "sh"]
})

const rows: Record<string, Row> = {
  "nothing odd": { prefix: [] },
  ...Object.fromEntries(
    ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"].map((closed) => [
      `closed streams: ${closed}`,
      { prefix: ["sh", "-c", `exec "$@" ${closed}`, "sh"] }
    ])
  ),
  "umask 0777": {
    ...sh("umask 0777"),
    unlike: {
      theirs: /^0022/,
      ours: "0777",
      why: "the specification: it is not changed if it is not specified"
    }
  },
  "a cwd that is removed": sh("mkdir $TOP/gone$$; cd $TOP/gone$$; rmdir $TOP/gone$$"),
  "a cwd that is no UTF-8": sh("mkdir -p \"$TOP/$(printf 'a\\377b')\"; cd \"$TOP\"/a*b"),
  "no environment": { prefix: ["env", "-i", `PATH=${process.env["PATH"]}`] },
  "a huge environment": {
    prefix: [],
    env: Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`V${n}`, "x".repeat(100_000)]))
  },
  "LD_PRELOAD of nothing": { prefix: ["env", "LD_PRELOAD=/nonexistent.so"] },
  "a full directory": {
    ...mounted("mount -t tmpfs -o size=4k,nr_inodes=1,mode=700 none $STATES"),
    fails: /createState: .* ENOSPC .*\n {2}what to do: .*--root/
  },
  "a read-only directory": {
    ...mounted("mount -t tmpfs -o ro,mode=700 none $STATES"),
    fails: /createState: .* EROFS .*\n {2}what to do: .*--root/
  },
  "a /dev/null that is a file": mounted("touch $TOP/null; mount --bind $TOP/null /dev/null"),
  "RLIMIT_NPROC 1": { prefix: ["prlimit", "--nproc=1"] },
  "RLIMIT_NOFILE 32": { prefix: ["prlimit", "--nofile=32"] },
  // as many as Node has at its start
  "RLIMIT_NOFILE 22": {
    prefix: ["prlimit", "--nofile=22"],
    fails: /EMFILE .*\n {2}what to do: .*ulimit -n/,
    works: true
  },
  "RLIMIT_FSIZE 0": {
    prefix: ["prlimit", "--fsize=0"],
    fails: /createState: .* EFBIG .*\n {2}what to do: .*ulimit -f/
  },
  "RLIMIT_AS 4 GB": { prefix: ["prlimit", "--as=4000000000"] },
  "SIGCHLD ignored": { prefix: ["env", "--ignore-signal=CHLD"] },
  "SIGPIPE ignored": { prefix: ["env", "--ignore-signal=PIPE"] },
  "all signals blocked": {
    prefix: ["env", "--block-signal"],
    unlike: { theirs: /(?<=SigBlk:\t)\w+/, ours: "0".repeat(16), why: "a program can be ended by a signal" }
  },
  "an empty argv[0]": { prefix: ["bash", "-c", "exec -a '' \"$@\"", "bash"] },
  "1,000 descriptors": {
    prefix: ["bash", "-c", "for ((n = 3; n < 1003; n++)); do eval \"exec $n</dev/null\"; done; exec \"$@\"", "bash"]
  }
}

const run = async (runtime: "runfx" | "runc", { env, prefix }: Row): Promise<Ended> => {
  const id = `${mark}-${count++}`
  const states = path.join(top, id)
  fs.mkdirSync(states)
  const start = runtime === "runfx"
    ? [command.file, "--root", states, "run", "--bundle", top, "--id", id]
    : ["runc", "--root", states, "run", "--bundle", top, id]
  const [file, ...args] = [...prefix, ...start]
  const ended = await begin(file!, args, { input: "", env: { ...process.env, TOP: top, STATES: states, ...env } }).ended
  if (runtime === "runfx") assert.deepStrictEqual([fs.readdirSync(states), cgroups(id)], [[], []], "what is left")
  return ended
}

describe.skipIf(missing !== undefined)("a caller with", () => {
  for (const [name, row] of Object.entries(rows)) {
    it(name, async () => {
      const { fails, unlike, works } = row
      const [ours, theirs] = await Promise.all([run("runfx", row), hasRunc ? run("runc", row) : undefined])
      if (fails === undefined) {
        assert.strictEqual(ours.code, 7, ours.stderr)
        const { code, stdout } = theirs ?? ours
        const expected = unlike === undefined ? stdout : stdout.replace(unlike.theirs, unlike.ours)
        assert.deepStrictEqual([ours.code, ours.stdout], [code, expected])
      } else {
        assert.deepStrictEqual([ours.code, ours.stdout], [1, ""])
        assert.match(ours.stderr, fails)
        if (theirs !== undefined) assert.strictEqual(theirs.code === 7, works ?? false)
      }
    })
  }

  it("no patience, who sends SIGINT until all has ended", async () => {
    const id = `${mark}-${count++}`
    const states = path.join(top, id)
    const program = ["sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.01; done"]
    const asked = begin(command.file, ["--root", states, "run", "--rootfs", root, "--id", id, "--", ...program])
    await asked.says("ready")
    await until(() => !asked.process.kill("SIGINT"))
    // one that comes behind the removal ends the command itself
    assert.include([7, 130], (await asked.ended).code)
    assert.deepStrictEqual([fs.readdirSync(states), cgroups(id)], [[], []], "what is left")
  })

  it("hardly enough address space for V8, which may abort: prune removes what stays", async () => {
    const id = `${mark}-${count++}`
    const states = path.join(top, id)
    const start = [command.file, "--root", states, "run", "--bundle", top, "--id", id]
    const ended = await begin("prlimit", ["--as=1000000000", ...start], { input: "" }).ended
    // the program's, or by a signal, of an abort or of a trap, wherever the start was
    assert.isTrue(ended.code === 7 || ended.code > 128, ended.stderr)
    const { code, stderr } = await begin(command.file, ["--root", states, "prune"], { input: "" }).ended
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.deepStrictEqual([fs.readdirSync(states), cgroups(id)], [[], []])
  })
})
