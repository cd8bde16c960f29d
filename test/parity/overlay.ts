/** Overlayfs as flows use it. @see Documentation/filesystems/overlayfs.rst */
import { AT, CLONE, FSCONFIG, MOVE_MOUNT, MS, O, OPEN_TREE } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  as,
  become,
  chmod,
  chown,
  fork,
  line,
  mkdir,
  mount,
  mounts,
  open,
  readFile,
  see,
  stat,
  symlink,
  touch,
  umount,
  unlink,
  write
} from "../support/vocabulary.ts"

const options = "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work"
const overlay = (data: string | null, flags = 0): Scenario[number] => mount("overlay", "/mnt/m", "overlay", flags, data)
const names = (path: string): Scenario => [
  open(path, O.RDONLY | O.DIRECTORY, "dir"),
  line("getdents64", { fd: "$dir" }, { see: "*.name", sorted: true }),
  line("close", { fd: "$dir" })
]
const make = (path: string, data: string): Scenario => [touch(path), ...write(path, data)]
const directories: Scenario = [mkdir("lower"), mkdir("upper"), mkdir("work"), mkdir("m")]
/** A lower layer with a file, a directory with two files, and a link. */
const layers: Scenario = [
  ...directories,
  ...make("lower/file", "below"),
  mkdir("lower/d", 0o750),
  ...make("lower/d/one", "1"),
  ...make("lower/d/two", "2"),
  symlink("d/one", "lower/link")
]
const mounted: Scenario = [...layers, overlay(options)]
/** Hides what overlayfs keeps in its directory for work: whiteouts, with names that it numbers. */
const hideWork = mount("tmpfs", "work", "tmpfs", 0)
const rename = (from: string, to: string, flags = 0): Scenario[number] =>
  line("renameat2", { olddirfd: cwd, oldpath: from, newdirfd: cwd, newpath: to, flags })
const config = (command: number, key: string | null, value: string | null): Scenario[number] =>
  line("fsconfig", { fd: "$fs", command, key, value, aux: 0 })
const fsopen = line("fsopen", { type: "overlay", flags: 0 }, as("fs"))
const create = config(FSCONFIG.CMD_CREATE, null, null)
const attach: Scenario = [
  line("fsmount", { fd: "$fs", flags: 0, attributes: 0 }, as("made")),
  line("move_mount", {
    fromDirfd: "$made",
    fromPath: "",
    toDirfd: cwd,
    toPath: "m",
    flags: MOVE_MOUNT.F_EMPTY_PATH
  })
]

