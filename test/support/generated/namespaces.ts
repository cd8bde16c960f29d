/** Namespaces that are made and joined. */
import * as fc from "fast-check"
import { CLONE, O, PR } from "../../../src/native/constants.ts"
import { cwd } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { becomeSomebody, call, from, here, type Steps, weighted } from "./parts.ts"
import { fds, flags, inFork, keep, maps, names, nothing, prctl, sequence, someSet, writing, zero } from "./sequences.ts"

const newNamespaces = flags(
  CLONE.NEWUSER,
  CLONE.NEWUTS,
  CLONE.NEWIPC,
  CLONE.NEWNS,
  CLONE.NEWPID,
  CLONE.NEWCGROUP,
  CLONE.NEWTIME
)

export const forkFlags = flags(CLONE.NEWUSER, CLONE.NEWUTS, CLONE.NEWIPC, CLONE.NEWNS, CLONE.NEWPID)

export const namespaceStep: Steps = weighted(
  [4, call("unshare", { flags: newNamespaces })],
  [
    4,
    keep("openat", {
      dirfd: here,
      path: from("uts", "user", "ipc", "mnt", "pid", "pid_for_children", "cgroup", "time").map((name) =>
        `/proc/self/ns/${name}`
      ),
      flags: fc.constant(O.RDONLY),
      mode: zero
    }, names)
  ],
  [
    5,
    call("setns", {
      fd: fds,
      nstype: fc.oneof({ weight: 3, arbitrary: zero as fc.Arbitrary<number> }, {
        weight: 1,
        arbitrary: from<number>(CLONE.NEWUTS, CLONE.NEWUSER, CLONE.NEWNS)
      })
    })
  ],
  [3, call("sethostname", { name: from("one", "two", "three") })],
  [1, call("setdomainname", { name: from("d", "") })],
  [1, call("uname", {}, { see: ["nodename", "domainname"] })],
  [2, writing("/proc/self/uid_map", maps)],
  [2, writing("/proc/self/gid_map", maps)],
  [1, writing("/proc/self/setgroups", from("deny", "allow"))],
  [1, becomeSomebody],
  [1, prctl(PR.SET_DUMPABLE, fc.constant(1))],
  [1, call("capset", { effective: someSet, permitted: someSet, inheritable: fc.constant(0n) })],
  [
    1,
    call("mount", {
      source: fc.constant("tmpfs"),
      target: from("a", "/mnt"),
      type: fc.constant("tmpfs"),
      flags: zero,
      data: nothing
    })
  ],
  [1, call("mkdirat", { dirfd: here, path: fc.constant("a"), mode: fc.constant(0o755) })],
  [1, call("chroot", { path: from("a", "/") })],
  [1, call("getresuid", {}, see)],
  [1, call("close", { fd: fds })]
)

export const namespaces = sequence(
  fc.oneof({ weight: 12, arbitrary: namespaceStep }, { weight: 1, arbitrary: inFork(forkFlags, namespaceStep) }),
  [line("openat", { dirfd: cwd, path: "/proc/self/ns/uts", flags: 0, mode: 0 }, as("f"))],
  10
)
