/** Names of the machine: sethostname(2), setdomainname(2), uname(2), and who may change them. */
import { CLONE, O } from "../../src/native/constants.ts"
import { type Scenario } from "../support/parityLines.ts"
import {
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  open,
  openGate,
  pass,
  readFile,
  see,
  start,
  uids,
  write
} from "../support/vocabulary.ts"

const host = line("uname", {}, { see: "nodename" })
const domain = line("uname", {}, { see: "domainname" })
const name = (text: string) => line("sethostname", { name: text })
const domainName = (text: string) => line("setdomainname", { name: text })

export const uts: Readonly<Record<string, Scenario>> = {
  "a name has at most 64 bytes": [
    name("x".repeat(64)),
    host,
    name("x".repeat(65)),
    name("ü".repeat(32)),
    host,
    name("ü".repeat(33)),
    domainName("x".repeat(64)),
    domainName("x".repeat(65)),
    domain
  ],
  "a name may be empty": [name(""), host, domainName(""), domain],
  "a name may have any letters": [name("a b/c:ü\n"), host],
  "the names show in /proc/sys": [
    name("box"),
    domainName("example"),
    ...readFile("/proc/sys/kernel/hostname"),
    ...readFile("/proc/sys/kernel/domainname")
  ],
  "a name can be written to /proc/sys": [
    ...write("/proc/sys/kernel/hostname", "one"),
    host,
    ...write("/proc/sys/kernel/hostname", "two\n"),
    host,
    ...write("/proc/sys/kernel/domainname", "three\nfour"),
    domain,
    ...write("/proc/sys/kernel/hostname", "x".repeat(70)),
    host,
    ...write("/proc/sys/kernel/hostname", "\n"),
    host
  ],
  "a second write to the same descriptor": [
    open("/proc/sys/kernel/hostname", O.RDWR, "file"),
    line("write", { fd: "$file", data: "one" }, see),
    line("write", { fd: "$file", data: "two" }, see),
    host,
    line("read", { fd: "$file", count: 100 }, see)
  ],
  "a new namespace begins with the names of the old one": [
    name("old"),
    fork(CLONE.NEWUTS, [host, name("new"), host]),
    host
  ],
  "a namespace is shared by fork": [name("old"), fork(0, [name("new")]), host],
  "an own namespace by unshare": [
    name("old"),
    fork(0, [line("unshare", { flags: CLONE.NEWUTS }), host, name("new"), ...readFile("/proc/sys/kernel/hostname")]),
    host
  ],
  "names take CAP_SYS_ADMIN": [
    fork(0, [
      uids(1000),
      name("x"),
      domainName("x"),
      name("x".repeat(65)),
      host.see === undefined ? host : line("uname", {})
    ])
  ],
  "root of a user namespace can't name a namespace that it does not own": [
    name("old"),
    fork(CLONE.NEWUSER, [name("new"), domainName("new")]),
    host
  ],
  "root of a user namespace names its own": [
    name("old"),
    fork(CLONE.NEWUSER | CLONE.NEWUTS, [name("new"), host, domainName("inside"), domain]),
    host
  ],
  "what unshare gives a user namespace it owns": [
    fork(0, [line("unshare", { flags: CLONE.NEWUSER | CLONE.NEWUTS }), name("new"), host]),
    fork(0, [
      line("unshare", { flags: CLONE.NEWUSER }),
      name("new"),
      line("unshare", { flags: CLONE.NEWUTS }),
      name("new"),
      host
    ])
  ],
  "the files of names ask who the caller is outside": [
    fork(CLONE.NEWUSER, [open("/proc/sys/kernel/hostname", O.WRONLY)]),
    fork(CLONE.NEWUSER | CLONE.NEWUTS, [...write("/proc/sys/kernel/hostname", "inside"), host]),
    fork(0, [
      gids(1000),
      uids(1000),
      open("/proc/sys/kernel/hostname", O.WRONLY),
      line("unshare", { flags: CLONE.NEWUSER | CLONE.NEWUTS }),
      open("/proc/sys/kernel/hostname", O.WRONLY),
      name("inside"),
      host
    ]),
    fork(0, [uids(1000), open("/proc/sys/kernel/hostname", O.RDONLY)])
  ],
  "a namespace is joined by descriptor": [
    gate("go"),
    gate("made"),
    start("other", CLONE.NEWUTS, [name("there"), openGate("made"), pass("go"), host]),
    pass("made"),
    name("here"),
    open("/proc/$other/ns/uts", O.RDONLY, "uts"),
    fork(0, [line("setns", { fd: "$uts", nstype: CLONE.NEWUTS }), host, name("changed")]),
    host,
    openGate("go"),
    join("other")
  ],
  "a descriptor keeps a namespace": [
    gate("go"),
    gate("made"),
    start("other", CLONE.NEWUTS, [name("there"), openGate("made"), pass("go")]),
    pass("made"),
    open("/proc/$other/ns/uts", O.RDONLY, "uts"),
    // the other may still have to tell its line
    line("nanosleep", { nanoseconds: 50_000_000n }),
    kill("$other", 9),
    join("other"),
    line("setns", { fd: "$uts", nstype: 0 }),
    host
  ],
  "a namespace of another user namespace takes rights there": [
    gate("go"),
    gate("made"),
    start("other", CLONE.NEWUSER | CLONE.NEWUTS, [name("there"), openGate("made"), pass("go"), host]),
    // else the name from outside could come before its own
    pass("made"),
    open("/proc/$other/ns/uts", O.RDONLY, "theirs"),
    open("/proc/self/ns/uts", O.RDONLY, "ours"),
    fork(0, [line("setns", { fd: "$theirs", nstype: 0 }), name("changed")]),
    fork(CLONE.NEWUSER, [line("setns", { fd: "$theirs", nstype: 0 }), line("setns", { fd: "$ours", nstype: 0 })]),
    fork(0, [uids(1000), line("setns", { fd: "$theirs", nstype: 0 }), line("setns", { fd: "$ours", nstype: 0 })]),
    openGate("go"),
    join("other")
  ]
}
