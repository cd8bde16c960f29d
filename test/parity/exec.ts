/** execve(2): which files can be executed, and what becomes of ids, capabilities, signals and descriptors. */
import { AT, CLONE, F, MS, O, PR, RLIMIT, SIG, W } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import { elf, ending, file, sleeping } from "../support/programs.ts"
import {
  exit,
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  lookAt,
  mkdir,
  mount,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  see,
  start,
  symlink,
  uids,
  umount,
  unlink,
  waitFor,
  write
} from "../support/vocabulary.ts"

const execve = (path: string, argv: ReadonlyArray<string> = ["x"], envp: ReadonlyArray<string> = []) =>
  line("execve", { path, argv, envp })
const execAt = (dirfd: string | number, path: string, flags = 0, argv: ReadonlyArray<string> = ["x"]) =>
  line("execveat", { dirfd, path, argv, envp: [], flags })
/** Executes in a child, which ends with the program. */
const tryExec = (...args: Parameters<typeof execve>) => fork(0, [execve(...args)])

const proc = mount("proc", "/proc", "proc", 0)

/** As process 2 of a pid namespace: executes a program in a child, and looks at it from outside. */
const executed = (files: Scenario, prepare: Scenario, look: Scenario, last = execve("p")): Scenario => [
  ...files,
  fork(CLONE.NEWPID, [fork(0, [
    proc,
    start("child", 0, [...prepare, last]),
    join("child"),
    // it stops when it first gets to run: exec is over then
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    ...look,
    kill("$child", SIG.KILL),
    waitFor("$child")
  ])])
]

const status = lookAt("/proc/$child/status", /^(Name|Uid|Gid|Groups|Cap\w+|NoNewPrivs):/)
/** Whose the files of its /proc directory are, which tells whether it is dumpable. */
const dumpable = line("statx", { dirfd: cwd, path: "/proc/$child/status", flags: 0, mask: 0x7ff }, {
  see: ["uid", "gid"]
})

/** What credentials become. */
const becomes = (prepare: Scenario, mode = 0o755, owner: readonly [number, number] = [0, 0], more: Scenario = []) =>
  executed([...file("p", sleeping, mode, owner), ...more], prepare, [...status, dumpable])

const set = (...capabilities: ReadonlyArray<number>): bigint =>
  capabilities.reduce((bits, capability) => bits | 1n << BigInt(capability), 0n)
const capset = (effective: bigint, permitted: bigint, inheritable: bigint) =>
  line("capset", { effective, permitted, inheritable })
const raise = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, capability)
const drop = (capability: number) => prctl(PR.CAPBSET_DROP, capability)
const user = (id: number, groups: ReadonlyArray<number> = []): Scenario => [
  gids(id),
  line("setgroups", { groups }),
  uids(id)
]
/** A user with capabilities that outlast nothing, or that are ambient. */
const capableUser = (
  id: number,
  permitted: bigint,
  inheritable = 0n,
  ambient: ReadonlyArray<number> = []
): Scenario => [
  prctl(PR.SET_KEEPCAPS, 1),
  ...user(id),
  capset(permitted, permitted, inheritable),
  ...ambient.map(raise)
]
const nnp = prctl(PR.SET_NO_NEW_PRIVS, 1)

const root: Readonly<Record<string, Scenario>> = {
  "root gets its capabilities back": becomes([capset(0n, 0n, 0n)]),
  "root gets what the bounding set holds": becomes([drop(5), drop(21)]),
  "root gets what is inheritable, though it is not bounding": becomes([
    capset(set(5, 8), set(5, 8), set(5)),
    drop(5)
  ]),
  "root without privilege as such gets nothing": becomes([prctl(PR.SET_SECUREBITS, 1)]),
  "root without privilege as such keeps what is ambient": becomes([
    prctl(PR.SET_SECUREBITS, 1),
    capset(set(5, 6), set(5, 6), set(5)),
    raise(5)
  ]),
  "a real uid of root: permitted, not effective": becomes([line("setresuid", { ruid: 0, euid: 1000, suid: 1000 })]),
  "an effective uid of root: permitted and effective": becomes([
    line("setresuid", { ruid: 1000, euid: 0, suid: 0 })
  ]),
  "a saved uid of root alone: nothing": becomes([line("setresuid", { ruid: 1000, euid: 1000, suid: 0 })]),
  "exec makes the saved ids the effective ones": becomes([
    line("setresgid", { rgid: 5, egid: 6, sgid: 7 }),
    line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 })
  ]),
  "root with no_new_privs gets nothing back": becomes([capset(set(5), set(5), 0n), nnp]),
  "root with no_new_privs keeps what it has": becomes([nnp]),
  "root's ambient capabilities stay": becomes([capset(set(5, 6), set(5, 6), set(5)), raise(5)])
}

