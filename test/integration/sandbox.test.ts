/**
 * Sandboxes on the live kernel, as root and as a user without privileges: what is safe if nothing is said, what limits do,
 * and how programs end that do not behave.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as Sandbox from "../../src/sandbox.ts"
import { missing } from "../support/rootfs.ts"
import type { Job, Outcome } from "../support/sandboxDriver.ts"
import { type Caller, callers, makeSandboxes, type Sandboxes, userId, usersMay } from "../support/sandboxes.ts"

const sh = (script: string, description: Sandbox.Description = {}, options: Job["options"] = {}): Job => ({
  description,
  command: ["sh", "-c", script],
  options
})

type Good = Extract<Outcome, { readonly exitCode: unknown }>
type Bad = Extract<Outcome, { readonly error: string }>

const good = (outcome: Outcome): Good => {
  assert.notProperty(outcome, "error", JSON.stringify(outcome))
  return outcome as Good
}
const bad = (outcome: Outcome): Bad => {
  assert.property(outcome, "error", JSON.stringify(outcome))
  return outcome as Bad
}

/** A job, and what must become of it. */
interface Row {
  readonly job: Job | ((caller: Caller) => Job)
  readonly expect: (outcome: Outcome, caller: Caller) => void
}

/** Ended by a signal, and by nothing else that the result tells of. */
const killed = (outcome: Outcome, about: Partial<Good>): void => {
  const { exitCode, outOfMemory, signal, timedOut, truncated } = good(outcome)
  assert.deepStrictEqual(
    { exitCode, signal, timedOut, outOfMemory, truncated },
    { exitCode: null, signal: "SIGKILL", timedOut: false, outOfMemory: false, truncated: false, ...about }
  )
}

const said = (outcome: Outcome, stdout: string, exitCode = 0): void => {
  const { stdout: out, stderr, ...rest } = good(outcome)
  assert.deepStrictEqual({ out, exitCode: rest.exitCode }, { out: stdout, exitCode }, stderr)
}

let shared = ""

