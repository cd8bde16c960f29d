/** The options of file systems: in a row by mount(2), one by one by fsconfig(2); and what a remount changes. */
import { AT, CLONE, FSCONFIG, MOUNT_ATTR, MS, O, OPEN_TREE, S } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  as,
  become,
  chmod,
  chown,
  fork,
  gate,
  line,
  mkdir,
  mknod,
  mount,
  mounts,
  open,
  openGate,
  pass,
  rename,
  start,
  stat,
  symlink,
  touch,
  umount,
  unlink,
  write
} from "../support/vocabulary.ts"

/** A list of options, which holds commas of its own. */
const options = (text: string): ReadonlyArray<string> => text.split("|")

/** Mounts with each of the options, and looks at the root. */
const each = (type: string, options: ReadonlyArray<string>): Scenario => [
  mkdir("d"),
  ...options.flatMap((data) => [mount(type, "d", type, 0, data), stat("d", ["mode", "uid", "gid"]), umount("d", 2)])
]
const config = (command: number, key: string | null, value: string | null, aux = 0): Scenario[number] =>
  line("fsconfig", { fd: "$fs", command, key, value, aux })
const fsopen = (type: string): Scenario[number] => line("fsopen", { type, flags: 0 }, as("fs"))
const create = config(FSCONFIG.CMD_CREATE, null, null)
const fsmount = line("fsmount", { fd: "$fs", flags: 0, attributes: 0 }, as("m"))
/** Gives each option to a new context, a flag where there is no value. */
const told = (type: string, text: string): Scenario => [
  fsopen(type),
  ...options(text).map((option) => {
    const [key = "", value] = option.split("=")
    return config(value === undefined ? FSCONFIG.SET_FLAG : FSCONFIG.SET_STRING, key, value ?? null)
  }),
  create,
  create,
  config(FSCONFIG.SET_FLAG, "ro", null),
  fsmount,
  fsmount
]
const remount = (data: string | null, flags = 0): Scenario[number] => mount(null, "d", null, MS.REMOUNT | flags, data)
const fill = (path: string): Scenario[number] => open(path, O.CREAT | O.RDWR, "f", 0o644)
const big = (times: number): Scenario[number] => line("write", { fd: "$f", data: { byte: "x", times } }, { see: true })
const empty = line("ftruncate", { fd: "$f", length: 0n })
const attach = (fd: string, path: string): Scenario[number] =>
  line("move_mount", { fromDirfd: fd, fromPath: "", toDirfd: cwd, toPath: path, flags: 4 })
const onlyRoot: Scenario = [
  ...write("/proc/self/setgroups", "deny"),
  ...write("/proc/self/uid_map", "0 0 1"),
  ...write("/proc/self/gid_map", "0 0 1")
]
const idmap = (dirfd: string | number, path: string, usernsFd: string | number, flags = 0): Scenario[number] =>
  line("mount_setattr", { dirfd, path, flags, set: MOUNT_ATTR.IDMAP, clear: 0, propagation: 0, usernsFd })