const users: Readonly<Record<string, Scenario>> = {
  "a user's capabilities end with exec": becomes(capableUser(1000, set(5, 6))),
  "inheritable capabilities stay inheritable only": becomes(capableUser(1000, set(5, 6), set(5))),
  "ambient capabilities stay permitted and effective": becomes(capableUser(1000, set(5, 6), set(5, 6), [5])),
  "ambient capabilities stay under no_new_privs": becomes([...capableUser(1000, set(5, 6), set(5), [5]), nnp]),
  "keepcaps ends with exec": becomes([prctl(PR.SET_SECUREBITS, 0x11), ...user(1000)]),
  "groups stay": becomes(user(1000, [7, 5])),
  "a program that can't be read is not dumpable": becomes(user(1000), 0o711),
  "a program that can be read is dumpable": becomes([...user(1000), prctl(PR.SET_DUMPABLE, 0)], 0o755),
  "differing real and effective ids make a program undumpable": becomes([
    line("setresgid", { rgid: 5, egid: 6, sgid: 5 })
  ])
}

const setid: Readonly<Record<string, Scenario>> = {
  "set-user-id root for a user": becomes(user(1000), 0o4755),
  "set-user-id of a user for another": becomes(user(1000), 0o4755, [1001, 1001]),
  "set-user-id of the user itself": becomes(user(1000), 0o4755, [1000, 1000]),
  "set-user-id of a user for root": becomes([], 0o4755, [1001, 1001]),
  "set-group-id": becomes(user(1000), 0o2755, [1001, 1001]),
  "set-group-id without execute permission for the group": becomes(user(1000), 0o2745, [1001, 1001]),
  "set-group-id of one's supplementary group": becomes(user(1000, [1001]), 0o2755, [1001, 1001]),
  "both": becomes(user(1000), 0o6755, [1001, 1002]),
  "set-user-id ends ambient capabilities": becomes(capableUser(1000, set(5, 6), set(5), [5]), 0o4755, [1001, 1001]),
  "set-user-id of oneself does not end ambient capabilities": becomes(
    capableUser(1000, set(5, 6), set(5), [5]),
    0o4755,
    [1000, 1000]
  ),
  "set-group-id ends ambient capabilities": becomes(capableUser(1000, set(5, 6), set(5), [5]), 0o2755, [1001, 1001]),
  "set-group-id of one's own group does not": becomes(
    [...capableUser(1000, set(5, 6), set(5), [5])],
    0o2755,
    [1001, 1000]
  ),
  "set-user-id under no_new_privs": becomes([...user(1000), nnp], 0o6755),
  "set-user-id without privilege for root": becomes([
    prctl(PR.SET_SECUREBITS, 1),
    prctl(PR.SET_KEEPCAPS, 1),
    ...user(1000)
  ], 0o4755),
  "set-user-id root where capabilities are left": becomes(capableUser(1000, set(5, 8)), 0o4755),
  "set-user-id root with a smaller bounding set": becomes([drop(21), ...user(1000)], 0o4755),
  "set-user-id on a nosuid mount": executed(
    [mkdir("m"), mount("tmpfs", "m", "tmpfs", MS.NOSUID), ...file("m/p", sleeping, 0o6755)],
    user(1000),
    [...status, dumpable],
    execve("m/p")
  ),
  "set-user-id after the mount became nosuid": executed(
    [
      mkdir("m"),
      mount("tmpfs", "m", "tmpfs", 0),
      ...file("m/p", sleeping, 0o6755),
      mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.NOSUID)
    ],
    user(1000),
    [...status],
    execve("m/p")
  ),
  "set-user-id through a mount namespace that one has left": executed(
    file("p", sleeping, 0o4755),
    [open("p", O.PATH, "held"), line("unshare", { flags: CLONE.NEWNS }), ...user(1000)],
    status,
    execAt("$held", "", AT.EMPTY_PATH)
  ),
  "set-user-id with shared directories": [
    ...file("p", sleeping, 0o4755),
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("never"),
      start("child", 0, [...user(1000), start("other", CLONE.FS, [pass("never")]), execve("p")]),
      join("child"),
      ...readFile("/proc/$child/environ"),
      ...status
    ])])
  ],
  "set-user-id in a user namespace": executed(
    file("p", sleeping, 0o6755, [1000, 1000]),
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1\n1 1000 1\n"),
      ...write("/proc/self/gid_map", "0 0 1\n1 1000 1\n")
    ],
    [...status, dumpable]
  ),
  "set-user-id of an owner without a name in the user namespace": executed(
    file("p", sleeping, 0o6755, [1000, 1000]),
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1\n"),
      ...write("/proc/self/gid_map", "0 0 1\n")
    ],
    [...status, dumpable]
  ),
  "set-user-id clamps the stack limit": executed(
    file("p", sleeping, 0o4755),
    [line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 24n, hard: 1n << 25n } }), ...user(1000)],
    [line("prlimit64", { pid: "$child", resource: RLIMIT.STACK, limit: null }, see)]
  ),
  "an ordinary program keeps the stack limit": executed(
    file("p", sleeping),
    [line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 24n, hard: 1n << 25n } }), ...user(1000)],
    [line("prlimit64", { pid: "$child", resource: RLIMIT.STACK, limit: null }, see)]
  )
}

