/** What a program can do to a workspace, and to what is covered in it: run here as root, and in another process as a user. */
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as promises from "../../src/promise.ts"
import type { Scenario } from "./scenario.ts"

/** Files of a workspace: a text, a list for a directory, or where a link leads. */
type Files = Readonly<Record<string, string | { readonly link: string } | null>>

/** A workspace below the directory of the states, which is the caller's. */
const withFiles = async (stateRoot: string, files: Files, use: (top: string) => Promise<void>) => {
  const top = fs.mkdtempSync(path.join(stateRoot, "workspace-"))
  fs.chmodSync(top, 0o755)
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(top, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (content === null) fs.mkdirSync(file, { recursive: true })
    else if (typeof content === "string") fs.writeFileSync(file, content)
    else fs.symlinkSync(content.link, file)
  }
  try {
    await use(top)
  } finally {
    fs.rmSync(top, { recursive: true })
  }
}

const usual: Files = {
  "src/main.js": "code",
  ".git/config": "history",
  ".env": "SECRET=top",
  "packages/a/.git/config": "history of a",
  "packages/a/.env": "SECRET=of a",
  "packages/a/lib/.env": "SECRET=of lib"
}

const lines = (stdout: string): ReadonlyArray<string> => stdout.split("\n").filter((line) => line !== "")

