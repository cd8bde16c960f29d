/** Files on mounts that are read-only. */
import { MS, O, S } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  become,
  chmod,
  line,
  mkdir,
  mknod,
  mount,
  open,
  rename,
  rmdir,
  symlink,
  unlink
} from "../../support/vocabulary.ts"

/** A file that nothing has open. */
const file = (path: string, mode = 0o644): Scenario[number] => mknod(path, S.IFREG | mode)

export const readonly: Readonly<Record<string, Scenario>> = {
  "a file on a read-only mount": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    file("m/f"),
    mknod("m/p", S.IFIFO | 0o600),
    mknod("m/null", S.IFCHR | 0o666, 1, 3),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
    open("m/f", O.RDONLY),
    open("m/f", O.WRONLY),
    open("m/f", O.RDONLY | O.TRUNC),
    open("m/f", O.RDONLY | O.CREAT, undefined, 0o600),
    open("m/f", O.WRONLY | O.CREAT | O.EXCL, undefined, 0o600),
    open("m/new", O.WRONLY | O.CREAT, undefined, 0o600),
    open("m/null", O.WRONLY),
    open("m/null", O.WRONLY | O.TRUNC),
    open("m/p", O.RDWR),
    open("m", O.TMPFILE | O.RDWR, undefined, 0o600),
    mkdir("m/d"),
    mkdir("m/f"),
    mknod("m/q", S.IFIFO | 0o600),
    symlink("x", "m/l"),
    symlink("x", "m/f"),
    unlink("m/f"),
    unlink("m/missing"),
    rmdir("m/missing"),
    rmdir("m/f"),
    rename("m/f", "m/g"),
    rename("m/missing", "m/g"),
    chmod("m/f", 0o600),
    chmod("m/missing", 0o600),
    line("fchownat", { dirfd: cwd, path: "m/f", uid: 0, gid: 0, flags: 0 }),
    line("setxattr", { path: "m/f", name: "user.x", value: "1" }),
    line("faccessat2", { dirfd: cwd, path: "m/f", mode: 2, flags: 0 }),
    line("faccessat2", { dirfd: cwd, path: "m/null", mode: 2, flags: 0 }),
    line("faccessat2", { dirfd: cwd, path: "m", mode: 2, flags: 0 })
  ],
  "on a read-only mount, what may not be done at all is told first": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0, "mode=755"),
    file("m/f", 0o600),
    mkdir("m/d", 0o700),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
    ...become(1000),
    open("m/f", O.WRONLY),
    open("m/f", O.RDONLY | O.TRUNC),
    open("m/new", O.WRONLY | O.CREAT, undefined, 0o600),
    mkdir("m/new"),
    mkdir("m/d/x"),
    unlink("m/f"),
    chmod("m/f", 0o777),
    line("faccessat2", { dirfd: cwd, path: "m/f", mode: 2, flags: 0 })
  ],
  "a read-only file system is told before permissions": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0, "mode=755"),
    file("m/f", 0o600),
    mount(null, "m", null, MS.REMOUNT | MS.RDONLY),
    ...become(1000),
    open("m/f", O.WRONLY),
    open("m/f", O.RDONLY),
    line("faccessat2", { dirfd: cwd, path: "m/f", mode: 2, flags: 0 }),
    line("faccessat2", { dirfd: cwd, path: "m/f", mode: 4, flags: 0 })
  ],
  "a mount with a file open for writing does not become read-only": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    mkdir("b"),
    mount("m", "b", null, MS.BIND),
    open("m/f", O.CREAT | O.WRONLY, "f", 0o644),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
    mount(null, "m", null, MS.REMOUNT | MS.RDONLY),
    mount(null, "b", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
    mount(null, "b", null, MS.REMOUNT | MS.RDONLY),
    line("close", { fd: "$f" }),
    open("m/f", O.RDONLY),
    mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
    mount(null, "m", null, MS.REMOUNT | MS.RDONLY),
    open("b/f", O.WRONLY)
  ]
}