/** The value of `security.capability`: version 2, or 3 with the root of a user namespace. */
const fileCaps = (effective: boolean, permitted: bigint, inheritable = 0n, rootid?: number): Uint8Array => {
  const out = new Uint8Array(rootid === undefined ? 20 : 24)
  const view = new DataView(out.buffer)
  view.setUint32(0, (rootid === undefined ? 0x02000000 : 0x03000000) | (effective ? 1 : 0), true)
  view.setUint32(4, Number(permitted & 0xffffffffn), true)
  view.setUint32(8, Number(inheritable & 0xffffffffn), true)
  view.setUint32(12, Number(permitted >> 32n), true)
  view.setUint32(16, Number(inheritable >> 32n), true)
  if (rootid !== undefined) view.setUint32(20, rootid, true)
  return out
}
const setCaps = (path: string, value: Uint8Array) => line("setxattr", { path, name: "security.capability", value })

const caps: Readonly<Record<string, Scenario>> = {
  "file capabilities for a user": becomes(user(1000), 0o755, [0, 0], [setCaps("p", fileCaps(true, set(5, 10)))]),
  "file capabilities that are not effective": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(false, set(5, 10)))
  ]),
  "file capabilities that are inheritable": becomes(capableUser(1000, set(5, 6), set(5, 6)), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, 0n, set(5, 10)))
  ]),
  "file capabilities beyond the bounding set, effective: EPERM": [
    ...file("p", ending),
    setCaps("p", fileCaps(true, set(5, 10))),
    fork(0, [drop(5), ...user(1000), execve("p")])
  ],
  "file capabilities beyond the bounding set, not effective": becomes([drop(5), ...user(1000)], 0o755, [0, 0], [
    setCaps("p", fileCaps(false, set(5, 10)))
  ]),
  "file capabilities end ambient ones": becomes(capableUser(1000, set(5, 6), set(5, 6), [6]), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities under no_new_privs": becomes([...user(1000), nnp], 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities for root": becomes([drop(21)], 0o755, [0, 0], [setCaps("p", fileCaps(true, set(5)))]),
  "file capabilities that are empty, for root": becomes([], 0o755, [0, 0], [setCaps("p", fileCaps(false, 0n))]),
  "file capabilities and set-user-id root, for a user": becomes(user(1000), 0o4755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities on a nosuid mount": executed(
    [
      mkdir("m"),
      mount("tmpfs", "m", "tmpfs", MS.NOSUID),
      ...file("m/p", sleeping),
      setCaps("m/p", fileCaps(true, set(5)))
    ],
    user(1000),
    status,
    execve("m/p")
  ),
  "file capabilities of a script are nothing": executed(
    [
      ...file("p", sleeping),
      ...file("s", "#!/mnt/p\n"),
      setCaps("s", fileCaps(true, set(5)))
    ],
    user(1000),
    status,
    execve("s")
  ),
  "file capabilities of root of another namespace": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5), 0n, 1000))
  ]),
  "file capabilities of root itself, by name": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5), 0n, 0))
  ]),
  "file capabilities must be well-formed": [
    ...file("p", sleeping),
    setCaps("p", new Uint8Array()),
    setCaps("p", Uint8Array.of(0, 0, 0, 2)),
    setCaps("p", fileCaps(true, 0n).slice(0, 19)),
    setCaps("p", Uint8Array.from([...fileCaps(true, 0n), 0, 0, 0, 0])),
    setCaps("p", fileCaps(true, 0n, 0n, 5).slice(0, 20)),
    setCaps("missing", fileCaps(true, 0n)),
    tryExec("p")
  ],
  "file capabilities are given with CAP_SETFCAP": [
    ...file("p", sleeping),
    fork(0, [capset(set(31), set(31), 0n), setCaps("p", fileCaps(true, set(5)))]),
    fork(0, [capset(set(21), set(21), 0n), setCaps("p", fileCaps(true, set(5)))]),
    fork(0, [capset(0n, 0n, 0n), setCaps("p", new Uint8Array(3))])
  ],
  "file capabilities go when the file changes hands": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5))),
    line("fchownat", { dirfd: cwd, path: "p", uid: 1000, gid: -1, flags: 0 })
  ]),
  "file capabilities and set-user-id go when the file is written": [
    ...file("p", sleeping, 0o6755),
    setCaps("p", fileCaps(true, set(5))),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o6757 }),
    fork(0, [
      ...user(1000),
      open("p", O.WRONLY, "writer"),
      line("write", { fd: "$writer", data: sleeping })
    ]),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: "mode" }),
    ...executed([], user(1000), status)
  ],
  "set-user-id goes with a truncation by somebody else": [
    ...file("p", sleeping, 0o6777),
    fork(0, [...user(1000), open("p", O.WRONLY | O.TRUNC)]),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: ["mode", "size"] })
  ],
  "set-user-id stays when root writes": [
    ...file("p", sleeping, 0o6755),
    open("p", O.WRONLY, "writer"),
    line("write", { fd: "$writer", data: sleeping }),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: "mode" })
  ],
  "file capabilities given in a user namespace count in it": executed(
    [...file("p", sleeping, 0o755, [1000, 1000])],
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 1000 1\n1 1001 5\n"),
      ...write("/proc/self/gid_map", "0 1000 1\n1 1001 5\n"),
      gids(0),
      uids(0),
      setCaps("p", fileCaps(true, set(5))),
      setCaps("p", fileCaps(true, set(5), 0n, 4000)),
      gids(1),
      uids(1)
    ],
    [...status]
  ),
  "file capabilities given in a user namespace do not count outside": [
    ...file("p", sleeping, 0o755, [1000, 1000]),
    fork(0, [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 1000 1\n"),
      ...write("/proc/self/gid_map", "0 1000 1\n"),
      setCaps("p", fileCaps(true, set(5)))
    ]),
    ...executed([], user(1000), status)
  ]
}

