import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type ExecUser, homeOf, parseGroup, parsePasswd, resolveGroups, resolveUser } from "../../src/config/user.ts"

const passwd = [
  "garbage line",
  "root:x:0:0:root:/root:/bin/bash",
  " 1000:x:1:1::/n1000:/s",
  "bob:x:1000:1000::/home/bob:/s",
  "neg:x:-5:7::/neg:/s",
  "huge:x:3000000000:1::/h:/s"
].join("\n")

const group = ["root:x:0:root", "adm:x:4:root,bob", "bob:x:1000:", "5:x:77:", "five:x:5:bob"].join("\n")

const root: ExecUser = { uid: 0, gid: 0, groups: [], home: "/" }

const told = (spec: string, files = { passwd, group }, defaults = root): string =>
  Result.match(resolveUser(spec, files.passwd, files.group, defaults), {
    onFailure: ({ message }) => message,
    onSuccess: ({ gid, groups, home, uid }) => `${uid} ${gid} [${groups.join(" ")}] ${home}`
  })

const outOfRange = (value: string) => `${value}: Uids and gids must be in range 0-4294967294`

describe("resolveUser", () => {
  // spec, result, and, where libcontainer of 2015 gave another, what that was and why it is not so here
  const vectors: ReadonlyArray<readonly [spec: string, expected: string, differs?: string]> = [
    ["", "0 0 [] "],
    ["0", "0 0 [] "],
    [":", "0 0 [] "],
    ["root", "0 0 [0 4] /root"],
    ["bob", "1000 1000 [4 5] /home/bob"],
    ["bob:", "1000 1000 [4 5] /home/bob"],
    ["1000", "1000 1000 [4 5] /home/bob", "1 1 [] /n1000: a user named \"1000\" won (CVE-2016-3697)"],
    ["bob:adm", "1000 4 [] /home/bob"],
    ["bob:4:zzz", "1000 4 [] /home/bob"],
    [":adm", "0 4 [] "],
    ["bob:5", "1000 5 [] /home/bob", "1000 77: a group named \"5\" won (CVE-2016-3697)"],
    ["-5", outOfRange("-5"), "-5 7: no range check of what the file holds; -1 would have meant \"stay root\""],
    ["neg", outOfRange("-5"), "-5 7, for the same reason"],
    ["3000000000", "3000000000 1 [] /h"],
    ["huge", "3000000000 1 [] /h"],
    ["+5", "5 0 [] /"],
    ["007", "7 0 [] /"],
    ["2147483648", "2147483648 0 [] /", "out of range: but the configuration may say it"],
    ["4294967294:4294967294", "4294967294 4294967294 [] /"],
    ["4294967295", outOfRange("4294967295")],
    ["bob:4294967295", outOfRange("4294967295")],
    ["4294967296", outOfRange("4294967296")],
    ["bob:-1", outOfRange("-1")],
    ["nobody", "Unable to find user nobody"],
    [" bob", "Unable to find user  bob"],
    ["bob ", "Unable to find user bob "],
    ["99999999999999999999", outOfRange("99999999999999999999"), "Unable to find user: too big to parse was no number"],
    ["bob: 4", "Unable to find group  4"]
  ]
  it.each(vectors.map(([spec, expected]) => [spec, expected] as const))("%j is %s", (spec, expected) => {
    assert.strictEqual(told(spec), expected)
  })

  it("finds names in no file, and takes numbers without one", () => {
    const none = { passwd: "", group: "" }
    assert.strictEqual(told("root", none), "Unable to find user root")
    assert.strictEqual(told("12:34", none), "12 34 [] /")
    assert.strictEqual(told("-0", none), "0 0 [] /")
  })

  const files = {
    passwd:
      "root:x:0:0:root user:/root:/bin/bash\nadm:x:42:43:adm:/var/adm:/bin/false\nthis is just some garbage data\n",
    group: "root:x:0:root\nadm:x:43:\ngrp:x:1234:root,adm\nthis is just some garbage data\n"
  }
  const defaults: ExecUser = { uid: 8888, gid: 8888, groups: [8888], home: "/8888" }
  const reference: ReadonlyArray<readonly [spec: string, expected: string]> = [
    ["root", "0 0 [0 1234] /root"],
    ["adm", "42 43 [1234] /var/adm"],
    ["root:adm", "0 43 [8888] /root"],
    ["adm:1234", "42 1234 [8888] /var/adm"],
    ["42:1234", "42 1234 [8888] /var/adm"],
    ["1337:1234", "1337 1234 [8888] /8888"],
    ["1337", "1337 8888 [8888] /8888"],
    ["", "8888 8888 [8888] /8888"],
    ["notuser", "Unable to find user notuser"],
    ["notuser:notgroup", "Unable to find user notuser"],
    ["root:notgroup", "Unable to find group notgroup"],
    ["notuser:adm", "Unable to find user notuser"],
    ["8888:notgroup", "Unable to find group notgroup"],
    ["notuser:8888", "Unable to find user notuser"],
    ["-1:0", outOfRange("-1")],
    ["0:-3", outOfRange("-3")],
    ["-5:-2", outOfRange("-5")]
  ]
  it.each(reference)("with other defaults, %j is %s", (spec, expected) => {
    assert.strictEqual(told(spec, files, defaults), expected)
  })

  it("reads lines of any length", () => {
    const long = `long:x:1:1:${"g".repeat(200_000)}:/long:/s\nafter:x:2:2::/after:/s\n`
    const members = `many:x:9:${Array.from({ length: 50_000 }, (_, index) => `u${index}`).join(",")},after\n`
    assert.strictEqual(told("after", { passwd: long, group: members }), "2 2 [9] /after")
  })
})

describe("files", () => {
  it("trims lines of passwd and not of group, and lets fields be missing", () => {
    assert.deepStrictEqual(parsePasswd("  a:x:1:2:g:/h:/s  \r\n\n b\n"), [
      { name: "a", uid: 1, gid: 2, home: "/h", shell: "/s" },
      { name: "b", uid: 0, gid: 0, home: "", shell: "" }
    ])
    assert.deepStrictEqual(parseGroup(" a:x:zz:b,c\n\nd:x:5\n"), [
      { name: " a", gid: 0, members: ["b", "c"] },
      { name: "d", gid: 5, members: [] }
    ])
  })

  it("knows homes by id", () => {
    assert.strictEqual(homeOf(1000, passwd), "/home/bob")
    assert.strictEqual(homeOf(12, passwd), "/")
  })
})

describe("resolveGroups", () => {
  it("takes names and ids, each once, in order", () => {
    assert.deepStrictEqual(Result.getOrThrow(resolveGroups(["adm", "77", "4", "bob", "5"], group)), [4, 77, 1000, 5])
  })
  it("fails on an unknown name and on an id out of range", () => {
    const messageOf = (groups: ReadonlyArray<string>) =>
      Result.match(resolveGroups(groups, group), { onFailure: ({ message }) => message, onSuccess: () => "" })
    assert.strictEqual(messageOf(["adm", "nope"]), "Unable to find group nope")
    assert.strictEqual(messageOf(["-1"]), outOfRange("-1"))
  })
  it("refuses a group by name whose id the others take for none, and takes it as a number", () => {
    const file = "large:x:2147483648:\n"
    const error = Result.getOrThrow(Result.flip(resolveGroups(["large"], file)))
    assert.strictEqual(error.message, "2147483648: Uids and gids must be in range 0-2147483647")
    assert.strictEqual(error.advice, "give an id from 0 to 2147483647")
    assert.deepStrictEqual(Result.getOrThrow(resolveGroups(["2147483648"], file)), [2147483648])
  })
})
