/** open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), mount_setattr(2). */
import { AT, FSCONFIG, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE, RESOLVE } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  as,
  become,
  chdir,
  fork,
  getcwd,
  line,
  mkdir,
  mount,
  mounts,
  open,
  openIn,
  readlink,
  rmdir,
  see,
  symlink,
  touch,
  umount
} from "../support/vocabulary.ts"

const tmpfs = (path: string): Scenario => [mkdir(path), mount("tmpfs", path, "tmpfs", 0)]
const openTree = (path: string, flags: number, name?: string): Scenario[number] =>
  line("open_tree", { dirfd: cwd, path, flags }, name === undefined ? {} : as(name))
const moveTo = (fd: string, path: string, flags: number = MOVE_MOUNT.F_EMPTY_PATH): Scenario[number] =>
  line("move_mount", { fromDirfd: fd, fromPath: "", toDirfd: cwd, toPath: path, flags })
const moveOn = (fd: string, place: string): Scenario[number] =>
  line("move_mount", {
    fromDirfd: fd,
    fromPath: "",
    toDirfd: place,
    toPath: "",
    flags: MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH
  })
const config = (command: number, key: string | null, value: string | null, aux = 0): Scenario[number] =>
  line("fsconfig", { fd: "$fs", command, key, value, aux })
const fsopen = (type: string, flags = 0): Scenario[number] => line("fsopen", { type, flags }, as("fs"))
const fsmount = (attributes: number, flags = 0): Scenario[number] =>
  line("fsmount", { fd: "$fs", flags, attributes }, as("m"))
const setattr = (path: string, set: number, clear = 0, propagation = 0, flags = 0): Scenario[number] =>
  line("mount_setattr", { dirfd: cwd, path, flags, set, clear, propagation, usernsFd: -1 })
const close = (fd: string): Scenario[number] => line("close", { fd })
const create = config(FSCONFIG.CMD_CREATE, null, null)