const formats: Readonly<Record<string, Scenario>> = {
  "a static program": [...file("p", ending), tryExec("p"), tryExec("./p"), tryExec("/mnt/p")],
  "what is no program": [
    ...file("empty", ""),
    ...file("text", "echo hello\n"),
    ...file("short", Uint8Array.of(0x7f, 0x45, 0x4c)),
    ...file("object", elf([], { type: 1 })),
    ...file("core", elf([], { type: 4 })),
    ...file("machine", elf([], { machine: 8 })),
    ...file("cut", ending.slice(0, 100)),
    ...["empty", "text", "short", "object", "core", "machine", "cut"].map((path) => tryExec(path))
  ],
  "a dynamic program needs its linker": [
    ...file("missing", elf([], { interpreter: "/mnt/ld.so" })),
    tryExec("missing"),
    ...file("ld.so", "text", 0o644),
    tryExec("missing"),
    line("fchmodat", { dirfd: cwd, path: "ld.so", mode: 0o755 }),
    tryExec("missing"),
    ...file("long.so", "text".repeat(20)),
    ...file("long", elf([], { interpreter: "/mnt/long.so" })),
    tryExec("long"),
    ...file("none", elf([], { interpreter: "" })),
    tryExec("none"),
    mkdir("dir"),
    ...file("strange", elf([], { interpreter: "/mnt/dir" })),
    tryExec("strange"),
    ...file("below", elf([], { interpreter: "/mnt/ld.so/x" })),
    tryExec("below")
  ],
  "execute permission is somebody's, also for root": [
    ...file("p", ending, 0o644),
    tryExec("p"),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o641 }),
    tryExec("p"),
    fork(0, [...user(1000), execve("p")]),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o711 }),
    fork(0, [...user(1000), execve("p")]),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o744 }),
    fork(0, [...user(1000), execve("p")])
  ],
  "a directory on the way must be searchable": [
    mkdir("d", 0o700),
    ...file("d/p", ending),
    tryExec("d/p"),
    fork(0, [...user(1000), execve("d/p")])
  ],
  "only files are executed": [
    mkdir("d"),
    line("mknodat", { dirfd: cwd, path: "fifo", mode: 0o10755, major: 0, minor: 0 }),
    line("mknodat", { dirfd: cwd, path: "null", mode: 0o20777, major: 1, minor: 3 }),
    tryExec("d"),
    tryExec("fifo"),
    tryExec("null"),
    tryExec("."),
    tryExec("/proc/self/status"),
    tryExec("/proc/self/ns/uts")
  ],
  "noexec": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    ...file("m/p", ending),
    ...file("m/s", "#!/mnt/q\n"),
    ...file("q", ending),
    ...file("t", "#!/mnt/m/p\n"),
    tryExec("m/p"),
    tryExec("m/s"),
    tryExec("t"),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.NOEXEC),
    tryExec("m/p"),
    tryExec("m/s"),
    tryExec("t")
  ],
  "a file that is open for writing": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    open("p", O.RDONLY, "reader"),
    tryExec("p"),
    open("p", O.WRONLY, "writer"),
    tryExec("p"),
    tryExec("s"),
    line("close", { fd: "$writer" }),
    tryExec("p"),
    open("s", O.RDWR, "script"),
    tryExec("s"),
    line("close", { fd: "$script" }),
    tryExec("s")
  ],
  "a program that runs can't be written": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p\n")],
    [],
    [
      open("p", O.WRONLY),
      open("p", O.RDWR),
      open("p", O.RDONLY),
      open("p", O.RDONLY | O.TRUNC),
      open("s", O.WRONLY),
      open("/proc/$child/exe", O.WRONLY),
      open("/proc/$child/exe", O.RDONLY),
      unlink("p"),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see)
    ],
    execve("s")
  ),
  "a program that ended can be written": [
    ...file("p", ending),
    tryExec("p"),
    open("p", O.WRONLY)
  ],
  "paths": [
    ...file("p", ending),
    symlink("p", "link"),
    symlink("loop", "loop"),
    symlink("nothing", "dangling"),
    tryExec("link"),
    tryExec("loop"),
    tryExec("dangling"),
    tryExec("missing"),
    tryExec(""),
    tryExec("p/"),
    tryExec("p/x"),
    tryExec("x".repeat(256)),
    tryExec("x/".repeat(2048))
  ]
}

