/** The command with podman's words: what a program sees of them. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Command, makeCommand } from "../support/command.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"

describe.skipIf(missing !== undefined)("runfx run with podman's words", () => {
  let command: Command
  let root = ""
  let data = ""
  beforeAll(() => {
    root = makeRoot()
    command = makeCommand()
    data = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-volume-"))
    fs.writeFileSync(`${data}/file`, "of the host\n")
  })
  afterAll(() => {
    if (missing !== undefined) return
    command.remove()
    removeRoot(root)
    fs.rmSync(data, { recursive: true })
  })

  const run = (options: ReadonlyArray<string>, script: string) =>
    command.runfx("run", "--rootfs", root, ...options, "--", "/bin/sh", "-c", script)

  it("mounts, limits, drops, and filters", async () => {
    const options = `-v ${data}:/data:ro --tmpfs /tmp:size=1m --ulimit nofile=77:88 --device /dev/null:/dev/nil:r ` +
      "--memory 64m --cpus 0.5 --pids-limit 20 --cap-drop ALL --cap-add KILL --seccomp strict"
    const { code, stdout } = await run(
      options.split(" "),
      "cat /data/file; (echo x > /data/x) 2>/dev/null || echo read-only; df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2;" +
        "ulimit -n; grep -E '^(CapEff|Seccomp):' /proc/self/status | tr -d '\\t'; [ -c /dev/nil ] && echo device"
    )
    assert.strictEqual(
      stdout,
      "of the host\nread-only\n1024\n77\nCapEff:0000000000000020\nSeccomp:2\ndevice\n"
    )
    assert.strictEqual(code, 0)
  })

  it("ends a program when its time is over, and says so", async () => {
    const { code, stderr } = await run(["--time", "0.5s"], "trap '' TERM; sleep 1000")
    assert.include(stderr, "runfx: the program was killed: its time is over (--time 0.5s)")
    assert.strictEqual(code, 137)
  })

  it("refuses what it can't do before anything is made", async () => {
    const { code, stderr } = await run(["--detach", "--time", "1s"], "true")
    assert.strictEqual(stderr, "runfx: --time 1s: needs a runfx that waits for the program: leave out --detach\n")
    assert.strictEqual(code, 1)
  })

  it("lets it work in a directory, and reach what is allowed, and tells what is refused", async () => {
    fs.mkdirSync(`${data}/work/.git`, { recursive: true })
    const script = "pwd; echo x > made; (echo x > .git/config) 2>/dev/null || echo covered; echo $HTTPS_PROXY; " +
      // no name is looked up for what is not allowed
      "printf 'CONNECT evil.example:443 HTTP/1.1\\r\\n\\r\\n' | nc 127.0.0.1 3128 | head -1"
    const { code, stderr, stdout } = await run(["--workspace", `${data}/work`, "--allow", "example.org"], script)
    assert.strictEqual(
      stdout,
      `${data}/work\ncovered\nhttp://127.0.0.1:3128\nHTTP/1.1 403 Forbidden\r\n`
    )
    assert.strictEqual(stderr, "runfx: evil.example:443 is not allowed (--allow)\n")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(fs.readdirSync(`${data}/work`).toSorted(), [".git", "made"])
  })

  it("lets it see no home of the host's beside its workspace, which may be in one", async () => {
    const home = fs.mkdtempSync("/root/runfx-workspace-")
    try {
      const script = "stat -c '%a %u' ~; ls /home /root /tmp; cat /etc/shadow; cd; pwd; echo x > file"
      const options = ["--workspace", home, "--user", "daemon", "--tmpfs", "/home/more"]
      const { code, stdout } = await command.runfx("run", ...options, "--", "/bin/sh", "-c", script)
      assert.strictEqual(
        stdout,
        `700 1\n/home:\nmore\nsandbox\n\n/root:\n${home.slice("/root/".length)}\n\n/tmp:\n/home/sandbox\n`
      )
      assert.strictEqual(code, 0)
    } finally {
      fs.rmSync(home, { recursive: true })
    }
  })

  it.each(
    [
      [["--allow", "https://example.org"], "must be a host as"],
      [["--allow", "example.org", "--network", "none"], "needs a new network namespace with a loopback interface"],
      [["--allow", "example.org", "--detach"], "leave out --detach"],
      [["--workspace", "here"], "must be an absolute path"],
      [["--workspace", "/"], "must be an absolute path of a directory, and not the root"],
      [["--workspace", "/nonesuch"], "must be a directory on the host"]
    ] as const
  )("refuses %j by its name", async (options, rule) => {
    const { code, stderr } = await run(options, "true")
    assert.match(stderr, new RegExp(`^runfx: ${options[0]} .*${rule}`))
    assert.strictEqual(code, 1)
  })
})