/** Options that tmpfs knows, knows in part, or does not know. */
const ofTmpfs = options(
  "|,|,,|size=1m|size=0|size=10%|size=101%|size=%|size=|size|size=1x|size=-1|size=+1|size=1kk|size=1k%|" +
    "size=010|size=0x10|size= 1|size=1 |size=99999999999999999999|size=16e|size=1e|nr_blocks=1|" +
    "nr_blocks=10%|nr_blocks=0|nr_blocks=-1|nr_blocks=0x7fffffffffffffff|nr_inodes=1|nr_inodes=0|" +
    "nr_inodes=10%|nr_inodes=2k|nr_inodes=-1|nr_inodes=0xffffffff|nr_inodes=1|mode=0|mode=777|mode=0777|" +
    "mode=01777|mode=17777|mode=8|mode=-1|mode=0x1ff|mode=|mode|mode=+7|mode=7 |uid=0x0|uid=010|uid=-1|" +
    "uid=1000|uid=4294967295|uid=4294967294|uid=|uid|uid=x|uid=+1|gid=0x5|gid=5,uid=6|gid=-1|inode32|" +
    "inode64|inode32=|inode32=1|noinode32|noswap|noswap=1|swap|huge=never|huge=always|huge=within_size|" +
    "huge=advise|huge=x|huge=0|huge=|huge|huge=deny|huge=force|mpol=default|mpol=local|mpol=x|" +
    "mpol=prefer:0|mpol=bind:0|mpol=interleave|mpol=default:0|mpol=local:0|mpol=bind=static:0|mpol=|mpol|" +
    "mpol=bind:0,size=1m|size=1m,mpol=bind:0-0,mode=700|nosuchopt|nosuchopt=1|context=x|fscontext=x|" +
    "defcontext=x|rootcontext=x|seclabel|ro|rw|ro,rw|rw,ro|ro=1|nro|async|sync|dirsync|mand|nomand|" +
    "lazytime|nolazytime|remount|source=x|source=|source|silent|quota|usrquota|grpquota|noquota|" +
    "usrquota_block_hardlimit=1|casefold|strict_encoding|SIZE=1m|size=1m,size=2m|mode=700,mode=755|" +
    "uid=5,uid=x|a=b=c|size=1m=2|=|=x"
)

