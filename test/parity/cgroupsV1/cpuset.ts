/** Which processors and memory nodes. */
import { type Scenario } from "../../support/parityLines.ts"
import { end, fork, line, mkdir, readFile, rmdir, see, sleeper, write } from "../../support/vocabulary.ts"
import { at, put, values, within } from "./lines.ts"

export const cpuset: Readonly<Record<string, Scenario>> = {
  "a new cpuset takes nobody": within("cpuset", [], [
    ...readFile(at("cpuset", "/cpuset.cpus")),
    ...readFile(at("cpuset", "/cpuset.effective_cpus")),
    fork(0, [
      ...write(at("cpuset", "/cgroup.procs"), "0"),
      ...write(at("cpuset", "/cpuset.cpus"), "0"),
      ...write(at("cpuset", "/cgroup.procs"), "0"),
      ...write(at("cpuset", "/cpuset.mems"), "0"),
      ...write(at("cpuset", "/cgroup.procs"), "0")
    ])
  ]),
  "what cpuset.cpus takes": within(
    "cpuset",
    [],
    values(
      at("cpuset", "/cpuset.cpus"),
      "0",
      "5",
      "0,5",
      "0-1",
      "1-0",
      "x",
      "",
      "0-",
      "0,",
      "-1",
      " 1 ",
      "999999",
      "all",
      "0 1",
      "1,1",
      "\n"
    )
  ),
  "what cpuset.mems takes": within(
    "cpuset",
    [],
    values(at("cpuset", "/cpuset.mems"), "0", "1", "0-1", "x", "1024", "\n")
  ),
  "a cpuset has no more than its parent": within("cpuset", ["/a"], [
    ...write(at("cpuset", "/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/a/cpuset.mems"), "0"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...write(at("cpuset", "/a/cpuset.mems"), "0"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "0"),
    ...readFile(at("cpuset", "/a/cpuset.effective_cpus")),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/cpuset.cpus"), "\n"),
    ...write(at("cpuset", "/cpuset.cpus"), "0-1")
  ]),
  "a cpuset with processes is not emptied": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...sleeper("child"),
    ...put(at("cpuset", "/cgroup.procs"), "child"),
    ...write(at("cpuset", "/cpuset.cpus"), "\n"),
    ...write(at("cpuset", "/cpuset.mems"), "\n"),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...end("child")
  ]),
  "processes have the processors of their cpuset": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...sleeper("child"),
    ...put(at("cpuset", "/cgroup.procs"), "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...put("/sys/fs/cgroup/cpuset/cgroup.procs", "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...end("child")
  ]),
  "a clone of the parent's cpuset": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...write(at("cpuset", "/cgroup.clone_children"), "1"),
    mkdir(at("cpuset", "/a")),
    ...readFile(at("cpuset", "/a/cpuset.cpus")),
    ...readFile(at("cpuset", "/a/cpuset.mems")),
    rmdir(at("cpuset", "/a"))
  ]),
  "the root cpuset has all": [
    ...write("/sys/fs/cgroup/cpuset/cpuset.cpus", "0"),
    ...readFile("/sys/fs/cgroup/cpuset/cpuset.cpus")
  ],
  "an exclusive cpuset overlaps with no sibling": within("cpuset", ["/a", "/a/x", "/a/y"], [
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/a/x/cpuset.cpu_exclusive"), "1"),
    ...write(at("cpuset", "/a/x/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/y/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/x/cpuset.mem_exclusive"), "x")
  ])
}