export const overlayfs: Readonly<Record<string, Scenario>> = {
  "layers are merged, the upper one first": [
    ...layers,
    ...make("upper/file", "above"),
    mkdir("upper/d", 0o700),
    ...make("upper/d/three", "3"),
    overlay(options),
    ...names("m"),
    ...names("m/d"),
    ...readFile("m/file"),
    ...readFile("m/link"),
    ...readFile("m/d/three"),
    stat("m/d", ["mode", "nlink"]),
    stat("m/file", ["mode", "size", "uid"]),
    line("readlinkat", { dirfd: cwd, path: "m/link" }, see),
    ...mounts("/mnt/m")
  ],
  "what is written is copied up, with its mode and its owner": [
    ...layers,
    chown("lower/file", 7, 8),
    chmod("lower/file", 0o640),
    chmod("lower/d/one", 0o600),
    overlay(options),
    ...write("m/file", "BELO"),
    ...readFile("m/file"),
    ...readFile("lower/file"),
    ...readFile("upper/file"),
    stat("upper/file", ["mode", "uid", "gid", "size"]),
    stat("upper/d", "mode"),
    open("m/d/one", O.WRONLY | O.TRUNC),
    stat("upper/d", "mode"),
    stat("upper/d/one", ["mode", "size"]),
    stat("upper/d/two", "mode"),
    ...readFile("lower/d/one")
  ],
  "a change of mode, of owner, and of an attribute copies up too": [
    ...mounted,
    chmod("m/d", 0o711),
    chown("m/d/one", 5, 6),
    stat("upper/d", "mode"),
    stat("upper/d/one", ["uid", "gid"]),
    stat("lower/d", "mode"),
    line("setxattr", { path: "m/file", name: "trusted.x", value: new Uint8Array([1]), flags: 0 }),
    stat("upper/file", "mode")
  ],
  "what is made is in the upper layer": [
    ...mounted,
    touch("m/new"),
    mkdir("m/d/sub"),
    symlink("x", "m/d/sub/l"),
    line("mknodat", { dirfd: cwd, path: "m/d/fifo", mode: 0o010644, major: 0, minor: 0 }),
    ...names("upper"),
    ...names("upper/d"),
    ...names("upper/d/sub"),
    ...names("lower/d"),
    mkdir("m/d"),
    touch("m/missing/x"),
    stat("upper/new", ["mode", "size"])
  ],
  "what is removed leaves a whiteout if it was below": [
    ...mounted,
    touch("m/new"),
    unlink("m/new"),
    unlink("m/file"),
    unlink("m/file"),
    unlink("m/d/one"),
    ...names("m"),
    ...names("m/d"),
    ...names("upper"),
    stat("upper/file", ["mode", "rdev"]),
    stat("upper/d/one", ["mode", "rdev"]),
    unlink("m/d", AT.REMOVEDIR),
    unlink("m/d/two"),
    unlink("m/d", AT.REMOVEDIR),
    ...names("m"),
    stat("upper/d", ["mode", "rdev"]),
    ...readFile("lower/file"),
    hideWork
  ],
  "a directory in the place of a whiteout is empty": [
    ...mounted,
    unlink("m/d/one"),
    unlink("m/d/two"),
    unlink("m/d", AT.REMOVEDIR),
    mkdir("m/d"),
    ...names("m/d"),
    touch("m/d/three"),
    ...names("m/d"),
    ...names("upper/d"),
    ...make("m/link2", "x"),
    unlink("m/link"),
    ...make("m/link", "now a file"),
    ...readFile("m/link"),
    hideWork
  ],
  "a file is renamed, a directory from below is not": [
    ...mounted,
    rename("m/file", "m/d/moved"),
    ...readFile("m/d/moved"),
    ...names("m"),
    ...names("upper"),
    ...names("upper/d"),
    stat("upper/file", ["mode", "rdev"]),
    rename("m/d", "m/e"),
    mkdir("m/own"),
    touch("m/own/x"),
    rename("m/own", "m/other"),
    ...names("m"),
    ...names("m/other"),
    rename("m/d/moved", "m/file"),
    ...readFile("m/file"),
    ...names("m/d"),
    hideWork
  ],
  "a file that was read before it was written shows what was written": [
    ...mounted,
    open("m/file", O.RDONLY, "old"),
    open("m/file", O.RDONLY, "new"),
    line("close", { fd: "$new" }),
    ...write("m/file", "XX"),
    ...readFile("m/file"),
    open("m/d", O.PATH | O.DIRECTORY, "d"),
    touch("m/d/late"),
    line("statx", { dirfd: "$d", path: "late", flags: 0, mask: 0x7ff }, { see: "size" })
  ],
  "without an upper layer nothing can be written": [
    ...layers,
    mkdir("other"),
    ...make("other/file", "hidden"),
    ...make("other/more", "more"),
    overlay("lowerdir=/mnt/lower:/mnt/other"),
    ...names("m"),
    ...readFile("m/file"),
    ...readFile("m/more"),
    open("m/file", O.WRONLY),
    touch("m/x"),
    mkdir("m/y"),
    unlink("m/file"),
    chmod("m/file", 0o600),
    umount("m"),
    overlay("lowerdir=/mnt/lower"),
    ...names("m")
  ],
  "a mount on a layer is not seen": [
    ...layers,
    mount("tmpfs", "lower/d", "tmpfs", 0),
    touch("lower/d/covering"),
    overlay(options),
    ...names("m/d"),
    ...names("lower/d")
  ],
  "options are refused as Linux does": [
    ...layers,
    overlay(null),
    overlay("lowerdir=/mnt/missing"),
    overlay("lowerdir=/mnt/lower/file"),
    overlay("nonsense=1,lowerdir=/mnt/lower"),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/upper"),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/missing,workdir=/mnt/work"),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/upper"),
    mkdir("upper/in"),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/upper/in"),
    overlay("upperdir=/mnt/upper,workdir=/mnt/work"),
    mkdir("t"),
    mount("tmpfs", "t", "tmpfs", 0),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/t"),
    overlay("lowerdir=/mnt/lower:/mnt/upper,index=off,xino=off,redirect_dir=off"),
    umount("m"),
    ...become(1000),
    overlay("lowerdir=/mnt/lower")
  ],
  "an upper layer must be one that can be written": [
    ...layers,
    mkdir("t"),
    mount("tmpfs", "t", "tmpfs", MS.RDONLY),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/t,workdir=/mnt/t"),
    overlay("lowerdir=/mnt/lower:/mnt/upper"),
    mkdir("n"),
    mkdir("w"),
    mount("overlay", "n", "overlay", 0, "lowerdir=/mnt/m:/mnt/w"),
    umount("n"),
    mount("overlay", "n", "overlay", 0, "lowerdir=/mnt/lower,upperdir=/mnt/m,workdir=/mnt/w"),
    mount("overlay", "n", "overlay", 0, "lowerdir=/mnt/m/d:/mnt/w"),
    mkdir("o"),
    mount("overlay", "o", "overlay", 0, "lowerdir=/mnt/n:/mnt/w")
  ],
  "the new interface makes one": [
    ...layers,
    fsopen,
    config(FSCONFIG.SET_STRING, "source", "overlay"),
    config(FSCONFIG.SET_STRING, "lowerdir", "/mnt/missing"),
    config(FSCONFIG.SET_STRING, "nonsense", "1"),
    config(FSCONFIG.SET_STRING, "lowerdir", "/mnt/lower"),
    config(FSCONFIG.SET_STRING, "upperdir", "/mnt/upper"),
    config(FSCONFIG.SET_STRING, "workdir", "/mnt/work"),
    create,
    ...attach,
    ...names("m"),
    touch("m/x"),
    ...names("upper"),
    ...names("work"),
    stat("work/work", "mode")
  ],
  "it covers the very directory that holds its layers": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    mkdir("m/upper"),
    mkdir("m/work"),
    mkdir("lower"),
    touch("lower/x"),
    overlay("lowerdir=/mnt/lower,upperdir=/mnt/m/upper,workdir=/mnt/m/work"),
    ...names("m"),
    touch("m/y"),
    ...names("m")
  ],
  "a bind mount of a part is a part": [
    ...mounted,
    line("open_tree", { dirfd: cwd, path: "m/d", flags: OPEN_TREE.CLONE }, as("t")),
    mkdir("n"),
    line("move_mount", {
      fromDirfd: "$t",
      fromPath: "",
      toDirfd: cwd,
      toPath: "n",
      flags: MOVE_MOUNT.F_EMPTY_PATH
    }),
    touch("n/x"),
    ...names("m/d"),
    ...mounts("/mnt/n")
  ],
  "a user namespace makes one of what is not locked": [
    ...directories,
    touch("lower/x"),
    fork(CLONE.NEWUSER | CLONE.NEWNS, [
      overlay("lowerdir=/"),
      overlay("lowerdir=/mnt/lower:/mnt/upper"),
      ...names("m")
    ])
  ]
}
