/** Output, exit codes, and programs that are not there. */
import * as ChildProcess from "effect/process/ChildProcess"
import { type Scenario } from "../scenario.ts"
import { echo, says, shell } from "./commands.ts"

export const basics: Readonly<Record<string, Scenario>> = {
  "basic: a program's output and exit code are there": says(
    ChildProcess.make("sh", ["-c", "printf portable"]),
    "portable"
  ),
  "basic: arguments arrive one by one": says(ChildProcess.make("echo", ["hello", "a  b"]), "hello a  b\n"),
  "basic: a command is a template": says(ChildProcess.make`echo spawned`, "spawned\n"),
  "cwd: a command has its directory": says(ChildProcess.make("pwd", [], { cwd: "/tmp" }), "/tmp\n"),
  "cwd: a template has its directory": says(ChildProcess.make({ cwd: "/usr" })`pwd`, "/usr\n"),
  "env: a variable is there": says(shell("echo $A", { env: { A: "one" }, extendEnv: true }), "one\n"),
  "env: several are there": says(
    shell("echo $A-$B-$C", { env: { A: "1", B: "2", C: "3" }, extendEnv: true }),
    "1-2-3\n"
  ),
  "env: setEnv adds, and the later word counts": says(
    ChildProcess.setEnv(shell("echo $A-$B-$C", { env: { A: "1", B: "2" } }), { B: "new", C: "3" }),
    "1-new-3\n"
  ),
  "shell: sh -c expands": says(shell("echo $A", { env: { A: "expanded" } }), "expanded\n"),
  "shell: without one nothing is expanded": says(ChildProcess.make("echo", ["$HOME"], { shell: false }), "$HOME\n"),
  "shell: an empty text is none": says(ChildProcess.make("echo", ["$HOME"], { shell: "" }), "$HOME\n"),
  "shell: a pipeline of the shell's own": says(shell("echo hello | tr a-z A-Z"), "HELLO\n"),
  "shell: true joins the words for /bin/sh": says(
    ChildProcess.make("echo", ["$HOME;", "echo 2"], { shell: true }),
    "/tmp\n2\n"
  ),
  "template: words": says(echo, "hello\n"),
  "template: a text is one argument": says(ChildProcess.make`echo hello ${"a  world"}`, "hello a  world\n"),
  "template: a number": says(ChildProcess.make`echo count is ${42}`, "count is 42\n"),
  "template: a list is several arguments": says(ChildProcess.make`ls ${["-d", "-1"]} ${"/usr"}`, "/usr\n"),
  "template: several values": says(ChildProcess.make`echo ${"hello"} ${"world"}`, "hello world\n"),
  "template: with options": says(ChildProcess.make({ cwd: "/tmp" })`echo ${"test.txt"}`, "test.txt\n")
}