const rows: Readonly<Record<string, Row>> = {
  // ── safe if nothing is said ────────────────────────────────────────────────────────────────────────────────────────
  "has no capability, gains none, and is behind a filter": {
    job: sh("grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'"),
    expect: (outcome) =>
      said(
        outcome,
        `CapPrm:${"0".repeat(16)}\nCapEff:${"0".repeat(16)}\nCapBnd:${"0".repeat(16)}\nCapAmb:${"0".repeat(16)}\n` +
          "NoNewPrivs:1\nSeccomp:2\n"
      )
  },
  "is nobody for root, and the caller for anybody else": {
    job: sh("id -u; id -g"),
    expect: (outcome, caller) => said(outcome, caller === "root" ? "65534\n65534\n" : `${userId}\n${userId}\n`)
  },
  "sees no process but its own, no network but itself, and nothing of the caller's environment": {
    job: sh(
      "echo $$; ls /sys/class/net /sys 2>&1 | wc -l; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; env | sort"
    ),
    expect: (outcome) =>
      said(
        outcome,
        "1\n2\nlo\nHOME=/tmp\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/tmp\n"
      )
  },
  "sees the host's programs only, and can't write there": {
    job: sh(
      "ls -A / | tr '\\n' ' ' | grep -cE 'root|home|srv|var|mnt|boot|sys'; touch /usr/x /etc/x /x; cat /etc/shadow"
    ),
    expect: (outcome) => {
      const { exitCode, stderr, stdout } = good(outcome)
      assert.strictEqual(stdout, "0\n")
      assert.lengthOf(stderr.match(/Read-only file system/g)!, 3, stderr)
      assert.strictEqual(exitCode, 0, "what is hidden is empty")
    }
  },
  "has the descriptors 0 to 2, which are pipes, and can open them again": {
    job: sh("ls -l /proc/self/fd | grep -c pipe:; ls /proc/self/fd | wc -l; echo again > /dev/stdout", {}, {
      input: ""
    }),
    // the third number is that of ls's own directory
    expect: (outcome) => said(outcome, "3\n4\nagain\n")
  },
  "has a /tmp of its own, which is not larger than it may be": {
    job: sh("head -c 3000000 /dev/zero > /tmp/x; echo $?; stat -c %s /tmp/x", { tmp: "1 MiB" }),
    expect: (outcome) => {
      said(outcome, `1\n${1024 ** 2}\n`)
      assert.include(good(outcome).stderr, "No space left on device")
    }
  },
  // ── what is asked for ──────────────────────────────────────────────────────────────────────────────────────────────
  "writes where it may, and reads what it is given": {
    job: (caller) =>
      sh(
        "cat /in/sandbox-root; echo of the job > result; id -u > who; echo $TOKEN $OWN",
        {
          writable: [shared],
          mounts: [Sandbox.bind(`${shared}/files`, { at: "/in" })],
          cwd: `${shared}/${caller}`,
          user: caller === "root" ? "root" : userId,
          inherit: ["TOKEN", "NOT_THERE"],
          env: { OWN: "=1" }
        }
      ),
    expect: (outcome, caller) => {
      said(outcome, "a file\nof the caller =1\n")
      assert.strictEqual(fs.readFileSync(`${shared}/${caller}/result`, "utf8"), "of the job\n")
    }
  },
  "has a root of layers, of which the uppermost counts": {
    job: () =>
      sh("cat /etc/which; /bin/echo lower; echo x > /new && cat /new", {
        root: Sandbox.layers(`${shared}/upper`, `${shared}/lower`),
        readOnly: false,
        user: 0
      }),
    expect: (outcome) => said(outcome, "upper\nlower\nx\n")
  },
  "makes no namespace, socket of the hypervisor, or ring": {
    job: sh("unshare -U true 2>&1 | grep -c 'not permitted'"),
    expect: (outcome) => said(outcome, "1\n")
  },
  "is behind a strict filter": {
    job: sh("mknod /tmp/pipe p", { seccomp: "strict" }),
    expect: (outcome) => {
      assert.strictEqual(good(outcome).exitCode, 1)
      assert.include(good(outcome).stderr, "Operation not permitted")
    }
  },
  // ── how it ends ────────────────────────────────────────────────────────────────────────────────────────────────────
  "its exit code": { job: sh("exit 7"), expect: (outcome) => said(outcome, "", 7) },
  "its signal": {
    // a first process of a pid namespace is not ended by signals of its own
    job: sh("(kill -SEGV $$; exit 3); sh -c 'kill -SEGV $$'; echo $?"),
    expect: (outcome) => said(outcome, "139\n")
  },
  "a program that is not there": {
    job: { command: ["nonesuch"] },
    expect: (outcome) => {
      const { error, message } = bad(outcome)
      assert.strictEqual(error, "SandboxFailed")
      assert.match(message, /findProgram: the program "nonesuch" is in no directory of PATH/)
    }
  },
  "a description that is wrong: all of it at once, in its own words": {
    job: {
      description: {
        limits: { memroy: "1 MiB", time: "soon", cpus: -1 },
        network: "lopback",
        capabilities: ["NET_ADMN"],
        writable: ["job"],
        cwd: "\0",
        user: ""
      } as unknown as Sandbox.Description,
      command: []
    },
    expect: (outcome) => {
      const { error, message } = bad(outcome)
      assert.strictEqual(error, "InvalidSandbox")
      assert.deepStrictEqual(message.split("\n").map((line) => line.replace(/:.*?(: did.*)?$/, "$1")).toSorted(), [
        "capabilities[0] = \"NET_ADMN\": did you mean \"NET_ADMIN\"?",
        "command = []",
        "cwd = \"\\u0000\"",
        "limits.cpus = -1",
        "limits.memroy = \"1 MiB\": did you mean \"memory\"?",
        "limits.time = \"soon\"",
        "network = \"lopback\": did you mean \"loopback\"?",
        "user = \"\"",
        "writable[0] = \"job\""
      ])
    }
  },
  "a host that has not what is named": {
    job: {
      description: { root: "/nonesuch", devices: ["/dev/nonesuch", "/etc/passwd"] },
      command: ["true"]
    },
    expect: (outcome) =>
      assert.strictEqual(
        bad(outcome).message,
        "root = \"/nonesuch\": must be a directory on the host\n" +
          "devices[0] = \"/dev/nonesuch\": must be a device on the host\n" +
          "devices[1] = \"/etc/passwd\": must be a device on the host"
      )
  },
  // ── programs that do not behave ────────────────────────────────────────────────────────────────────────────────────
  "one that writes for ever is ended, and what came first is there": {
    job: { command: ["yes"], description: { limits: { output: 100_001 } } },
    expect: (outcome) => {
      killed(outcome, { truncated: true })
      assert.strictEqual(good(outcome).stdout, "y\n".repeat(50_001).slice(0, 100_001))
    }
  },
  "one that writes much goes on where that is asked for, and what came last is there": {
    job: sh("yes | head -c 1000000; echo end; exit 4", { limits: { output: 100 } }, { overflow: "last" }),
    expect: (outcome) => {
      const { exitCode, stdout, truncated } = good(outcome)
      assert.deepStrictEqual({ exitCode, truncated, stdout }, {
        exitCode: 4,
        truncated: true,
        stdout: `${"y\n".repeat(48)}end\n`
      })
    }
  },
  "no byte below the limit is lost": {
    job: sh("head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2", { limits: { output: 5_000_000 } }),
    expect: (outcome) => {
      const { exitCode, stderr, stdout, truncated } = good(outcome)
      assert.deepStrictEqual([exitCode, stdout.length, stderr.length, truncated], [0, 5_000_000, 5_000_000, false])
    }
  },
  "one that never reads its input": {
    job: sh("exec sleep 0.1", {}, { input: "x".repeat(1_000_000) }),
    expect: (outcome) => said(outcome, "")
  },
  "one that reads all of its input": {
    job: { command: ["wc", "-c"], options: { input: "x".repeat(1_000_000) } },
    expect: (outcome) => said(outcome, "1000000\n")
  },
  "one that closes its streams, and goes on": {
    job: sh("exec <&- >&- 2>&-; sleep 0.2; exit 5", {}, { input: "x".repeat(100_000) }),
    expect: (outcome) => said(outcome, "", 5)
  },
  "one that dies at once": {
    job: { command: ["true"], options: { input: "x".repeat(1_000_000) } },
    expect: (outcome) => said(outcome, "")
  },
  "one that leaves a daemon behind, with its streams open": {
    job: sh("(setsid sleep 1000 &) ; (trap '' TERM HUP INT; sleep 1000) & echo started"),
    expect: (outcome) => said(outcome, "started\n")
  },
  "one that takes too long, and ignores what asks it to end": {
    job: sh("trap '' TERM INT HUP; echo on; while :; do sleep 1; done", { limits: { time: "1 second" } }),
    expect: (outcome) => {
      killed(outcome, { timedOut: true })
      assert.strictEqual(good(outcome).stdout, "on\n")
    }
  },
  "one that has stopped itself, and its children": {
    job: sh("sh -c 'kill -STOP $$' & kill -STOP $$; sh -c 'kill -STOP $$'", { limits: { time: "1 second" } }),
    expect: (outcome) => killed(outcome, { timedOut: true })
  },
  "one that makes more processes than it may": {
    job: sh("i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done; echo all", { limits: { processes: 10 } }),
    expect: (outcome) => {
      const { exitCode, stderr, stdout } = good(outcome)
      assert.strictEqual(stdout, "")
      assert.notStrictEqual(exitCode, 0)
      assert.match(stderr, /fork/i)
    }
  },
  "one that writes a larger file than it may": {
    job: sh("head -c 3000000 /dev/zero > /tmp/x; echo $?", { limits: { fileSize: "1 MiB" } }),
    expect: (outcome) => said(outcome, "153\n")
  },
  "one that opens more files than it may": {
    job: sh("exec 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0; echo no", { limits: { files: 8 } }),
    expect: (outcome) => assert.strictEqual(good(outcome).stdout, "")
  },
  "one that uses up its memory: it, or its child, is ended for it, or the limit is refused by name": {
    job: sh("sh -c 'head -c 60000000 /dev/zero > /tmp/x'; exit 0", {
      tmp: "200 MiB",
      limits: { memory: "20 MiB" }
    }),
    expect: (outcome, caller) => {
      if (caller === "root") return assert.isTrue(good(outcome).outOfMemory, JSON.stringify(outcome))
      const { advice, error, message } = bad(outcome)
      assert.strictEqual(error, "SandboxUnavailable")
      assert.match(message, /^limits\.memory can't be had here: /)
      assert.include(advice!, "ifPossible")
    }
  },
  "tells what it has used, children of children among it": {
    job: sh("sh -c 'head -c 40000000 /dev/zero | sha256sum'; sync"),
    expect: (outcome, caller) => {
      const { cpu, io, maxMemory, processes } = good(outcome).usage
      assert.isAbove(cpu!, 0, "cpu")
      assert.isAbove(maxMemory!, 300_000, "maxMemory")
      assert.isAtLeast(io!.read, 0, "io.read")
      assert.isAtLeast(io!.written, 0, "io.written")
      if (caller === "user") assert.isUndefined(processes)
      else if (processes !== undefined) assert.isAtLeast(processes, 3)
    }
  },
  "limits that are asked for if possible": {
    job: sh("echo on", { limits: { memory: Sandbox.ifPossible("64 MiB"), cpus: Sandbox.ifPossible(0.5) } }),
    expect: (outcome, caller) => {
      said(outcome, "on\n")
      if (caller === "root") assert.isAbove(good(outcome).usage.maxMemory!, 0)
    }
  }
}

describe.skipIf(missing !== undefined || !usersMay())("a sandbox", () => {
  let sandboxes: Sandboxes
  const outcomes = new Map<Caller, ReadonlyArray<Outcome>>()
  beforeAll(async () => {
    sandboxes = makeSandboxes("runfx-sandboxes")
    shared = sandboxes.shared
    for (const directory of ["files", "upper/etc", "lower/etc", "lower/bin", ...callers]) {
      fs.mkdirSync(`${shared}/${directory}`, { recursive: true })
    }
    fs.chownSync(`${shared}/user`, userId, userId)
    fs.writeFileSync(`${shared}/files/sandbox-root`, "a file\n")
    for (const layer of ["upper", "lower"]) fs.writeFileSync(`${shared}/${layer}/etc/which`, `${layer}\n`)
    for (const applet of ["busybox", "sh", "cat", "echo"]) {
      fs.copyFileSync("/bin/busybox", `${shared}/lower/bin/${applet}`)
    }
    for (const caller of callers) {
      const jobs = Object.values(rows).map(({ job }) => typeof job === "function" ? job(caller) : job)
      outcomes.set(caller, await sandboxes.run(caller, jobs))
    }
  })
  afterAll(() => sandboxes.remove())

  describe.each(callers)("of %s", (caller) => {
    it.each(Object.keys(rows))("%s", (name) => {
      const outcome = outcomes.get(caller)![Object.keys(rows).indexOf(name)]!
      rows[name]!.expect(outcome, caller)
    })

    it("leaves nothing behind", () => {
      assert.deepStrictEqual(
        sandboxes.left(caller),
        []
      )
    })
  })
})
