/** Containers of random configurations: what is copied for one is what it would have made by itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Container } from "../../../src/config/Container.ts"
import { plainMount } from "../../../src/config/plainMount.ts"
import { MS, RLIMIT } from "../../../src/native/constants.ts"
import type { Kernel } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { containerOf, failureOf, on, options, sh } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import { place, random, waiting } from "./setup.ts"

/** What a program can see of what its init has made. */
const script = sh(`exec >/out/said 2>&1
cat /proc/self/mountinfo /proc/self/limits /proc/self/personality /proc/self/oom_score_adj /proc/sys/kernel/hostname
grep -E '^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|Cpus_allowed|NSpid|NSsid|Sig[PBIC])' /proc/self/status
pwd; echo $0; ls -l /dev; ls -l /proc/self/fd; ls -ld /proc/keys /proc/acpi /proc/timer_list /tmp /etc
test -c /proc/keys && echo masked; touch /etc/try && rm /etc/try; touch /tmp/try && rm /tmp/try`)

const without = <A>(all: ReadonlyArray<A>, at: number): ReadonlyArray<A> => all.filter((_, index) => index !== at)

/** A container that differs from the default one in a few ways. */
const containerBy = (next: (most: number) => number, out: string): Container => {
  const usual = containerOf(place, script)
  const { rlimits } = usual.process
  const capabilities = usual.process.capabilities!
  /** Most of the time the usual value: containers that are alike in some steps, and differ in others. */
  const or = <A>(usually: A, other: () => A): A => next(4) === 0 ? other() : usually
  const fewer = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> => without(all, next(all.length))
  return containerOf(place, script, {
    hostname: or("one", () => "two"),
    readonlyRootfs: or(true, () => false),
    maskedPaths: or(usual.maskedPaths, () => fewer(usual.maskedPaths)),
    readonlyPaths: or(usual.readonlyPaths, () => [...fewer(usual.readonlyPaths), "/tmp"]),
    devices: or(usual.devices, () => fewer(usual.devices)),
    namespaces: or(
      usual.namespaces,
      () => usual.namespaces.filter(({ type }) => type !== ["cgroup", "ipc", "uts"][next(3)])
    ),
    mounts: [
      ...usual.mounts,
      plainMount("/out", "bind", out, MS.BIND | MS.REC),
      ...or([], () => [plainMount("/tmp", "tmpfs", "tmpfs", next(2) * MS.NOEXEC, [`size=${1 + next(2)}m`])])
    ],
    ...or<{ readonly personality?: number }>({}, () => ({ personality: 0x8 })),
    process: {
      cwd: or("/", () => "/tmp"),
      noNewPrivileges: or(true, () => false),
      rlimits: or(rlimits, () => [{ resource: RLIMIT.NOFILE, soft: 100n + BigInt(next(2)), hard: 1024n }]),
      user: or(usual.process.user, () => ({ _tag: "Ids", uid: next(2), gid: next(2), additionalGids: [] })),
      capabilities: or(capabilities, () => {
        const kept = fewer(capabilities.bounding)
        return { bounding: kept, effective: kept, permitted: kept, inheritable: [], ambient: [] }
      })
    }
  })
}

/** Without the numbers that the kernel chooses. */
const steady = (text: string): string =>
  text.replaceAll(/^\d+ \d+ \d+:\d+ /gm, "").replaceAll(/(shared|master|propagate_from):\d+/g, "$1")
    .replaceAll(/[A-Z][a-z]{2} +\d+ +[\d:]+/g, "then").replaceAll(/(pipe|socket):\[\d+\]/g, "$1")

const run = (kernel: Kernel["Service"], container: Container, out: string) =>
  Effect.gen(function*() {
    const how = options(place, container)
    fs.rmSync(path.join(out, "said"), { force: true })
    const exit = yield* Effect.exit(on(Runtime.run(how), kernel))
    const end = Exit.isSuccess(exit) ? exit.value.code : failureOf(exit).message
    const text = fs.existsSync(path.join(out, "said")) ? fs.readFileSync(path.join(out, "said"), "utf8") : ""
    return steady(`${end}\n${text}`.replaceAll(how.id, "ID")).split("\n")
  })

describe.skipIf(missing !== undefined)("containers of random configurations", () => {
  it.live("are what they are if none of their calls is copied", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const next = random(20261130)
      const out = fs.mkdtempSync(path.join(place.stateRoot, "out-"))
      fs.chmodSync(out, 0o777)
      const seen = new Set<string>()
      for (let count = 0; count < 40; count++) {
        const container = containerBy(next, out)
        const copied = yield* run(kernel, container, out)
        assert.deepStrictEqual(copied, yield* run(waiting(kernel), container, out), `container ${count}`)
        seen.add(copied.join("\n"))
      }
      assert.isAbove(seen.size, 20)
      fs.rmSync(out, { recursive: true })
    }), { timeout: 600_000 })
})
