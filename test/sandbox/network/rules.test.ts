/** Lists of hosts, names and addresses, as strangers and tired people write them. */
import { assert, describe, it } from "@effect/vitest"
import { specialUseOf } from "../../../src/sandbox/network/addresses.ts"
import { authorityOf, hostOf } from "../../../src/sandbox/network/hosts.ts"
import { allow, ruleOf } from "../../../src/sandbox/network/rules.ts"

const allows = (entry: string, host: string, port = 443) => allow([ruleOf(entry)!], { host: hostOf(host) ?? "", port })

describe("an entry of the list", () => {
  it.each(
    [
      ["example.org", "example.org", 443, true],
      ["example.org", "example.org", 80, true],
      ["example.org", "example.org", 22, false],
      ["example.org:22", "example.org", 22, true],
      ["example.org:22", "example.org", 443, false],
      ["Example.ORG.", "eXample.org", 443, true],
      ["example.org", "EXAMPLE.org.", 443, true],
      ["example.org", "example.org..", 443, false],
      ["example.org", "www.example.org", 443, false],
      ["example.org", "badexample.org", 443, false],
      ["example.org", "example.org.evil.net", 443, false],
      ["*.example.org", "www.example.org", 443, true],
      ["*.example.org", "a.b.example.org", 443, true],
      ["*.example.org", "example.org", 443, false],
      ["*.example.org", ".example.org", 443, false],
      ["*.example.org", "badexample.org", 443, false],
      ["*.example.org", "www.example.org.", 443, true],
      ["bücher.example", "xn--bcher-kva.example", 443, true],
      ["xn--bcher-kva.example", "BÜCHER.example", 443, true],
      ["*", "anything.example", 443, true],
      ["*", "93.184.216.34", 443, false],
      ["93.184.216.34", "93.184.216.34", 443, true],
      ["93.184.216.34", "::ffff:93.184.216.34", 443, true],
      ["93.184.216.34", "::ffff:5db8:d822", 443, true],
      ["10.0.0.0/8:5432", "10.255.0.1", 5432, true],
      ["10.0.0.0/8:5432", "11.0.0.1", 5432, false],
      ["10.0.0.0/8:5432", "10.255.0.1", 443, false],
      ["[fd00::7]:443", "fd00:0:0::7", 443, true],
      ["fd00::/8", "fdff::1", 80, true],
      ["fd00::7", "fd00::8", 443, false]
    ] as const
  )("%s and %s:%d: %s", (entry, host, port, expected) => {
    assert.strictEqual(allows(entry, host, port), expected)
  })

  it.each([
    "",
    "https://example.org",
    "example.org/path",
    "example.org:",
    "example.org:0",
    "example.org:65536",
    "example.org:4 43",
    "example.org:443:443",
    "user@example.org",
    "*example.org",
    "www.*.org",
    "**.example.org",
    "*.",
    "exa mple.org",
    "example.org\n",
    "-a.example",
    "127.1",
    "0x7f.0.0.1",
    "10.0.0.0/33",
    "10.0.0.0/8/8",
    "[example.org]:443",
    "[fd00::7",
    "fe80::1%eth0",
    `${"a".repeat(64)}.example`,
    `${"a.".repeat(130)}example`
  ])("is none: %j", (entry) => {
    assert.strictEqual(ruleOf(entry), undefined)
  })
})

describe("a host", () => {
  it.each([
    // what resolvers take for addresses in their own way
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "127.0.0.01",
    "1.2.3.4.5",
    "a.1",
    "a.0x1",
    "１２７.０.０.１",
    "ⅰ②７.0.0.1",
    "127。0。0。1",
    "%6cocalhost",
    "é%2eexample",
    // what ends a name for some
    "a\0b.example",
    "a b.example",
    "a/b.example",
    "a@b.example",
    "a\\b.example",
    "a#b.example",
    "a:b",
    "",
    ".",
    "..",
    "a..b",
    "fe80::1%lo",
    "::1%1"
  ])("is none: %j", (text) => {
    assert.strictEqual(hostOf(text), undefined)
  })

  it.each(
    [
      ["Example.ORG.", "example.org"],
      ["_dmarc.example.org", "_dmarc.example.org"],
      ["ＥＸＡＭＰＬＥ.org", "example.org"],
      ["::FFFF:127.0.0.1", "127.0.0.1"],
      ["0:0:0:0:0:0:0:1", "::1"]
    ] as const
  )("%s is %s", (text, host) => {
    assert.strictEqual(hostOf(text), host)
  })

  it("stands before a port", () => {
    assert.deepStrictEqual(authorityOf("example.org:443"), { host: "example.org", port: 443 })
    assert.deepStrictEqual(authorityOf("[::1]:80"), { host: "::1", port: 80 })
    assert.deepStrictEqual(authorityOf("[::1]"), { host: "::1" })
    const none = [
      "::1:80",
      "[::1]80",
      "a:b@c:443",
      "example.org:+443",
      "example.org:443 ",
      "[a.example]:443",
      "a:1:2",
      ":443"
    ]
    for (const text of none) assert.strictEqual(authorityOf(text), undefined, text)
  })
})

describe("an address", () => {
  it.each([
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "nonsense"
  ])("%s is no host of the internet", (address) => {
    assert.isString(specialUseOf(address))
  })

  it.each([
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.0.1",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1"
  ])("%s is one", (address) => {
    assert.strictEqual(specialUseOf(address), undefined)
  })
})
