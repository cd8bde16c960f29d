/** The preset where a user has no more than a user namespace: in another container, and under a narrow umask. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { isolate } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { missing } from "../support/rootfs.ts"

let command: Command
const mark = markOf("nested")
let count = 0

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  command = makeCommand()
})
afterAll(() => {
  if (missing === undefined) command.remove()
})

/** `runfx run`, as part of a shell script, with a state directory of its own. */
const run = (script: string): string =>
  `mkdir -m 700 /tmp/own && XDG_RUNTIME_DIR=/tmp/own exec ${command.file} run --id ${mark}-${count++} -- sh -c '${script}'`

const user = ["--reuid", "1000", "--regid", "1000", "--clear-groups"]

/** Runs a script as a user, with a `/tmp` of its own that ends with it. */
const asUser = (script: string) =>
  complete("unshare", [
    "-m",
    "sh",
    "-c",
    `mount -t tmpfs -o mode=1777 tmpfs /mnt && exec setpriv ${user.join(" ")} ${script}`
  ])

describe.skipIf(missing !== undefined)("the preset", () => {
  it("in another container has the caller's /proc and /sys, with what covers them, and says so", async () => {
    const looked = [
      "id -u",
      "test -d /proc/self/fd && echo self",
      "test -c /proc/timer_list && echo masked",
      "echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo kept",
      "test -d /sys/class && echo sys",
      "echo x 2>/dev/null >/sys/kernel/profiling || echo kept"
    ].join("; ")
    const outer = ["run", "--id", `${mark}-outer`, "-u", "nobody", "--", "sh", "-c", run(looked)]
    const { code, stderr, stdout } = await command.runfx(...outer)
    assert.deepStrictEqual([code, stdout], [0, "0\nself\nmasked\nkept\nsys\nkept\n"], stderr)
    assert.match(stderr, /^runfx: warning: \/proc is the caller's own \/proc: .*too revealing/m)
    assert.match(stderr, /^runfx: warning: \/sys is the caller's own \/sys: /m)
  })

  it("of a user has a /proc of its own where the kernel gives one", async () => {
    const { code, stderr, stdout } = await asUser(
      `sh -c 'mkdir -m 700 /mnt/own; XDG_RUNTIME_DIR=/mnt/own exec ${command.file} run --id ${mark}-user -- sh -c "ls /proc | head -n 1; id -u"'`
    )
    assert.deepStrictEqual([code, stdout, stderr], [0, "1\n0\n", ""])
  })

  it("of a user from whom /proc hides what he may not trace is found once it runs detached", async () => {
    const id = `${mark}-hidden`
    const script = [
      "export XDG_RUNTIME_DIR=/mnt/own; mkdir -m 700 /mnt/own",
      `${command.file} run -d --id ${id} -- sleep 1000`,
      `${command.file} exec ${id} id -u`,
      `${command.file} list | grep -o running`,
      `${command.file} delete --force ${id}`
    ].join(" && ")
    const { code, stderr, stdout } = await complete("unshare", [
      "-mpf",
      "sh",
      "-c",
      `mount -t proc -o hidepid=2 proc /proc && mount -t tmpfs -o mode=1777 tmpfs /mnt && setpriv ${
        user.join(" ")
      } sh -c '${script}'`
    ])
    assert.deepStrictEqual([code, stdout, stderr], [0, `${id}\n0\nrunning\n`, ""])
  })

  for (const umask of ["027", "077", "0777"]) {
    it(`has the modes that it should have under umask ${umask}`, async () => {
      const modes = "stat -c %a / /tmp /dev /dev/shm /run"
      const root = await complete("sh", [
        "-c",
        `umask ${umask}; exec ${command.file} --root ${command.stateRoot} run --id ${mark}-${umask} -u nobody -- ${modes}`
      ])
      assert.deepStrictEqual([root.code, root.stdout.split("\n")[0]], [0, "755"], root.stderr)
      const rootless = await asUser(
        `sh -c 'mkdir -m 700 /mnt/own; umask ${umask}; XDG_RUNTIME_DIR=/mnt/own exec ${command.file} run --id ${mark}-r${umask} -- ${modes}'`
      )
      assert.deepStrictEqual([rootless.code, rootless.stdout], [0, "755\n1777\n755\n1777\n755\n"], rootless.stderr)
    })
  }
})