export const mountData: Readonly<Record<string, Scenario>> = {
  "the options of tmpfs, and the values that they take": each("tmpfs", ofTmpfs),
  "ramfs knows one option, and ignores all others": each("ramfs", ofTmpfs),
  "the options of proc, and the values that they take": each(
    "proc",
    options(
      "|hidepid=0|hidepid=1|hidepid=2|hidepid=4|hidepid=3|hidepid=9|hidepid=-1|hidepid=x|hidepid=|hidepid|" +
        "hidepid=off|hidepid=noaccess|hidepid=invisible|hidepid=ptraceable|hidepid=0x2|hidepid=02|hidepid=+2|" +
        "hidepid=OFF|gid=0|gid=5|gid=-1|gid=0x5|gid=010|gid=x|gid=|gid|gid=4294967295|subset=pid|subset=x|" +
        "subset=|subset|subset=pid:pid|subset=pid:x|subset=:|subset=pid:|pidns|nosuch|nosuch=1|ro|rw|sync|" +
        "mand|source=x|size=1|mode=755|uid=0|hidepid=2,gid=5,subset=pid"
    )
  ),
  "sysfs has no options of its own": each(
    "sysfs",
    options(
      "|nosuch|nosuch=1|ro|rw|sync|mand|lazytime|dirsync|source=x|size=1|mode=755|,"
    )
  ),
  "mqueue has no options of its own": each(
    "mqueue",
    options(
      "|nosuch|nosuch=1|ro|rw|sync|mand|lazytime|source=x|size=1|mode=755|,"
    )
  ),
  "the options of devpts, and the values that they take": each(
    "devpts",
    options(
      "|mode=0|mode=999|mode=620|mode=0620|mode=0x1ff|mode=|mode|mode=-1|mode=17777|ptmxmode=666|" +
        "ptmxmode=999|ptmxmode=0|ptmxmode=|gid=5|gid=-1|gid=x|gid=0x5|gid=010|gid=+5|gid=|uid=5|uid=-1|" +
        "uid=4294967295|max=0|max=1|max=-1|max=x|max=1048576|max=1048577|max=0x10|max=010|max=+5|newinstance|" +
        "newinstance=1|newinstance=|nosuch|nosuch=1|size=1|ro|rw|sync|source=x|mode=620,gid=5,ptmxmode=666|" +
        "mode=620,mode=x"
    )
  ),
  // in a namespace of their own, or they would be the machine's
  "the second version of cgroups has options without values": [
    fork(CLONE.NEWCGROUP, each("cgroup2", options("|nosuch|nosuch=1|ro|rw|sync|mand|lazytime|source=x")))
  ],
  "fsconfig wants arguments that go with its command": [
    fsopen("tmpfs"),
    ...[FSCONFIG.SET_FLAG, FSCONFIG.SET_STRING, FSCONFIG.CMD_CREATE, 9, -1].flatMap((command) => [
      config(command, null, null),
      config(command, "size", null),
      config(command, "size", "1m"),
      config(command, null, "x"),
      config(command, "size", "1m", 1),
      config(command, "size", null, -1),
      config(command, "ro", null),
      config(command, "x".repeat(300), null),
      config(command, "size", "x".repeat(300))
    ]),
    ...[400, -1, 0].flatMap((fd) =>
      [99, FSCONFIG.SET_FLAG].map((command) => line("fsconfig", { fd, command, key: "x", value: null, aux: 0 }))
    )
  ],
  "fsconfig looks at each option when it is told": [
    ...told("proc", "hidepid=9|hidepid=2|hidepid|gid=x|subset=x|subset=pid|x|source=a|source=b|ro|ro=1|rw|noexec"),
    ...told("devpts", "mode=999|mode=620|ptmxmode=0666|gid=5|newinstance|newinstance=1|max=-1|x=1"),
    ...told("sysfs", "x|x=1|source|source=a|source=a"),
    ...told("mqueue", "x|source=a"),
    // in a namespace of their own, or they would be the machine's
    fork(CLONE.NEWCGROUP, told("cgroup2", "x|memory_recursiveprot|memory_recursiveprot=1")),
    ...told("tmpfs", "nr_inodes=10%|size=%|mode=+7|uid=0x0|noswap|noswap=1|inode64|source=a|source=b|sync|remount"),
    ...told("tmpfs", "=x|size=1m|size="),
    ...told("ramfs", "x|mode=8|mode=700|source=a|source=b"),
    ...told("cgroup", "x|pids|name=systemd|none")
  ],
  "hierarchies of the first version are named by what is in them": [
    mkdir("d"),
    ...options(
      "cpu|pids|cpu,pids|x|name=systemd|name=x|none|none,name=systemd|cpu,name=systemd|cpu,none|cpu=1|pids,pids|" +
        "pids,name=x|name=|cpuacct,cpu|source=x|pids,xattr"
    ).flatMap((data) => [mount("cgroup", "d", "cgroup", 0, data), umount("d", 2)])
  ],
  "a source is told once": [
    mkdir("d"),
    ...[null, "", "x", "a b"].flatMap((source) => [mount(source, "d", "tmpfs", 0), ...mounts("/mnt"), umount("d", 2)]),
    mount(null, "d", "tmpfs", 0, "source=y"),
    mount(null, "d", "tmpfs", 0, "source="),
    mount("", "d", "tmpfs", 0, "source=z"),
    fsopen("tmpfs"),
    create,
    fsmount,
    attach("$m", "d"),
    ...mounts("/mnt")
  ],
  "flags of the kernel's own are none, the mark of old programs is taken off": [
    mkdir("d"),
    // MS_NOUSER, MS_MGC_VAL, and what stands for nothing
    ...[1 << 31, 0xc0ed0000, 0xc0ed0001, 0xc0ee0000, 1 << 30, 1 << 28, MS.SYNCHRONOUS, MS.LAZYTIME, 0x200].flatMap(
      (flags) => [
        mount("tmpfs", "d", "tmpfs", flags),
        ...mounts("/mnt"),
        mount(null, "d", null, flags | MS.REMOUNT),
        mount(null, "d", null, flags | MS.REMOUNT | MS.BIND),
        mount("/mnt", "d", null, flags | MS.BIND),
        mount(null, "d", null, flags | MS.PRIVATE),
        ...mounts("/mnt"),
        umount("d", 2),
        umount("d", 2)
      ]
    ),
    mount("tmpfs", "missing", "tmpfs", 1 << 31),
    fork(0, [...become(1000), mount("tmpfs", "d", "tmpfs", 1 << 31)])
  ],
  "a tmpfs holds as many inodes as it is said to": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0, "nr_inodes=4"),
    touch("d/a"),
    touch("d/b"),
    open("d/c", O.CREAT | O.RDWR, "c"),
    touch("d/e"),
    mkdir("d/e"),
    symlink("x", "d/e"),
    mknod("d/e", S.IFIFO),
    open("d", O.TMPFILE | O.RDWR),
    unlink("d/c"),
    touch("d/e"),
    line("close", { fd: "$c" }),
    touch("d/e"),
    rename("d/a", "d/b"),
    touch("d/z"),
    rename("d/b", "d/w", 4),
    ...["nr_inodes=3", "nr_inodes=0", "nr_inodes=10"].map((data) => remount(data)),
    touch("d/1"),
    touch("d/2"),
    remount("nr_inodes=2"),
    umount("d"),
    mount("t", "d", "tmpfs", 0, "nr_inodes=1"),
    touch("d/a"),
    umount("d"),
    mount("t", "d", "tmpfs", 0, "nr_inodes=0"),
    touch("d/a"),
    remount("nr_inodes=5")
  ],
  "a tmpfs holds as many pages as it is said to": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0, "size=8k"),
    fill("d/a"),
    ...[4000, 200, 4000, 1].map(big),
    fill("d/b"),
    big(1),
    unlink("d/a"),
    big(1),
    fill("d/c"),
    big(9000),
    stat("d/c", "size"),
    ...[100, 127, 128, 200].map((length) => symlink("y".repeat(length), `d/${length}`)),
    remount("size=4k"),
    remount("size=0"),
    umount("d", 2),
    mount("t", "d", "tmpfs", 0, "nr_blocks=1"),
    fill("d/a"),
    big(5000),
    big(5000),
    empty,
    big(10),
    empty,
    fill("d/b"),
    big(10),
    remount("size=1m"),
    big(5000),
    remount("size=0"),
    remount("size=4k")
  ],
  "a remount changes what can be changed": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0, null),
    ...["mode=700,uid=5", "noswap", "bogus", "source=x", "source=x,source=y", "ro"].map((data) => remount(data)),
    stat("d", ["mode", "uid"]),
    touch("d/z"),
    remount("rw", MS.RDONLY),
    touch("d/z"),
    remount("", MS.RDONLY),
    touch("d/z"),
    ...mounts("/mnt"),
    ...["proc", "sysfs", "mqueue", "devpts", "ramfs"].flatMap((type) => [
      mkdir(type),
      mount(type, type, type, 0),
      ...["bogus", "ro", "rw", "sync", "source=x", "mode=700", "hidepid=2", ""].map((data) =>
        mount(null, type, null, MS.REMOUNT, data)
      ),
      stat(type, "mode"),
      mount(null, type, null, MS.REMOUNT | MS.BIND, "bogus"),
      mount(null, type, null, MS.REMOUNT | MS.RDONLY),
      ...mounts(`/mnt/${type}`),
      umount(type)
    ])
  ],
  "swap is turned off at the first mount, by root of the machine": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0, "noswap"),
    remount(null),
    remount("noswap"),
    umount("d"),
    mount("t", "d", "tmpfs", 0, null),
    remount("noswap"),
    fork(CLONE.NEWUSER | CLONE.NEWNS, [
      ...onlyRoot,
      ...["noswap", "uid=0", "uid=1"].map((data) => mount("t", "d", "tmpfs", 0, data)),
      ...["gid=5", "gid=0"].map((data) => mount("t", "d", "devpts", 0, data)),
      mount("t", "d", "nosuch", 0, "noswap"),
      remount("size=1m"),
      remount("bogus"),
      fsopen("tmpfs"),
      config(FSCONFIG.SET_FLAG, "noswap", null)
    ])
  ],
  "sysfs belongs to the owner of the network namespace, who is asked for before its options": [
    mkdir("d"),
    ...[CLONE.NEWUSER | CLONE.NEWNS, CLONE.NEWUSER | CLONE.NEWNS | CLONE.NEWNET].map((flags) =>
      fork(flags, [
        ...onlyRoot,
        ...["sysfs", "proc"].flatMap((type) => [mount(type, "d", type, 0, "size"), fsopen(type)])
      ])
    )
  ],
  "a context belongs to the namespaces in which it was opened": [
    fsopen("tmpfs"),
    fork(CLONE.NEWUSER, [create]),
    create
  ],
  "the ids of a mount are those of a user namespace that has some": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0),
    open("/proc/self/ns/user", O.RDONLY, "init"),
    open("/proc/self/ns/uts", O.RDONLY, "uts"),
    line("open_tree", { dirfd: cwd, path: "d", flags: OPEN_TREE.CLONE }, as("t")),
    gate("ready"),
    gate("end"),
    start("child", CLONE.NEWUSER, [openGate("ready"), pass("end")]),
    pass("ready"),
    open("/proc/$child/ns/user", O.RDONLY, "u"),
    ...[-1, 400, "$init", "$uts", "$u", "$t"].flatMap((fd) => [
      idmap("$t", "", fd, AT.EMPTY_PATH),
      idmap("$t", "", fd, AT.EMPTY_PATH | AT.RECURSIVE),
      ...["missing", "d", "."].map((path) => idmap(cwd, path, fd))
    ]),
    ...write("/proc/$child/uid_map", "0 5 10"),
    idmap("$t", "", "$u", AT.EMPTY_PATH),
    ...write("/proc/$child/gid_map", "0 5 10"),
    idmap(cwd, "d", "$u"),
    ...["proc", "sysfs", "ramfs", "mqueue", "devpts"].flatMap((type) => [
      fsopen(type),
      create,
      fsmount,
      idmap("$m", "", "$u", AT.EMPTY_PATH)
    ]),
    idmap("$t", "", "$u", AT.EMPTY_PATH),
    idmap("$t", "", "$u", AT.EMPTY_PATH)
  ],
  "files have other owners through a mount with ids of its own": [
    mkdir("d"),
    mount("t", "d", "tmpfs", 0),
    line("open_tree", { dirfd: cwd, path: "d", flags: OPEN_TREE.CLONE }, as("t")),
    gate("ready"),
    gate("end"),
    start("child", CLONE.NEWUSER, [openGate("ready"), pass("end")]),
    pass("ready"),
    ...write("/proc/$child/uid_map", "0 5 10"),
    ...write("/proc/$child/gid_map", "0 5 10"),
    open("/proc/$child/ns/user", O.RDONLY, "u"),
    idmap("$t", "", "$u", AT.EMPTY_PATH),
    mkdir("n"),
    attach("$t", "n"),
    touch("d/f"),
    stat("n/f", ["uid", "gid"]),
    chown("d/f", 3, 4),
    stat("n/f", ["uid", "gid"]),
    chown("n/f", 5, 5),
    chown("n/f", 0, 0),
    stat("d/f", ["uid", "gid"]),
    touch("n/g"),
    mkdir("n/h"),
    chmod("d", 0o777),
    fork(0, [line("setresuid", { ruid: 6, euid: 6, suid: 6 }), touch("n/g")]),
    fork(0, [
      line("setresgid", { rgid: 7, egid: 7, sgid: 7 }),
      line("setresuid", { ruid: 6, euid: 6, suid: 6 }),
      touch("n/g"),
      chmod("n/g", 0o600),
      touch("n/g")
    ]),
    stat("d/g", ["uid", "gid"]),
    stat("n/g", ["uid", "gid"]),
    chown("d/f", 100, 100),
    stat("n/f", ["uid", "gid"]),
    chmod("n/f", 0o700),
    chown("n/f", -1, 8),
    chown("n/f", 8, 8),
    open("n/f", O.RDWR)
  ]
}
