/** mount(2) and umount2(2): binds, flags, moves, what user namespaces may do. */
import { AT, CLONE, MNT, MS, O, S, UMOUNT } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import {
  as,
  become,
  chdir,
  chown,
  chroot,
  fork,
  getcwd,
  line,
  mkdir,
  mknod,
  mount,
  mounts as mountsBelow,
  open,
  rename,
  rmdir,
  stat,
  symlink,
  touch,
  umount,
  unlink,
  write
} from "../support/vocabulary.ts"

const tmpfs = (path: string, flags = 0, data: string | null = null): Scenario => [
  mkdir(path),
  mount("tmpfs", path, "tmpfs", flags, data)
]
const bind = (from: string, to: string, more = 0): Scenario[number] => mount(from, to, null, MS.BIND | more)
const remount = (path: string, flags: number): Scenario[number] => mount(null, path, null, MS.REMOUNT | MS.BIND | flags)
const owner = (path: string): Scenario[number] =>
  line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["mode", "uid", "gid"] })
const unprivileged = CLONE.NEWUSER | CLONE.NEWNS

export const mounts: Readonly<Record<string, Scenario>> = {
  // ── new mounts ─────────────────────────────────────────────────────────────────────────────────────────────────────
  "a new mount wants a type that there is": [
    mkdir("m"),
    mount("x", "m", "nosuchfs", 0),
    mount("x", "m", null, 0),
    mount("x", "m", "", 0),
    mount(null, "m", "tmpfs", 0),
    mount("", "m", "tmpfs", 0),
    mount("x", "missing", "nosuchfs", 0),
    mount("x", "missing", "tmpfs", 0),
    ...mountsBelow("/mnt")
  ],
  "a file system with a directory at its root wants a directory": [
    touch("f"),
    mount("tmpfs", "f", "tmpfs", 0),
    symlink("f", "l"),
    mount("tmpfs", "l", "tmpfs", 0),
    mkdir("d"),
    symlink("d", "ld"),
    mount("tmpfs", "ld", "tmpfs", 0),
    ...mountsBelow("/mnt")
  ],
  "access times are relative unless it is said otherwise": [
    ...tmpfs("a"),
    ...tmpfs("b", MS.NOATIME),
    ...tmpfs("c", MS.STRICTATIME),
    ...tmpfs("d", MS.NODIRATIME),
    ...tmpfs("e", MS.RELATIME | MS.NOATIME),
    ...tmpfs("f", MS.NOATIME | MS.STRICTATIME),
    ...tmpfs("g", MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOSYMFOLLOW),
    ...tmpfs("h", MS.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "the options of tmpfs": [
    ...[
      "mode=700",
      "mode=1777",
      "size=4k",
      "size=50%",
      "nr_inodes=10",
      "uid=5,gid=6",
      "mode=9",
      "mode=x",
      "size=x",
      "nonsense",
      "nonsense=1",
      "uid=x",
      "mode",
      "",
      ",",
      "ro",
      "mode=755,,size=1m",
      "nr_blocks=5"
    ].flatMap((data, i) => [
      mkdir(`m${i}`),
      mount("tmpfs", `m${i}`, "tmpfs", 0, data),
      stat(`m${i}`, ["mode", "uid", "gid"])
    ]),
    ...mountsBelow("/mnt")
  ],
  "mounts on one place stack": [
    mkdir("m"),
    touch("m/zero"),
    mount("one", "m", "tmpfs", 0),
    touch("m/one"),
    mount("two", "m", "tmpfs", 0),
    open("m/one", O.RDONLY),
    ...mountsBelow("/mnt"),
    umount("m"),
    open("m/one", O.PATH, "one"),
    line("close", { fd: "$one" }),
    umount("m"),
    umount("m", MNT.DETACH),
    open("m/zero", O.RDONLY),
    umount("m")
  ],
  "proc on the same place twice": [
    mkdir("p"),
    mount("proc", "p", "proc", 0),
    mount("proc", "p", "proc", 0),
    mkdir("s"),
    mount("sysfs", "s", "sysfs", 0),
    mount("sysfs", "s", "sysfs", 0),
    mkdir("q"),
    mount("mqueue", "q", "mqueue", 0),
    mount("mqueue", "q", "mqueue", 0)
  ],
  "nothing is mounted on a directory that was removed": [
    mkdir("d"),
    chdir("d"),
    rmdir("/mnt/d"),
    mount("tmpfs", ".", "tmpfs", 0),
    mount("/tmp", ".", null, MS.BIND)
  ],
  "mounting needs CAP_SYS_ADMIN, told after the path": [
    mkdir("d"),
    ...become(1000),
    mount("tmpfs", "d", "tmpfs", 0),
    mount("tmpfs", "missing", "tmpfs", 0),
    bind("d", "d"),
    umount("d"),
    umount("missing"),
    umount("d", 0x100)
  ],
  // ── binds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a bind wants a source, and the same kind": [
    mkdir("d"),
    touch("f"),
    touch("g"),
    bind("d", "f"),
    bind("f", "d"),
    bind("f", "g"),
    bind("missing", "d"),
    bind("d", "missing"),
    bind("", "d"),
    mount(null, "d", null, MS.BIND),
    mknod("p", S.IFIFO | 0o600),
    mknod("n", S.IFCHR | 0o666, 1, 3),
    bind("p", "g"),
    bind("n", "g"),
    stat("g", ["mode", "rdev"]),
    ...mountsBelow("/mnt")
  ],
  "a bind follows links on both sides": [
    mkdir("d"),
    touch("d/f"),
    mkdir("e"),
    symlink("d", "from"),
    symlink("e", "to"),
    bind("from", "to"),
    open("e/f", O.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "a bind takes mounts below along only if asked": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    ...tmpfs("a/b/c"),
    mkdir("plain"),
    mkdir("all"),
    mkdir("part"),
    bind("a", "plain"),
    bind("a", "all", MS.REC),
    bind("a/b", "part", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "a recursive bind of a directory takes what lies below the directory": [
    ...tmpfs("a"),
    mkdir("a/d"),
    ...tmpfs("a/d/in"),
    ...tmpfs("a/out"),
    mkdir("b"),
    bind("a/d", "b", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "a bind keeps the flags of its source, whatever is asked": [
    ...tmpfs("a", MS.NOSUID | MS.NOATIME),
    mkdir("b"),
    mkdir("c"),
    bind("a", "b", MS.RDONLY | MS.NODEV),
    bind("a", "c", MS.STRICTATIME),
    ...mountsBelow("/mnt")
  ],
  "a bind of a tree into itself": [
    ...tmpfs("a"),
    mkdir("a/b"),
    bind("a", "a/b"),
    bind("a", "a/b", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "namespaces are bound, mount namespaces only younger ones": [
    touch("f"),
    bind("/proc/self/ns/net", "f"),
    ...mountsBelow("/mnt"),
    umount("f"),
    bind("/proc/self/ns/mnt", "f"),
    bind("/proc/self/ns/uts", "missing"),
    mkdir("d"),
    bind("/proc/self/ns/uts", "d")
  ],
  "what has no place is not bound": [
    line("pipe2", { flags: 0 }, as("p")),
    line("memfd_create", { name: "x", flags: 0 }, as("memory")),
    touch("f"),
    bind("/proc/self/fd/$p.0", "f"),
    bind("/proc/self/fd/$memory", "f"),
    open("gone", O.CREAT | O.RDWR, "gone", 0o600),
    unlink("gone"),
    bind("/proc/self/fd/$gone", "f"),
    ...mountsBelow("/mnt")
  ],
  // ── flags ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a remount of a bind sets the flags of one mount": [
    ...tmpfs("a", MS.NOSUID),
    mkdir("b"),
    bind("a", "b"),
    remount("b", MS.RDONLY),
    ...mountsBelow("/mnt"),
    touch("b/f"),
    touch("a/f"),
    remount("b", MS.NODEV | MS.NOEXEC),
    remount("a", MS.NOATIME),
    ...mountsBelow("/mnt"),
    remount("a", MS.NODIRATIME),
    ...mountsBelow("/mnt"),
    remount("a", MS.STRICTATIME),
    remount("b", 0),
    ...mountsBelow("/mnt")
  ],
  "a remount wants the root of a mount": [
    ...tmpfs("a"),
    mkdir("a/d"),
    touch("a/f"),
    remount("a/d", MS.RDONLY),
    remount("a/f", MS.RDONLY),
    remount("missing", MS.RDONLY),
    mount(null, "a/d", null, MS.REMOUNT | MS.RDONLY)
  ],
  "a remount of the file system goes through all its mounts": [
    ...tmpfs("a"),
    mkdir("b"),
    bind("a", "b"),
    mount(null, "a", null, MS.REMOUNT | MS.RDONLY),
    mkdir("b/d"),
    ...mountsBelow("/mnt"),
    mount(null, "b", null, MS.REMOUNT),
    mkdir("a/d"),
    mkdir("b/d"),
    ...mountsBelow("/mnt"),
    mount(null, "a", null, MS.REMOUNT, "nonsense"),
    mount(null, "a", null, MS.REMOUNT, "size=1m")
  ],
  "a remount is not recursive": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    remount("a", MS.REC | MS.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "nodev: no device opens": [
    ...tmpfs("a", MS.NODEV),
    mknod("a/null", S.IFCHR | 0o666, 1, 3),
    open("a/null", O.RDONLY),
    open("a/null", O.PATH),
    stat("a/null", "rdev"),
    mkdir("b"),
    bind("a", "b"),
    remount("b", 0),
    open("b/null", O.RDONLY)
  ],
  // ── moves ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a move takes the whole tree": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("t"),
    mount("a", "t", null, MS.MOVE),
    ...mountsBelow("/mnt"),
    open("a/b", O.PATH),
    open("t/b", O.PATH)
  ],
  "a move wants the root of a mount, and the same kind": [
    ...tmpfs("a"),
    mkdir("a/d"),
    mkdir("t"),
    touch("f"),
    touch("g"),
    bind("f", "f"),
    mount("a/d", "t", null, MS.MOVE),
    mount("a", "g", null, MS.MOVE),
    mount("f", "t", null, MS.MOVE),
    mount("f", "g", null, MS.MOVE),
    mount("missing", "t", null, MS.MOVE),
    mount("", "t", null, MS.MOVE),
    mount(null, "t", null, MS.MOVE),
    mount("a", "missing", null, MS.MOVE),
    mount("/", "t", null, MS.MOVE)
  ],
  "nothing moves into itself": [
    ...tmpfs("a"),
    mkdir("a/d"),
    ...tmpfs("a/b"),
    mkdir("a/b/c"),
    mount("a", "a/d", null, MS.MOVE),
    mount("a", "a/b/c", null, MS.MOVE),
    mount("a/b", "a/d", null, MS.MOVE),
    mount("a", "a", null, MS.MOVE),
    ...mountsBelow("/mnt")
  ],
  "a process goes with the mount that it is in": [
    ...tmpfs("a"),
    mkdir("a/d"),
    mkdir("t"),
    chdir("a/d"),
    mount("/mnt/a", "/mnt/t", null, MS.MOVE),
    getcwd,
    chdir("../.."),
    getcwd
  ],
  // ── umount ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  "umount wants a mount point and flags that it knows": [
    mkdir("d"),
    touch("f"),
    ...tmpfs("m"),
    umount("d"),
    umount("f"),
    umount("missing"),
    umount("m", 0x10),
    umount("m", MNT.EXPIRE | MNT.FORCE),
    umount("m", MNT.EXPIRE | MNT.DETACH),
    umount("m", MNT.FORCE),
    umount("m")
  ],
  "umount of what is in use": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    umount("a"),
    umount("a", MNT.EXPIRE),
    umount("a/b"),
    open("a", O.RDONLY, "fd"),
    umount("a"),
    umount("a", MNT.EXPIRE),
    line("close", { fd: "$fd" }),
    open("a", O.PATH, "fd"),
    umount("a"),
    line("close", { fd: "$fd" }),
    chdir("a"),
    umount("/mnt/a"),
    chdir("/mnt"),
    umount("a")
  ],
  "a lazy umount takes apart what is below": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("a/b/d"),
    open("a", O.RDONLY, "a"),
    open("a/b", O.RDONLY, "b"),
    umount("a", MNT.DETACH),
    ...mountsBelow("/mnt"),
    line("openat", { dirfd: "$a", path: "b/d", flags: O.PATH, mode: 0 }),
    line("openat", { dirfd: "$b", path: "d", flags: O.PATH, mode: 0 }),
    line("openat", { dirfd: "$b", path: "..", flags: O.PATH, mode: 0 }),
    line("fchdir", { fd: "$b" }),
    getcwd,
    chdir(".."),
    getcwd,
    mount("tmpfs", "d", "tmpfs", 0),
    mount("d", "/mnt/a", null, MS.BIND),
    umount(".")
  ],
  "umount follows a link unless told": [
    ...tmpfs("m"),
    symlink("m", "l"),
    umount("l", UMOUNT.NOFOLLOW),
    umount("l"),
    umount("m")
  ],
  "umount of the own root makes it read-only": [
    ...tmpfs("r"),
    mkdir("r/d"),
    chroot("r"),
    chdir("/"),
    umount("/", MNT.EXPIRE),
    umount("/"),
    mkdir("/x"),
    umount("/", MNT.DETACH),
    mkdir("/x"),
    getcwd
  ],
  "what is a mount point is not removed": [
    ...tmpfs("m"),
    touch("f"),
    bind("f", "f"),
    mkdir("e"),
    rmdir("m"),
    unlink("f"),
    rename("m", "n"),
    rename("e", "m"),
    rename("f", "g"),
    fork(CLONE.NEWNS, [umount("m"), umount("f"), rmdir("m"), unlink("f")]),
    ...mountsBelow("/mnt"),
    open("m", O.PATH)
  ],
  "what is a mount point elsewhere is renamed with it": [
    mkdir("m"),
    fork(CLONE.NEWNS, [
      mount("tmpfs", "m", "tmpfs", 0),
      touch("m/f"),
      fork(CLONE.NEWNS, [umount("m"), rename("m", "n")]),
      open("n/f", O.RDONLY),
      ...mountsBelow("/mnt")
    ])
  ],
  // ── user namespaces ────────────────────────────────────────────────────────────────────────────────────────────────
  "flags of a mount that came with the user namespace are locked": [
    ...["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "none"].flatMap((name, i) =>
      tmpfs(name, [MS.RDONLY, MS.NOSUID, MS.NODEV, MS.NOEXEC, MS.NOATIME, MS.NODIRATIME, MS.STRICTATIME, 0][i])
    ),
    fork(unprivileged, [
      ...["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "none"].flatMap((name) => [
        mkdir("/mnt/b"),
        remount(`/mnt/${name}`, 0),
        remount(`/mnt/${name}`, MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC),
        remount(`/mnt/${name}`, MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME),
        remount(`/mnt/${name}`, MS.RELATIME | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC)
      ]),
      mount(null, "/mnt/none", null, MS.REMOUNT),
      ...mountsBelow("/mnt")
    ])
  ],
  "a bind of a mount with locked flags has them locked, a new mount nothing": [
    ...tmpfs("a", MS.NOSUID),
    mkdir("b"),
    mkdir("c"),
    fork(unprivileged, [
      bind("/mnt/a", "/mnt/b"),
      remount("/mnt/b", 0),
      remount("/mnt/b", MS.NOSUID | MS.RDONLY),
      remount("/mnt/b", MS.NOSUID),
      umount("/mnt/b"),
      mount("tmpfs", "/mnt/c", "tmpfs", MS.NOSUID | MS.RDONLY),
      remount("/mnt/c", 0),
      mount(null, "/mnt/c", null, MS.REMOUNT),
      ...mountsBelow("/mnt")
    ])
  ],
  "mounts that came together are locked to each other": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("a/plain"),
    mkdir("t"),
    fork(unprivileged, [
      umount("/mnt/a/b"),
      umount("/mnt/a"),
      umount("/mnt/a", MNT.DETACH),
      bind("/mnt/a", "/mnt/t"),
      bind("/mnt/a/b", "/mnt/t"),
      bind("/mnt/a/plain", "/mnt/t"),
      bind("/mnt/a", "/mnt/t", MS.REC),
      umount("/mnt/t/b", MNT.DETACH),
      umount("/mnt/t"),
      umount("/mnt/t", MNT.DETACH),
      mount("/mnt/a/b", "/mnt/t", null, MS.MOVE),
      ...mountsBelow("/mnt")
    ])
  ],
  "a new mount namespace forgets what was unbindable": [
    ...tmpfs("a"),
    mount(null, "a", null, MS.UNBINDABLE),
    fork(CLONE.NEWNS, [...mountsBelow("/mnt")]),
    fork(unprivileged, [...mountsBelow("/mnt")]),
    ...mountsBelow("/mnt")
  ],
  "what is unbindable and locked is in the way": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mount(null, "a/b", null, MS.UNBINDABLE),
    mkdir("t"),
    fork(unprivileged, [
      bind("/mnt/a", "/mnt/t", MS.REC),
      mount(null, "/mnt/a/b", null, MS.UNBINDABLE),
      bind("/mnt/a", "/mnt/t", MS.REC),
      bind("/mnt/a/b", "/mnt/t"),
      mount(null, "/mnt/a/b", null, MS.PRIVATE),
      bind("/mnt/a", "/mnt/t", MS.REC)
    ])
  ],
  "file systems that root of a user namespace may mount": [
    ...["tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts", "ext4", "devtmpfs", "nosuchfs"].map((type) =>
      mkdir(type)
    ),
    fork(
      unprivileged,
      ["tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts", "ext4", "devtmpfs", "nosuchfs"].map((type) =>
        mount(type, `/mnt/${type}`, type, 0)
      )
    )
  ],
  "what the namespaces of one's own allow": [
    ...["proc", "sysfs", "mqueue"].map((type) => mkdir(type)),
    fork(unprivileged | CLONE.NEWNET, [mount("sysfs", "/mnt/sysfs", "sysfs", 0), mount("p", "/mnt/proc", "proc", 0)]),
    fork(unprivileged | CLONE.NEWPID, [mount("proc", "/mnt/proc", "proc", 0), mount("s", "/mnt/sysfs", "sysfs", 0)]),
    fork(unprivileged | CLONE.NEWIPC, [mount("mqueue", "/mnt/mqueue", "mqueue", 0)])
  ],
  "a devpts is of the user namespace's root, and its ptmx of who mounts it": [
    mkdir("pts"),
    fork(0, [
      line("setresgid", { rgid: 7, egid: 7, sgid: 7 }),
      mount("devpts", "pts", "devpts", 0, "newinstance,uid=5,gid=6"),
      owner("pts"),
      owner("pts/ptmx"),
      chown("pts", 8, 9),
      chown("pts/ptmx", 8, 9),
      owner("pts"),
      owner("pts/ptmx")
    ]),
    umount("pts"),
    fork(unprivileged, [
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance"),
      owner("/mnt/pts"),
      owner("/mnt/pts/ptmx"),
      umount("/mnt/pts"),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1"),
      ...write("/proc/self/gid_map", "0 0 1"),
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance"),
      owner("/mnt/pts"),
      owner("/mnt/pts/ptmx"),
      umount("/mnt/pts")
    ])
  ],
  "an mqueue is of who made the ipc namespace": [
    mkdir("q"),
    fork(0, [
      line("setresgid", { rgid: 7, egid: 7, sgid: 7 }),
      line("unshare", { flags: CLONE.NEWIPC }),
      line("setresgid", { rgid: 8, egid: 8, sgid: 8 }),
      mount("mqueue", "q", "mqueue", 0),
      owner("q"),
      chown("q", 9, 10),
      mkdir("r"),
      mount("mqueue", "r", "mqueue", MS.RDONLY),
      owner("r"),
      chown("r", 9, 10)
    ])
  ],
  "proc is not new where a part of the old one is hidden": [
    mkdir("p"),
    ...tmpfs("x"),
    bind("/mnt/x", "/proc/sys"),
    fork(unprivileged | CLONE.NEWPID, [mount("proc", "/mnt/p", "proc", 0)])
  ],
  "proc is new only as read-only as the old one": [
    mkdir("p"),
    remount("/proc", MS.RDONLY),
    fork(unprivileged | CLONE.NEWPID, [
      mount("proc", "/mnt/p", "proc", 0),
      mount("proc", "/mnt/p", "proc", MS.RDONLY),
      remount("/mnt/p", 0)
    ])
  ],
  "sysfs is not new where a part of the old one is hidden": [
    mkdir("s"),
    ...tmpfs("x"),
    bind("/mnt/x", "/sys/kernel"),
    fork(unprivileged | CLONE.NEWNET, [mount("sysfs", "/mnt/s", "sysfs", 0)])
  ],
  "devices in a file system of a user namespace": [
    mkdir("m"),
    mknod("null", S.IFCHR | 0o666, 1, 3),
    touch("t"),
    fork(unprivileged, [
      mount("tmpfs", "/mnt/m", "tmpfs", 0),
      mknod("/mnt/m/null", S.IFCHR | 0o666, 1, 3),
      mknod("/mnt/m/p", S.IFIFO | 0o666),
      open("/mnt/null", O.RDONLY),
      bind("/mnt/null", "/mnt/t"),
      open("/mnt/t", O.RDONLY)
    ])
  ],
  "a mount namespace of others": [
    ...tmpfs("m"),
    open("m", O.PATH, "m"),
    mkdir("t"),
    fork(CLONE.NEWNS, [
      mount("/proc/self/fd/$m", "/mnt/t", null, MS.BIND),
      mount(null, "/proc/self/fd/$m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
      mount("tmpfs", "/proc/self/fd/$m", "tmpfs", 0),
      mount("/proc/self/fd/$m", "/mnt/t", null, MS.MOVE),
      umount("/proc/self/fd/$m"),
      umount("/proc/self/fd/$m", MNT.DETACH),
      mount(null, "/proc/self/fd/$m", null, MS.SHARED),
      stat("", "mountRoot", AT.EMPTY_PATH, "$m")
    ]),
    ...mountsBelow("/mnt")
  ]
}
