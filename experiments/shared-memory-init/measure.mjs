import koffi from "koffi"
import { readFileSync } from "node:fs"
const lib = koffi.load(null)
const syscall = lib.func("syscall", "long", ["long", "long", "long", "long", "long", "long", "long"])
const memmove = lib.func("memmove", "intptr_t", ["void *", "void *", "size_t"])
const memcpy = lib.func("memcpy", "intptr_t", ["intptr_t", "void *", "size_t"])
const addr = (b) => memmove(b, b, 0)
const code = readFileSync("stub.bin")
const page = Number(syscall(9, 0, 4096, 3, 0x22, -1, 0))
memcpy(page, code, code.length)
console.log("mprotect", syscall(10, page, 4096, 5, 0, 0, 0))
const fn = (off, n) => {
  const proto = koffi.proto(`long f${off}(${Array(n).fill("long").join(",")})`)
  return koffi.decode(page + off, proto)
}
let remote, start
try {
  remote = fn(0, 8)
  start = fn(0x15a, 2)
} catch (e) {
  console.log(e)
  process.exit(1)
}
const SPIN = +process.argv[2] || 2000
const mk = () => {
  const b = Buffer.alloc(8192)
  const base = addr(b)
  const off = (-base) & 63
  const a = base + off
  const v = b.subarray(off)
  v.writeInt32LE(1, 0)
  v.writeInt32LE(SPIN, 76)
  v.writeBigInt64LE(1n, 96)
  v.writeBigInt64LE(0n, 112)
  v.writeBigInt64LE(100000000n, 120)
  return { b, v, a }
}
const nursery = mk()
const setup = (s) => {
  s.v.writeBigInt64LE(BigInt(nursery.a + 160), 88)
  s.v.writeBigInt64LE(BigInt(s.a + 6000), 128)
}
setup(nursery)
nursery.v.writeBigInt64LE(BigInt(nursery.a + 160), 136)
nursery.v.writeBigInt64LE(BigInt(nursery.a + 160), 144)
const VM = 0x100,
  FS = 0x200,
  FILES = 0x400,
  SIGHAND = 0x800,
  VFORK = 0x4000,
  THREAD = 0x10000,
  SYSVSEM = 0x40000,
  PSETTID = 0x100000,
  CCLEAR = 0x200000
const tid = start(VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PSETTID | CCLEAR, nursery.a)
console.log("thread", tid, nursery.v.readInt32LE(160))
console.log("remote gettid", remote(nursery.a, 186, 0, 0, 0, 0, 0, 0), "pid", process.pid)
let t = process.hrtime.bigint()
const N = 100000
for (let i = 0; i < N; i++) remote(nursery.a, 186, 0, 0, 0, 0, 0, 0)
console.log("remote ns/call", Number(process.hrtime.bigint() - t) / N)
t = process.hrtime.bigint()
for (let i = 0; i < N; i++) syscall(186, 0, 0, 0, 0, 0, 0)
console.log("local ns/call", Number(process.hrtime.bigint() - t) / N)
// spawn: async request to nursery: write request without waiting
const CL_NEW = 0x20000000 | 0x20000 | 0x04000000 | 0x08000000 | 0x40000000
const spawn = (flags, s) => {
  setup(s)
  s.v.writeInt32LE(3, 0)
  s.v.writeInt32LE(0, 160)
  const n = nursery.v
  n.writeBigInt64LE(56n, 8)
  n.writeBigInt64LE(BigInt(flags | VM | VFORK | PSETTID | CCLEAR | 17), 16)
  n.writeBigInt64LE(BigInt(s.a + 6000), 24)
  n.writeBigInt64LE(BigInt(s.a + 160), 32)
  n.writeBigInt64LE(BigInt(s.a), 40)
  n.writeBigInt64LE(0n, 48)
  n.writeBigInt64LE(BigInt(s.a), 80)
  n.writeInt32LE(2, 0)
  if (n.readInt32LE(4)) syscall(202, nursery.a, 1, 1, 0, 0, 0)
  const end = Date.now() + 1000
  while (s.v.readInt32LE(0) === 3 && n.readInt32LE(0) === 2) if (Date.now() > end) throw new Error("late")
  if (s.v.readInt32LE(0) === 3) return Number(n.readBigInt64LE(64))
  return s.v.readInt32LE(160)
}
const s = mk()
const path = Buffer.from("/bin/true\0"), pa = addr(path)
const big = Buffer.alloc(4096), argv = big.subarray(0, 16)
argv.writeBigInt64LE(BigInt(pa), 0)
const aa = addr(big), info = Buffer.alloc(4096), ia = addr(info)
const once = (flags, calls) => {
  const pid = spawn(flags, s)
  if (pid < 0) throw new Error("clone " + pid)
  for (let i = 0; i < calls; i++) remote(s.a, 39, 0, 0, 0, 0, 0, 0)
  const r = remote(s.a, 59, pa, aa, 0, 0, 0, 0)
  syscall(247, 1, pid, ia, 4, 0, 0)
  return [pid, r, info.readInt32LE(8), info.readInt32LE(24)]
}
console.log(once(0, 10))
console.log(once(CL_NEW, 10))
const bench = (name, f, n = 200) => {
  const ts = []
  for (let i = 0; i < n; i++) {
    const t = process.hrtime.bigint()
    f()
    ts.push(Number(process.hrtime.bigint() - t) / 1e3)
  }
  ts.sort((a, b) => a - b)
  console.log(name, "median us", ts[n >> 1], "p10", ts[n / 10 | 0])
}
bench("spawn+exec true+wait, no ns", () => once(0, 0))
bench("spawn+exec true+wait, ns", () => once(CL_NEW, 0))
bench("same, 700 remote calls", () => once(CL_NEW, 700))
process.exit(0)