export const newMountApi: Readonly<Record<string, Scenario>> = {
  "open_tree wants flags that go together": [
    ...tmpfs("a"),
    openTree("a", 0x4),
    openTree("a", AT.RECURSIVE),
    openTree("a", OPEN_TREE.CLONE | AT.RECURSIVE),
    openTree("missing", OPEN_TREE.CLONE),
    openTree("a", 0),
    ...become(1000),
    openTree("a", OPEN_TREE.CLONE),
    openTree("a", 0)
  ],
  "a cloned tree is attached once": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    openTree("a", OPEN_TREE.CLONE | AT.RECURSIVE, "t"),
    mkdir("m"),
    mkdir("n"),
    moveTo("$t", "m"),
    moveTo("$t", "n"),
    ...mounts("/mnt")
  ],
  "a cloned tree of a directory that is removed is there, and can't be attached": [
    mkdir("a"),
    mkdir("m"),
    openTree("a", OPEN_TREE.CLONE, "early"),
    mkdir("covered"),
    mount("a", "covered", null, MS.BIND),
    rmdir("a"),
    moveTo("$early", "m"),
    openTree("covered", OPEN_TREE.CLONE, "late"),
    moveTo("$late", "m"),
    mount("covered", "m", null, MS.BIND),
    ...mounts("/mnt")
  ],
  "a cloned tree goes to its own kind": [
    ...tmpfs("a"),
    touch("f"),
    touch("g"),
    mkdir("d"),
    openTree("a", OPEN_TREE.CLONE, "t"),
    openTree("f", OPEN_TREE.CLONE, "u"),
    moveTo("$t", "f"),
    moveTo("$u", "d"),
    moveTo("$t", "missing"),
    moveTo("$u", "g"),
    ...mounts("/mnt")
  ],
  "a link is bound on a link, both as they are": [
    touch("f"),
    ...tmpfs("d"),
    symlink("f", "l"),
    symlink("missing", "k"),
    openTree("l", OPEN_TREE.CLONE | AT.SYMLINK_NOFOLLOW, "t"),
    openTree("l", OPEN_TREE.CLONE, "u"),
    open("k", O.PATH | O.NOFOLLOW, "p"),
    moveOn("$t", "$p"),
    readlink("k"),
    open("k", O.RDONLY),
    moveOn("$u", "$p"),
    open("l", O.PATH | O.NOFOLLOW, "q"),
    openTree("d", OPEN_TREE.CLONE, "v"),
    moveOn("$v", "$q"),
    ...mounts("/mnt")
  ],
  "a place is found below the handle of its mount": [
    ...tmpfs("a"),
    mkdir("a/b"),
    mkdir("a/c"),
    symlink("/mnt/a/b", "a/out"),
    symlink("../a", "a/up"),
    symlink("b", "a/in"),
    open("a", O.PATH, "m"),
    mount("tmpfs", "a/b", "tmpfs", 0),
    ...["b", "in", "out", "up", "missing", "b/missing"].map((path) =>
      openIn("$m", path, RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS)
    ),
    // what covers the mount is not below it
    mount("tmpfs", "a", "tmpfs", 0),
    openIn("$m", "c", RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS),
    open("a/c", O.PATH),
    openTree("a", OPEN_TREE.CLONE, "t"),
    moveOn("$t", "$m"),
    ...mounts("/mnt")
  ],
  "move_mount wants flags that it knows, and CAP_SYS_ADMIN": [
    ...tmpfs("a"),
    mkdir("m"),
    openTree("a", OPEN_TREE.CLONE, "t"),
    moveTo("$t", "m", 0),
    moveTo("$t", "m", 0x1000),
    line("move_mount", {
      fromDirfd: 400,
      fromPath: "",
      toDirfd: cwd,
      toPath: "m",
      flags: MOVE_MOUNT.F_EMPTY_PATH
    }),
    ...become(1000),
    moveTo("$t", "m")
  ],
  "a file system is opened, configured, made and mounted": [
    mkdir("m"),
    fsopen("tmpfs"),
    config(FSCONFIG.SET_STRING, "source", "src"),
    config(FSCONFIG.SET_STRING, "mode", "700"),
    config(FSCONFIG.SET_STRING, "nonsense", "1"),
    fsmount(0),
    create,
    create,
    config(FSCONFIG.SET_STRING, "size", "1m"),
    fsmount(MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOATIME),
    moveTo("$m", "m"),
    ...mounts("/mnt")
  ],
  "fsopen wants a type that there is": [
    fsopen("nosuchfs"),
    fsopen("tmpfs", 0x10),
    ...become(1000),
    fsopen("tmpfs")
  ],
  "fsmount wants attributes that it knows": [
    fsopen("tmpfs"),
    create,
    fsmount(0x1000),
    fsmount(MOUNT_ATTR._ATIME),
    fsmount(0, 2),
    line("fsmount", { fd: 400, flags: 0, attributes: 0 }),
    line("fsmount", { fd: 0, flags: 0, attributes: 0 }),
    fsmount(0),
    fsmount(0)
  ],
  "mount_setattr changes what it is told": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    setattr("a", MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV),
    ...mounts("/mnt"),
    setattr("a", MOUNT_ATTR.NOEXEC, MOUNT_ATTR.RDONLY, 0, AT.RECURSIVE),
    ...mounts("/mnt"),
    setattr("a", MOUNT_ATTR.NOATIME, MOUNT_ATTR._ATIME),
    setattr("a/b", MOUNT_ATTR.STRICTATIME, MOUNT_ATTR._ATIME, MS.SHARED),
    ...mounts("/mnt")
  ],
  "mount_setattr wants attributes that go together": [
    ...tmpfs("a"),
    mkdir("a/d"),
    setattr("a/d", MOUNT_ATTR.RDONLY),
    setattr("a/d", 0),
    setattr("missing", 0),
    setattr("a", MOUNT_ATTR.NOATIME),
    setattr("a", 0, MOUNT_ATTR.NOATIME),
    setattr("a", MOUNT_ATTR._ATIME, MOUNT_ATTR._ATIME),
    setattr("a", 0x400),
    setattr("a", 0, 0, MS.SHARED | MS.SLAVE),
    setattr("a", 0, 0, MS.RDONLY),
    setattr("a", MOUNT_ATTR.RDONLY, 0, 0, 0x2),
    setattr("a", 0, MOUNT_ATTR.IDMAP),
    ...become(1000),
    setattr("a", MOUNT_ATTR.RDONLY),
    setattr("a", 0)
  ],
  "a mount joins the group of another": [
    ...tmpfs("a"),
    mount(null, "a", null, MS.SHARED),
    ...tmpfs("other"),
    mkdir("b"),
    mount("a", "b", null, MS.BIND),
    mount(null, "b", null, MS.PRIVATE),
    ...[["a", "b"], ["a", "other"], ["b", "a"]].map(([from, to]): Scenario[number] =>
      line("move_mount", { fromDirfd: cwd, fromPath: from, toDirfd: cwd, toPath: to, flags: MOVE_MOUNT.SET_GROUP })
    ),
    ...mounts("/mnt")
  ],
  "a detached tree is used before it is attached": [
    ...tmpfs("a"),
    openTree("a", OPEN_TREE.CLONE, "t"),
    line("openat", { dirfd: "$t", path: "f", flags: O.CREAT | O.WRONLY, mode: 0o600 }),
    line("mount_setattr", {
      dirfd: "$t",
      path: "",
      flags: AT.EMPTY_PATH,
      set: MOUNT_ATTR.NODEV,
      clear: 0,
      propagation: 0,
      usernsFd: -1
    }),
    mkdir("m"),
    moveTo("$t", "m"),
    ...mounts("/mnt")
  ],
  "a detached tree ends with its descriptor, but for what is still used of it": [
    ...tmpfs("d"),
    ...tmpfs("d/e"),
    touch("d/e/f"),
    openTree("d", OPEN_TREE.CLONE | AT.RECURSIVE, "t"),
    line("openat", { dirfd: "$t", path: "e", flags: O.RDONLY, mode: 0 }, as("e")),
    open("/proc/self/fd/$t", O.RDONLY, "u"),
    close("$t"),
    line("openat", { dirfd: "$e", path: "f", flags: O.RDONLY, mode: 0 }, as("f")),
    line("openat", { dirfd: "$u", path: "e/f", flags: O.RDONLY, mode: 0 }, as("g")),
    mkdir("m"),
    moveTo("$u", "m"),
    moveTo("$e", "m"),
    line("open_tree", { dirfd: "$e", path: "", flags: OPEN_TREE.CLONE | AT.EMPTY_PATH }),
    ...["$u", "$e"].map((dirfd) =>
      line("mount_setattr", {
        dirfd,
        path: "",
        flags: AT.EMPTY_PATH,
        set: 1,
        clear: 0,
        propagation: 0,
        usernsFd: -1
      })
    ),
    umount("d/e"),
    umount("d"),
    close("$g"),
    close("$u"),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$f" }, see),
    ...mounts("/mnt")
  ],
  "a detached tree in which a process works lasts as long as that": [
    ...tmpfs("d"),
    mkdir("d/x"),
    openTree("d", OPEN_TREE.CLONE, "t"),
    line("fchdir", { fd: "$t" }),
    close("$t"),
    getcwd,
    touch("f"),
    chdir("x"),
    getcwd,
    chdir(".."),
    getcwd,
    mount("z", ".", "tmpfs", 0),
    chdir("/mnt"),
    ...mounts("/mnt")
  ],
  "a detached tree that has been attached stays": [
    ...tmpfs("d"),
    openTree("d", OPEN_TREE.CLONE, "t"),
    line("dup", { fd: "$t" }, as("v")),
    close("$t"),
    mkdir("m"),
    moveTo("$v", "m"),
    close("$v"),
    ...mounts("/mnt"),
    fork(0, [openTree("d", OPEN_TREE.CLONE, "w"), moveTo("$w", "m"), ...mounts("/mnt")]),
    ...mounts("/mnt")
  ],
  "a file system that was taken off is used until it is left": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0, "nr_inodes=3"),
    touch("d/f"),
    chdir("d"),
    umount("/mnt/d", 2),
    touch("g"),
    touch("h"),
    getcwd,
    chdir("/mnt"),
    touch("d/f")
  ]
}
