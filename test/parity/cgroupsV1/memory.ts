/** Limits of memory. */
import { type Scenario } from "../../support/parityLines.ts"
import { lookAt, mkdir, readFile, rmdir, write } from "../../support/vocabulary.ts"
import { at, values, within, writes } from "./lines.ts"

export const memory: Readonly<Record<string, Scenario>> = {
  "what a limit of memory takes": within(
    "memory",
    [],
    values(
      at("memory", "/memory.limit_in_bytes"),
      "-1",
      "0",
      "4096",
      "4097",
      "1M",
      "1G",
      "1g",
      "5k",
      "abc",
      "-2",
      "max",
      "1 M",
      "1Mx",
      " 8192\n"
    )
  ),
  "memory is not above memory and swap": within("memory", [], [
    ...write(at("memory", "/memory.limit_in_bytes"), "1M"),
    ...writes(at("memory", "/memory.memsw.limit_in_bytes"), "512k", "2M"),
    ...writes(at("memory", "/memory.limit_in_bytes"), "3M", "-1", "2M", "1M"),
    ...writes(at("memory", "/memory.memsw.limit_in_bytes"), "-1"),
    ...writes(at("memory", "/memory.limit_in_bytes"), "-1"),
    ...readFile(at("memory", "/memory.memsw.limit_in_bytes"))
  ]),
  "memory and swap are not limited first": within("memory", [], [
    ...write(at("memory", "/memory.memsw.limit_in_bytes"), "1M"),
    ...write(at("memory", "/memory.limit_in_bytes"), "1M"),
    ...write(at("memory", "/memory.memsw.limit_in_bytes"), "1M")
  ]),
  "groups below have limits of their own": within("memory", ["/a"], [
    ...write(at("memory", "/memory.limit_in_bytes"), "10M"),
    ...readFile(at("memory", "/a/memory.limit_in_bytes")),
    ...write(at("memory", "/a/memory.limit_in_bytes"), "20M")
  ]),
  "soft limits and swappiness": within("memory", [], [
    ...values(at("memory", "/memory.soft_limit_in_bytes"), "4096", "4097", "-1", "abc"),
    ...values(at("memory", "/memory.swappiness"), "0", "100", "200", "201", "-1", "abc", " 1")
  ]),
  "a new group takes swappiness and the oom switch over": within("memory", [], [
    ...write(at("memory", "/memory.swappiness"), "33"),
    ...write(at("memory", "/memory.oom_control"), "1"),
    mkdir(at("memory", "/a")),
    ...readFile(at("memory", "/a/memory.swappiness")),
    ...lookAt(at("memory", "/a/memory.oom_control"), /disable/),
    rmdir(at("memory", "/a"))
  ]),
  "the oom switch": within("memory", [], [
    ...values(at("memory", "/memory.oom_control"), "1", "0", "2", "x")
  ]),
  "hierarchies are for ever": within("memory", [], [
    ...writes(at("memory", "/memory.use_hierarchy"), "1", "0", "2"),
    ...readFile(at("memory", "/memory.use_hierarchy"))
  ]),
  "counters are reset by any write": within("memory", [], [
    ...writes(at("memory", "/memory.failcnt"), "0", "x"),
    ...writes(at("memory", "/memory.max_usage_in_bytes"), "0"),
    ...writes(at("memory", "/memory.usage_in_bytes"), "0"),
    ...writes(at("memory", "/memory.force_empty"), "0")
  ]),
  "the root has no limit": [
    ...write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1G"),
    ...write("/sys/fs/cgroup/memory/memory.oom_control", "1")
  ]
}