const scripts: Readonly<Record<string, Scenario>> = {
  "a script's interpreter": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    ...file("spaces", "#!  \t/mnt/p   \n"),
    ...file("relative", "#!p\n"),
    ...file("open", "#!/mnt/p"),
    ...["s", "spaces", "relative", "open"].map((path) => tryExec(path))
  ],
  "a script without an interpreter": [
    ...file("missing", "#!/mnt/nothing\n"),
    ...file("empty", "#!\n"),
    ...file("blank", "#!  \n"),
    ...file("end", "#!"),
    ...file("carriage", "#!/mnt/p\r\n"),
    ...file("p", ending),
    mkdir("d"),
    ...file("directory", "#!/mnt/d\n"),
    ...file("q", ending, 0o644),
    ...file("closed", "#!/mnt/q\n"),
    ...file("text", "hello"),
    ...file("format", "#!/mnt/text\n"),
    ...["missing", "empty", "blank", "end", "carriage", "directory", "closed", "format"].map((path) => tryExec(path))
  ],
  "the first line has 256 bytes": [
    ...file("p", ending),
    ...file("fits", `#!/${"/".repeat(246)}mnt/p\n`),
    ...file("cut", `#!/${"/".repeat(247)}mnt/p\n`),
    ...file("argument", `#!/mnt/p ${"x".repeat(300)}\n`),
    ...["fits", "cut", "argument"].map((path) => tryExec(path))
  ],
  "scripts of scripts, five deep": [
    ...file("0", ending),
    ...[1, 2, 3, 4, 5, 6].flatMap((depth) => file(`${depth}`, `#!/mnt/${depth - 1}\n`)),
    ...[1, 2, 3, 4, 5, 6].map((depth) => tryExec(`${depth}`)),
    ...file("self", "#!/mnt/self\n"),
    tryExec("self")
  ],
  "what the interpreter is given": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p  one two\tthree \n")],
    [],
    [
      ...readFile("/proc/$child/cmdline"),
      ...readFile("/proc/$child/comm"),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see)
    ],
    execve("./s", ["first", "second", "third"], ["A=1", "B=2"])
  ),
  "blanks at the end of a script without a newline are an argument": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p  ")],
    [],
    [...readFile("/proc/$child/cmdline")],
    execve("s")
  ),
  "what the interpreter of an interpreter is given": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p one\n"), ...file("t", "#!/mnt/s two\n")],
    [],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execve("t", ["first", "second"])
  ),
  "no arguments make an empty one": executed(
    file("p", sleeping),
    [],
    [...readFile("/proc/$child/cmdline")],
    execve("p", [])
  ),
  "set-user-id of a script is nothing, that of its interpreter counts": [
    ...executed(
      [...file("p", sleeping), ...file("s", "#!/mnt/p\n", 0o6755)],
      user(1000),
      [...status],
      execve("s")
    ),
    ...executed(
      [line("fchmodat", { dirfd: cwd, path: "p", mode: 0o4755 })],
      user(1000),
      [...status],
      execve("s")
    )
  ],
  "a script that can't be read": executed(
    [...file("p", sleeping), ...file("s", "#!/mnt/p\n", 0o711)],
    user(1000),
    [...status, dumpable],
    execve("s")
  )
}