/** Scenarios of workspaces. */
export const workspaces: Readonly<Record<string, Scenario>> = {
  "it can be written, and nothing else": ({ stateRoot }) =>
    withFiles(stateRoot, usual, async (top) => {
      fs.writeFileSync(path.join(stateRoot, "beside"), "of the host")
      const box = promises.workspace(top)
      const { exitCode, stderr, stdout } = await box.run(
        `pwd; cat src/main.js; echo; echo new > made; mkdir -p d/e; echo x > d/e/f; mv d g; ls ..
         cat ../beside; echo y > ../beside; echo z > /usr/z; echo kept > /tmp/t; cat /tmp/t; echo $HOME; ls -A $HOME; echo kept at home > $HOME/.file; cat ~/.file; env | grep TOKEN`,
        { stateRoot }
      )
      assert.deepEqual(
        lines(stdout),
        [top, "code", path.basename(top), "kept", "/home/sandbox", "kept at home"],
        stderr
      )
      assert.equal(exitCode, 1)
      assert.equal(fs.readFileSync(path.join(top, "made"), "utf8"), "new\n")
      assert.equal(fs.readFileSync(path.join(top, "g/e/f"), "utf8"), "x\n")
      assert.equal(fs.readFileSync(path.join(stateRoot, "beside"), "utf8"), "of the host")
      const [made, owner] = [fs.statSync(path.join(top, "made")), fs.statSync(top)]
      assert.deepEqual([made.uid, made.gid], [owner.uid, owner.gid])
      fs.rmSync(path.join(stateRoot, "beside"))
    }),
  "a home is its user's, and nobody else's, whoever that is": async ({ stateRoot }) => {
    for (const user of ["daemon", "1234:77"]) {
      const { stderr, stdout } = await promises.run(
        "stat -c %a,%u,%g ~ /proc/self/; cd; echo kept > file; cat file",
        { home: "1 MiB", user, stateRoot }
      )
      const [home, own, kept] = lines(stdout)
      assert.deepEqual([home?.replace(/^700,/, ""), kept], [own?.replace(/^555,/, ""), "kept"], stderr)
    }
  },
  "what is hidden is empty wherever it is, by whatever way": ({ stateRoot }) =>
    withFiles(
      stateRoot,
      { ...usual, "to-env": { link: ".env" }, "to-parent": { link: "../../../../../.." }, "secrets/key.pem": "KEY" },
      async (top) => {
        fs.linkSync(path.join(top, ".env"), path.join(top, "other-name"))
        const box = promises.workspace(top, { hidden: [".env", "secrets/", "*.pem"], readOnly: [".git/"] })
        const { stdout } = await box.run(
          `cat .env packages/a/.env packages/a/lib/.env to-env other-name ./src/../.env to-parent${top}/.env /proc/self/cwd/.env
           cat /proc/self/root${top}/.env; ls -A secrets; cat secrets/key.pem
           mv packages moved; cat moved/a/.env; mv moved/a/lib elsewhere; cat elsewhere/.env
           ln .env hard && cat hard; ln -s .env soft; cat soft; cp .env copy; cat copy
           mv .env away; rm -f .env; rm -rf secrets; cat .env away; tar cf - . 2> /dev/null | grep -ac SECRET
           exec 3< .env; cat <&3; dd if=.env 2> /dev/null; find . -type f -exec cat {} + 2> /dev/null | grep -c SECRET`,
          { stateRoot }
        )
        assert.deepEqual(lines(stdout), ["0", "0"])
        assert.equal(fs.readFileSync(path.join(top, ".env"), "utf8"), "SECRET=top")
        assert.equal(fs.readFileSync(path.join(top, "elsewhere/.env"), "utf8"), "SECRET=of lib")
        assert.equal(fs.readFileSync(path.join(top, "secrets/key.pem"), "utf8"), "KEY")
      }
    ),
  "what is hidden stays so in the next sandbox, wherever the one before has moved it": ({ root, stateRoot }) =>
    withFiles(stateRoot, { "a/.env": "SECRET=of a", "b/.env": "SECRET=of b" }, async (top) => {
      const box = promises.workspace(top, { hidden: [".env", "*.pem"] })
      const refused = (message: RegExp) =>
        assert.rejects(box.run("true", { stateRoot }), { name: "InvalidSandboxError", message })
      /** What a program does, what the next start makes of it, and what undoes it. */
      const tried = async (program: string, check: () => Promise<unknown>, undo: string) => {
        assert.equal((await box.run(["bash", "-ec", program], { stateRoot })).exitCode, 0)
        try {
          await check()
        } finally {
          execFileSync("bash", ["-ec", undo], { cwd: top })
        }
      }
      await tried("mv a $'\\xff'", () => refused(/\(EILSEQ\)$/m), "mv $'\\xff' a")
      const name = "x".repeat(200)
      // no path leads so far: each directory is moved into a new one, which takes its name
      await tried(
        `mkdir ${name}; mv b ${name}/b; for i in {1..20}; do mkdir t; mv ${name} t/${name}; mv t ${name}; done`,
        () => refused(/\(ENAMETOOLONG\)$/m),
        `for i in {1..20}; do mv ${name} t; mv t/${name} ${name}; rmdir t; done; mv ${name}/b b; rmdir ${name}`
      )
      const key = Buffer.concat([Buffer.from(`${top}/`), Buffer.of(0xff), Buffer.from(".pem")])
      fs.writeFileSync(key, "KEY")
      await refused(/\(EILSEQ\)$/m)
      fs.rmSync(key)
      // root looks into it all the same
      if (root) return
      await tried(
        "chmod 000 a",
        async () => assert.doesNotMatch((await box.run("chmod 700 a; cat a/.env", { stateRoot })).stdout, /SECRET/),
        "chmod 755 a"
      )
    }),
  "what is read-only can't be written, removed, moved or replaced": ({ stateRoot }) =>
    withFiles(stateRoot, { ...usual, "ci/deploy.sh": "deploy" }, async (top) => {
      fs.linkSync(path.join(top, "ci/deploy.sh"), path.join(top, "other-name"))
      const box = promises.workspace(top, { readOnly: [".git/", "ci/deploy.sh"] })
      const { stdout } = await box.run(
        `cat .git/config packages/a/.git/config ci/deploy.sh; echo
         echo x > .git/config; echo x > .git/hook; mkdir .git/hooks; rm -rf .git; mv .git x; ln -s /tmp .git
         echo x > packages/a/.git/config; rm -rf packages; mv packages other; echo x > other/a/.git/config
         echo x > other-name; echo x > ci/deploy.sh; mv ci/deploy.sh ci/x; mv ci old; echo x > old/deploy.sh; chmod 777 .git
         echo x > /proc/self/cwd/.git/config; ln .git/config hard && echo x > hard; echo x >> .git/config`,
        { stateRoot }
      )
      assert.deepEqual(lines(stdout), ["historyhistory of adeploy"])
      assert.deepEqual(fs.readdirSync(path.join(top, ".git")), ["config"])
      assert.equal(fs.readFileSync(path.join(top, ".git/config"), "utf8"), "history")
      assert.equal(fs.readFileSync(path.join(top, "other/a/.git/config"), "utf8"), "history of a")
      assert.equal(fs.readFileSync(path.join(top, "old/deploy.sh"), "utf8"), "deploy")
    }),
  "what is not there is not made, and leaves no trace": ({ stateRoot }) =>
    withFiles(stateRoot, { "src/main.js": "code" }, async (top) => {
      const box = promises.workspace(top, { readOnly: [".git/", "ci/hooks/run.sh"], hidden: [".env", ".ssh/"] })
      const { stdout } = await box.run(
        `mkdir .git; mkdir .git/hooks; echo x > .git/config; mv .git x; rm -rf .git; rmdir .git; ln -s /tmp .git
         echo evil > .env; cat .env; rm -f .env; mv .env x; mkdir -p ci/hooks; echo x > ci/hooks/run.sh; rm -rf ci
         mkdir -p .ssh/x; cp src/main.js .ssh/; ls -A .git .ssh ci`,
        { stateRoot }
      )
      assert.deepEqual(lines(stdout), [".git:", ".ssh:", "ci:"])
      assert.deepEqual(fs.readdirSync(top), ["src"])
      // nor while what it wrote waits for a reader
      const unread = await box.spawn("echo word", { stateRoot })
      await unread.exit
      assert.deepEqual(fs.readdirSync(top), ["src"])
      await unread.close()
    }),
  "two sandboxes share a workspace: the one that ends first leaves the other's covers": ({ stateRoot }) =>
    withFiles(stateRoot, {}, async (top) => {
      const box = promises.workspace(top, { readOnly: [".git/"], hidden: [".env"] })
      const first = await box.spawn(["sleep", "infinity"], { stateRoot })
      const second = await box.spawn(["sleep", "infinity"], { stateRoot })
      await first.close()
      const { stderr } = await second.exec("mkdir .git/hooks; echo x > .git/config; rm -rf .git; echo x > .env; ls")
      assert.match(stderr, /Read-only file system/)
      assert.deepEqual(fs.readdirSync(top).toSorted(), [".env", ".git"])
      assert.deepEqual(fs.readdirSync(path.join(top, ".git")), [])
      await second.close()
      assert.deepEqual(fs.readdirSync(top), [])
      // one that was left by an application that was killed
      fs.mkdirSync(path.join(top, ".git"))
      fs.chmodSync(path.join(top, ".git"), 0o1500)
      await box.run("true", { stateRoot })
      assert.deepEqual(fs.readdirSync(top), [])
      // an empty directory of somebody else's stays
      fs.mkdirSync(path.join(top, ".git"))
      await box.run("true", { stateRoot })
      assert.deepEqual(fs.readdirSync(top), [".git"])
    }),
  "background jobs end with it, and its output keeps its end": ({ stateRoot }) =>
    withFiles(stateRoot, {}, async (top) => {
      const box = promises.workspace(top, { limits: { output: "1 kB" } })
      const { exitCode, stdout, truncated } = await box.run(
        "(while :; do echo on >> log; sleep 0.05; done) & until [ -s log ]; do sleep 0.05; done; seq 5000",
        { stateRoot }
      )
      assert.deepEqual([exitCode, truncated, stdout.length, stdout.endsWith("4999\n5000\n")], [0, true, 1000, true])
      const size = () => fs.statSync(path.join(top, "log")).size
      const before = size()
      await new Promise((resolve) => setTimeout(resolve, 300))
      assert.equal(size(), before)
    }),
  "links and what is none are refused by name": ({ stateRoot }) =>
    withFiles(stateRoot, { ".git": { link: "../elsewhere" }, "file": "" }, async (top) => {
      const refused = (options: promises.WorkspaceOptions, message: RegExp, at = top) =>
        assert.rejects(promises.workspace(at, options).run("true", { stateRoot }), {
          name: "InvalidSandboxError",
          message
        })
      await refused({}, /must not be protected by \.git, which is a link that the program could replace/)
      await refused({ readOnly: [] }, /^workspace\.directory = .*must be a directory on the host/, `${top}/file`)
      await refused({ readOnly: [] }, /^workspace\.directory = .*must be a directory on the host/, `${top}/none`)
      await refused({ readOnly: ["../x"] }, /^workspace\.readOnly\[0\] = "\.\.\/x": must be a name/)
      await refused({ hidden: ["/etc"] }, /^workspace\.hidden\[0\] = "\/etc": must be a name/)
      await refused({ hidden: ["a/*.pem"] }, /must have a \* in a name only/)
      // what a link leads to is hidden as well, and nothing of it is widened
      const { stdout } = await promises.workspace(top, { readOnly: [], hidden: [".git"] }).run("ls .git/; ls -A", {
        stateRoot
      })
      assert.deepEqual(lines(stdout), [".git", "file"])
    })
}
