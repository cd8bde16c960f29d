/** The value of a sandbox: what is wrong with it is told at once, and a preset can be extended. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { render } from "../../src/config/ConfigError.ts"
import { bind, type Description, ifPossible, layers, tmpfs } from "../../src/sandbox/Description.ts"
import { extend, make, problems } from "../../src/sandbox/Sandbox.ts"

const told = (description: unknown): ReadonlyArray<string> => problems(make(description as Description)).map(render)

describe("a description", () => {
  it("may leave out everything, or say everything", () => {
    assert.deepStrictEqual(told({}), [])
    assert.deepStrictEqual(
      told({
        root: layers("/a", "/b"),
        readOnly: false,
        writable: ["/job"],
        mounts: [bind("/data", { at: "/in", readOnly: true }), tmpfs("/scratch", { size: "1 GiB", executable: false })],
        hidden: ["/etc/hostname"],
        tmp: false,
        user: "nobody:nogroup",
        network: "none",
        limits: {
          memory: ifPossible("256 MiB"),
          swap: "1 GiB",
          cpus: 0.5,
          processes: 64,
          files: 128,
          fileSize: 1,
          time: "10 seconds",
          output: "1 MiB"
        },
        env: { A: "1", B: Redacted.make("secret") },
        inherit: ["LANG"],
        cwd: "/job",
        hostname: "box",
        devices: ["/dev/fuse"],
        capabilities: ["NET_BIND_SERVICE", "CAP_KILL"],
        seccomp: { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] },
        noNewPrivileges: false,
        userNamespace: false
      }),
      []
    )
  })

  it.each<[string, unknown, RegExp]>([
    ["a bridge without a prefix", { network: { bridge: "br0", address: "10.0.0.2" } }, /^network\.address = .*\/24"$/],
    ["a bridge that is a path", { network: { bridge: "a/b" } }, /^network\.bridge = "a\/b": must be the name/],
    ["a bridge and a list", { network: { bridge: "br0", allow: [] } }, /^network\.allow = .*no key that is known here/],
    ["no object", 7, /^the description = 7: must be an object$/],
    ["a root that is a word", { root: "hots" }, /^root = "hots": must be "host", an absolute path/],
    ["no layers", { root: layers() }, /^root = .*: must have at least one directory$/],
    ["a relative layer", { root: layers("a") }, /^root\.directories\[0\] = "a": must be an absolute path$/],
    ["a mount of one's own making", { mounts: [{ at: "/x" }] }, /^mounts\[0\] = .*: must be made by bind or tmpfs$/],
    ["a misspelt key of a mount", { mounts: [bind("/x", { readonly: true } as object)] }, /did you mean "readOnly"\?$/],
    ["the root as a target", { mounts: [tmpfs("/")] }, /^mounts\[0\]\.at = "\/": must be below the root$/],
    ["a size that is a word", { tmp: "big" }, /^tmp = "big": must be a size above 0/],
    [
      "a size that may be left out",
      { limits: { memory: ifPossible("big") } },
      /^limits\.memory = "big": must be a size/
    ],
    ["half a process", { limits: { processes: 0.5 } }, /^limits\.processes = 0\.5: must be a whole number from 1/],
    ["an id that is none", { user: -1 }, /^user = -1: must be a whole number from 0/],
    ["a filter that is a word", { seccomp: "stric" }, /^seccomp = "stric": must be .*: did you mean "strict"\?$/],
    ["a variable without a name", { env: { "": "1" } }, /^env\[""\]: must have a name/]
  ])("%s is refused", (_, description, line) => {
    assert.lengthOf(told(description), 1)
    assert.match(told(description)[0]!, line)
  })

  it("shows no value of the environment", () => {
    const lines = told({ env: { TOKEN: 1234, PASSWORD: Redacted.make("se\0cret") } })
    assert.deepStrictEqual(lines, [
      "env.TOKEN: must be a text",
      "env.PASSWORD: must not contain a NUL character"
    ])
  })
})

describe("extend", () => {
  it("adds to lists, variables and limits, and takes the new word for the rest", () => {
    const base = make({ writable: ["/a"], env: { A: "1", B: "1" }, limits: { cpus: 1, files: 10 }, cwd: "/a" })
    const { description } = extend(base, { writable: ["/b"], env: { B: "2" }, limits: { cpus: 2 }, cwd: "/b" })
    assert.deepStrictEqual(description, {
      writable: ["/a", "/b"],
      env: { A: "1", B: "2" },
      limits: { cpus: 2, files: 10 },
      cwd: "/b"
    })
    assert.deepStrictEqual(base.description.writable, ["/a"])
  })

  it("is a step of a pipe as well", () => {
    assert.deepStrictEqual(extend({ cwd: "/b" })(make({ hostname: "box" })).description, { hostname: "box", cwd: "/b" })
  })
})