const descriptors: Readonly<Record<string, Scenario>> = {
  "execveat by descriptor": [
    ...file("p", ending),
    mkdir("d"),
    ...file("d/q", ending),
    open("p", O.RDONLY, "p"),
    open("p", O.PATH, "path"),
    open("d", O.PATH, "d"),
    symlink("p", "link"),
    fork(0, [execAt("$p", "", AT.EMPTY_PATH)]),
    fork(0, [execAt("$path", "", AT.EMPTY_PATH)]),
    fork(0, [execAt("$d", "q")]),
    fork(0, [execAt("$d", "", AT.EMPTY_PATH)]),
    execAt("$p", ""),
    execAt("$p", "x"),
    execAt("$d", "missing"),
    execAt(480, "x"),
    execAt(480, "", AT.EMPTY_PATH),
    fork(0, [execAt(480, "/mnt/p")]),
    execAt("$d", "../link", AT.SYMLINK_NOFOLLOW),
    execAt("$d", "q", 0x40000),
    execAt("$d", "q", AT.REMOVEDIR)
  ],
  "a script by descriptor must outlive exec": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    open("s", O.RDONLY, "s"),
    open("s", O.RDONLY | O.CLOEXEC, "closed"),
    open("/mnt", O.PATH | O.CLOEXEC, "dir"),
    fork(0, [execAt("$s", "", AT.EMPTY_PATH)]),
    execAt("$closed", "", AT.EMPTY_PATH),
    execAt("$dir", "s"),
    fork(0, [execAt("$dir", "/mnt/s")]),
    fork(0, [execAt("$dir", "p")])
  ],
  "a script by descriptor has a name of its own": executed(
    [...file("p", sleeping), ...file("script", "#!/mnt/p\n")],
    [open("script", O.RDONLY, "s"), line("dup3", { oldfd: "$s", newfd: 200, flags: 0 })],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execAt(200, "", AT.EMPTY_PATH)
  ),
  "a program by descriptor is called as its file": executed(
    file("program", sleeping),
    [open("program", O.RDONLY, "s")],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execAt("$s", "", AT.EMPTY_PATH)
  ),
  "a program in memory": [
    line("memfd_create", { name: "program", flags: 0 }, { as: "m" }),
    line("write", { fd: "$m", data: ending }),
    line("fchmod", { fd: "$m", mode: 0o644 }),
    execAt("$m", "", AT.EMPTY_PATH),
    line("fchmod", { fd: "$m", mode: 0o755 }),
    fork(0, [execAt("$m", "", AT.EMPTY_PATH)])
  ],
  "a program in memory has no set-user-id": executed(
    [],
    [
      line("memfd_create", { name: "program", flags: 0 }, { as: "m" }),
      line("write", { fd: "$m", data: sleeping }),
      line("fchmod", { fd: "$m", mode: 0o4755 }),
      ...user(1000)
    ],
    [...status, ...readFile("/proc/$child/comm")],
    execAt("$m", "", AT.EMPTY_PATH)
  ),
  "close-on-exec descriptors are closed, others stay": executed(
    file("p", sleeping),
    [
      line("fcntl", { fd: 0, command: F.DUPFD, argument: 200 }),
      line("fcntl", { fd: 0, command: F.DUPFD_CLOEXEC, argument: 201 })
    ],
    [
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/fd/200" }),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/fd/201" })
    ]
  ),
  "working directory, root and umask stay": executed(
    [...file("p", sleeping), mkdir("d")],
    [line("umask", { mask: 0o27 }), line("chdir", { path: "d" })],
    [
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/root" }, see),
      ...lookAt("/proc/$child/status", /^Umask:/)
    ],
    execve("/mnt/p")
  )
}

