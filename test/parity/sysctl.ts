/** Files of /proc/sys: of the machine, and of namespaces. */
import { AT, CLONE, O } from "../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../support/parityLines.ts"
import { fork, gids, line, mkdir, open, readFile, see, touch, uids, unlink, write } from "../support/vocabulary.ts"

const sys = (path: string): string => `/proc/sys/${path}`
const get = (path: string): Scenario => readFile(sys(path))
/** Writes, and reads back. */
const put = (path: string, ...values: ReadonlyArray<string>): Scenario =>
  values.flatMap((value) => [...write(sys(path), value), ...get(path)])
const mode = (path: string): Line =>
  line("statx", { dirfd: cwd, path: sys(path), flags: 0, mask: 0x7ff }, { see: ["mode", "uid", "gid", "size"] })
const mayOpen = (path: string): Line => open(sys(path), O.WRONLY)

export const sysctl: Readonly<Record<string, Scenario>> = {
  "what a new network begins with": [
    "net/ipv4/ip_forward",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ping_group_range",
    "net/core/somaxconn",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/default/disable_ipv6",
    "net/ipv6/conf/lo/disable_ipv6",
    "net/ipv4/conf/all/forwarding",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_syncookies"
  ].flatMap(get),
  "what a new ipc namespace begins with": [
    "kernel/shmmax",
    "kernel/shmall",
    "kernel/shmmni",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "fs/mqueue/msg_max",
    "fs/mqueue/msgsize_max",
    "fs/mqueue/queues_max",
    "kernel/shm_rmid_forced"
  ].flatMap(get),
  "an integer": put("net/core/somaxconn", "128", "256\n", " 512", "1024 ", "\t7\n"),
  "what is no integer": put("net/core/somaxconn", "x", "", "1x", "-1", "--1", "1.5", "1 2", "99999999999"),
  "integers in other writing": put("net/core/somaxconn", "0x10", "010", "+5", "1\0", "1\n2"),
  "a switch": put("net/ipv4/ip_forward", "1", "0", "2", "-1", "x"),
  "a value of the kernel with limits": [
    ...get("kernel/msgmax"),
    ...put("kernel/msgmax", "1", "0", "-1", "2147483647", "2147483648")
  ],
  "a large value": put("kernel/shmmax", "1", "0", "18446744073709551615", "18446744073709551616", "-1"),
  "four values": put("kernel/sem", "1 2 3 4", "5", "6 7", "1 2 3 4 5", "x"),
  "a range": put("net/ipv4/ping_group_range", "0 0", "5 3", "1 0", "0 4294967294", "0 4294967295", "7", "x y"),
  "ports": put("net/ipv4/ip_unprivileged_port_start", "0", "1024", "65535", "65536", "-1"),
  "a port range": put("net/ipv4/ip_local_port_range", "1000 2000", "2000 1000", "1000 70000", "5"),
  "mqueue": put("fs/mqueue/msg_max", "100", "0", "1", "65536", "65537"),
  "a write that is not at the start is ignored": [
    open(sys("net/core/somaxconn"), O.RDWR, "file"),
    line("write", { fd: "$file", data: "11\n" }, see),
    line("write", { fd: "$file", data: "22\n" }, see),
    line("read", { fd: "$file", count: 10 }, see),
    ...get("net/core/somaxconn")
  ],
  "a file is read in parts": [
    open(sys("kernel/sem"), O.RDONLY, "file"),
    line("read", { fd: "$file", count: 3 }, see),
    line("read", { fd: "$file", count: 100 }, see)
  ],
  "values belong to a network": [
    ...write(sys("net/core/somaxconn"), "77"),
    fork(CLONE.NEWNET, [...get("net/core/somaxconn"), ...put("net/core/somaxconn", "99")]),
    ...get("net/core/somaxconn"),
    fork(0, get("net/core/somaxconn"))
  ],
  "values belong to an ipc namespace": [
    ...write(sys("kernel/shmmax"), "77"),
    fork(CLONE.NEWIPC, [...get("kernel/shmmax"), ...put("kernel/shmmax", "99")]),
    ...get("kernel/shmmax")
  ],
  "files that nobody writes": [
    mayOpen("kernel/cap_last_cap"),
    mayOpen("kernel/ngroups_max"),
    mayOpen("kernel/osrelease"),
    mayOpen("kernel/version"),
    mayOpen("kernel/ostype"),
    mayOpen("kernel/random/uuid"),
    open(sys("kernel/cap_last_cap"), O.RDWR),
    line("faccessat2", { dirfd: cwd, path: sys("kernel/cap_last_cap"), mode: 2, flags: 0 })
  ],
  "what the kernel says of itself": [
    "kernel/ostype",
    "kernel/ngroups_max",
    "kernel/cap_last_cap",
    "kernel/overflowuid",
    "kernel/overflowgid",
    "fs/nr_open"
  ].flatMap(get),
  "files that are not there": [
    open(sys("nothing"), O.RDONLY),
    open(sys("net/nothing"), O.RDONLY),
    open(sys("net/ipv4/conf/nothing/forwarding"), O.RDONLY),
    open(sys("net/ipv6/conf/nothing/disable_ipv6"), O.WRONLY),
    open(sys("kernel/hostname/x"), O.RDONLY)
  ],
  "no file is made, removed or renamed": [
    touch(sys("kernel/mine")),
    touch(sys("net/ipv4/mine")),
    mkdir(sys("mine")),
    unlink(sys("kernel/hostname")),
    unlink(sys("kernel"), AT.REMOVEDIR),
    line("symlinkat", { target: "x", dirfd: cwd, path: sys("mine") }),
    line("fchmodat", { dirfd: cwd, path: sys("kernel/hostname"), mode: 0o666 }),
    line("fchownat", { dirfd: cwd, path: sys("kernel/hostname"), uid: 1, gid: 1, flags: 0 })
  ],
  "modes and owners": [
    "kernel",
    "kernel/hostname",
    "kernel/cap_last_cap",
    "net/ipv4/ip_forward",
    "kernel/shmmax",
    "net",
    "fs/mqueue/msg_max"
  ].map(mode),
  "a directory is read only": [
    open(sys("kernel"), O.RDONLY | O.DIRECTORY),
    open(sys("kernel"), O.WRONLY),
    open(sys("kernel/hostname"), O.RDONLY | O.DIRECTORY)
  ],
  "a user who is not root": [
    fork(0, [
      gids(1000),
      uids(1000),
      mayOpen("kernel/hostname"),
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      ...get("net/ipv4/ip_forward"),
      ...get("kernel/shmmax")
    ])
  ],
  "root without capabilities": [
    fork(0, [
      line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
      mayOpen("kernel/hostname"),
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      mayOpen("vm/overcommit_memory"),
      mayOpen("kernel/cap_last_cap"),
      ...put("net/core/somaxconn", "55"),
      ...put("kernel/shmmax", "55")
    ])
  ],
  "another user with capabilities": [
    fork(0, [
      line("prctl", { option: 8, arg2: 1, arg3: 0, arg4: 0, arg5: 0 }),
      gids(1000),
      uids(1000),
      line("capset", { effective: 0x1ffffffn, permitted: 0x1ffffffn, inheritable: 0n }),
      mayOpen("kernel/hostname"),
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax")
    ])
  ],
  "root of a user namespace, in networks of others": [
    fork(CLONE.NEWUSER, [
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      mayOpen("vm/overcommit_memory"),
      mayOpen("kernel/hostname")
    ])
  ],
  "root of a user namespace, in its own": [
    fork(CLONE.NEWUSER | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS, [
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      mayOpen("vm/overcommit_memory"),
      mayOpen("kernel/hostname"),
      mayOpen("kernel/cap_last_cap"),
      mode("net/ipv4/ip_forward"),
      mode("kernel/shmmax")
    ])
  ],
  "a user's user namespace, in its own": [
    fork(0, [
      gids(1000),
      uids(1000),
      line("unshare", { flags: CLONE.NEWUSER | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS }),
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      mayOpen("fs/mqueue/msg_max"),
      mayOpen("vm/overcommit_memory"),
      mayOpen("kernel/hostname")
    ])
  ],
  "a user's user namespace with a map, in its own": [
    fork(0, [
      gids(1000),
      uids(1000),
      line("unshare", { flags: CLONE.NEWUSER | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS }),
      ...write("/proc/self/uid_map", "0 1000 1"),
      mayOpen("net/ipv4/ip_forward"),
      mayOpen("kernel/shmmax"),
      mayOpen("fs/mqueue/msg_max"),
      mayOpen("kernel/msgmax"),
      mayOpen("kernel/hostname"),
      ...put("net/core/somaxconn", "33"),
      ...put("kernel/shmmax", "33"),
      mode("net/ipv4/ip_forward"),
      mode("kernel/shmmax"),
      mode("kernel/hostname")
    ])
  ],
  "an open file stays with the network of its opener": [
    open(sys("net/core/somaxconn"), O.RDWR, "file"),
    fork(CLONE.NEWNET, [line("write", { fd: "$file", data: "66" }, see), ...get("net/core/somaxconn")]),
    ...get("net/core/somaxconn")
  ],
  "an open file of ipc follows its reader": [
    open(sys("kernel/shmmax"), O.RDWR, "file"),
    fork(CLONE.NEWIPC, [line("write", { fd: "$file", data: "66" }, see), ...get("kernel/shmmax")]),
    ...get("kernel/shmmax")
  ],
  "files of links come and go with them": [
    open(sys("net/ipv6/conf/br0/disable_ipv6"), O.RDONLY),
    line("rtnetlink", { request: { _tag: "BridgeAdd", name: "br0" } }),
    ...get("net/ipv6/conf/br0/disable_ipv6"),
    line("rtnetlink", { request: { _tag: "LinkSet", link: "br0", name: "br1" } }),
    open(sys("net/ipv6/conf/br0/disable_ipv6"), O.RDONLY),
    ...get("net/ipv6/conf/br1/disable_ipv6"),
    line("rtnetlink", { request: { _tag: "LinkDelete", link: "br1" } }),
    open(sys("net/ipv6/conf/br1/disable_ipv6"), O.RDONLY)
  ],
  "IPv6 off for all is off by default": [
    ...put("net/ipv6/conf/all/disable_ipv6", "1"),
    ...get("net/ipv6/conf/default/disable_ipv6"),
    ...get("net/ipv6/conf/lo/disable_ipv6"),
    ...put("net/ipv6/conf/default/disable_ipv6", "0"),
    ...get("net/ipv6/conf/all/disable_ipv6"),
    ...get("net/ipv6/conf/lo/disable_ipv6")
  ]
}