const signals: Readonly<Record<string, Scenario>> = {
  "ignored, blocked and pending signals stay": executed(
    file("p", sleeping),
    [
      line("getpid", {}, { as: "me" }),
      line("rt_sigaction", { signal: SIG.USR1, disposition: "SIG_IGN" }),
      line("rt_sigprocmask", { how: 2, signals: [SIG.TERM, SIG.USR2] }),
      kill("$me", SIG.TERM)
    ],
    [...lookAt("/proc/$child/status", /^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):/)]
  ),
  "a process group and a session stay": executed(
    file("p", sleeping),
    [line("setsid")],
    [...lookAt("/proc/$child/status", /^(NSpgid|NSsid|NSpid|NStgid|Tgid|Pid|PPid):/)]
  ),
  "a time namespace for children takes the process in": executed(
    file("p", sleeping),
    [
      line("unshare", { flags: CLONE.NEWTIME }),
      line("readlinkat", { dirfd: cwd, path: "/proc/self/ns/time" }),
      ...write("/proc/self/timens_offsets", "monotonic 100 0\n")
    ],
    [...readFile("/proc/$child/timens_offsets")]
  )
}

/** A program with a parent-death signal whose parent then dies. */
const orphaned = (prepare: Scenario, mode = 0o755): Scenario => [
  ...file("p", sleeping, mode),
  fork(CLONE.NEWPID, [fork(0, [
    proc,
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("go"),
    start("child", 0, [
      start("grandchild", 0, [...prepare, prctl(PR.SET_PDEATHSIG, SIG.TERM), execve("p")]),
      join("grandchild"),
      ...readFile("/proc/$grandchild/environ"),
      exit(0)
    ]),
    waitFor("$child"),
    // it ends by SIGTERM, or else by SIGKILL
    line("kill", { pid: 4, signal: SIG.KILL }),
    waitFor(4)
  ])])
]

const parentDeath: Readonly<Record<string, Scenario>> = {
  "a parent-death signal outlives exec": orphaned([]),
  "a parent-death signal of a user outlives exec": orphaned(user(1000)),
  "set-user-id ends the parent-death signal": orphaned(user(1000), 0o4755),
  "gained capabilities end the parent-death signal": orphaned([capset(0n, 0n, 0n)]),
  "a real uid of root alone: the parent-death signal": orphaned([
    line("setresuid", { ruid: 0, euid: 1000, suid: 1000 })
  ])
}

const sizes: Readonly<Record<string, Scenario>> = {
  "one argument may have 128 KiB": [
    ...file("p", ending),
    tryExec("p", ["x".repeat(131071)]),
    tryExec("p", ["x".repeat(131072)]),
    tryExec("p", ["x"], [`A=${"x".repeat(131069)}`]),
    tryExec("p", ["x"], [`A=${"x".repeat(131070)}`])
  ],
  "all together a quarter of the stack": [
    ...file("p", ending),
    line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 20n, hard: 1n << 20n } }),
    tryExec("p", ["x".repeat(100000), "x".repeat(100000), "x".repeat(50000)]),
    tryExec("p", ["x".repeat(100000), "x".repeat(100000), "x".repeat(70000)])
  ],
  "a small stack still leaves 128 KiB": [
    ...file("p", ending),
    line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 18n, hard: 1n << 18n } }),
    tryExec("p", ["x".repeat(100000)]),
    tryExec("p", ["x".repeat(100000), "x".repeat(40000)])
  ]
}

const namespaces: Readonly<Record<string, Scenario>> = {
  "files of /proc of a program in a user namespace": [
    ...file("p", sleeping, 0o711),
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("ready"),
      gate("mapped"),
      start("child", CLONE.NEWUSER, [openGate("ready"), pass("mapped"), uids(0), gids(0), execve("p")]),
      pass("ready"),
      ...write("/proc/$child/uid_map", "0 5000 10\n"),
      ...write("/proc/$child/gid_map", "0 6000 10\n"),
      openGate("mapped"),
      join("child"),
      ...readFile("/proc/$child/environ"),
      dumpable,
      ...status
    ])])
  ],
  "a program of a mount that the user namespace made": [
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("ready"),
      gate("mapped"),
      start("child", CLONE.NEWUSER | CLONE.NEWNS, [
        openGate("ready"),
        pass("mapped"),
        uids(0),
        gids(0),
        mount("tmpfs", "/mnt", "tmpfs", 0),
        line("chdir", { path: "/mnt" }),
        ...file("p", sleeping, 0o6755, [3, 4]),
        execve("p")
      ]),
      pass("ready"),
      ...write("/proc/$child/uid_map", "0 5000 10\n"),
      ...write("/proc/$child/gid_map", "0 6000 10\n"),
      openGate("mapped"),
      join("child"),
      ...readFile("/proc/$child/environ"),
      dumpable,
      ...status
    ])])
  ],
  "exec keeps a detached working directory": executed(
    [...file("p", sleeping), mkdir("m"), mount("tmpfs", "m", "tmpfs", 0)],
    [line("chdir", { path: "m" }), umount("/mnt/m", 2)],
    [line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see)],
    execve("/mnt/p")
  )
}

export const exec: Readonly<Record<string, Scenario>> = {
  ...root,
  ...users,
  ...setid,
  ...caps,
  ...formats,
  ...scripts,
  ...descriptors,
  ...signals,
  ...parentDeath,
  ...sizes,
  ...namespaces
}
