/** The page of a plan: what is in it, and that no text of a stranger's is taken for a part of it. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { planPage } from "../../scripts/page.mjs"
import * as Plan from "../../src/engine/Plan.ts"
import { hashes, script, style } from "../../src/engine/planPage.ts"

const call = (text: string, more: Partial<Plan.PlannedCall> = {}): Plan.PlannedCall => ({
  name: "sethostname",
  args: { name: "box" },
  text,
  outcome: { _tag: "Returned", result: null },
  ...more
})

const row = (
  side: string,
  step: string,
  calls: ReadonlyArray<Plan.PlannedCall>,
  more: Partial<Plan.Row> = {}
): Plan.Row => ({
  side,
  pipeline: side === "init" ? "standard" : "create",
  step,
  doc: `about ${step}`,
  reversal: "compensated",
  undoing: false,
  calls,
  ...more
})

const mkdir = call("mkdirat(<state>, \"box\", 0700)", {
  name: "mkdirat",
  args: { dirfd: 3, path: "box", mode: 448 },
  names: { dirfd: "<state>" },
  handles: ["EEXIST"]
})

const plan: Plan.Plan = {
  version: 1,
  title: "run box",
  rows: [
    row("parent", "createState", [mkdir]),
    row("init", "setHostname", [call("sethostname(\"box\")")]),
    row("parent", "releaseInit", [call("uname()", { name: "uname", args: {} })]),
    row("init", "exec", [], { reversal: "terminal" })
  ],
  rollback: [row("parent", "createState", [mkdir], { undoing: true })],
  stays: ["directory /run/runfx"]
}

/** A page without its own script and style. */
const bodyOf = (page: string): string => page.replace(script, "").replace(style, "")

/** The tags of a page, as a browser would find them. */
const tagsOf = (page: string): ReadonlyArray<string> => bodyOf(page).match(/<[^>]*>?/g) ?? []

/** Every tag that the page may have; attributes hold no quote of another kind, and no angle bracket. */
const known =
  /^<(?:!doctype html|\/?(?:html|meta|title|style|body|header|h1|h2|p|section|strong|dl|dt|dd|ul|ol|li|div|input|output|button|label|main|details|summary|span|code|b|i|em|kbd|footer|script)(?: [\w-]+(?:=(?:[\w-]+|"[^"<>]*"))?)*)>$/

/** A link, which leads to a place of the page itself. */
const link = /^<\/a>$|^<a id=failing href="#step-[\w.-]+">$/

/** All attributes that a browser would run are unknown to the page. */
const isHarmless = (tag: string): boolean =>
  link.test(tag) || known.test(tag) && !/\son\w+=|javascript:|\shref|\ssrc=/i.test(tag.replace(/"[^"]*"/g, ""))

describe("a plan as a page", () => {
  it("has the processes side by side in the order of time, what they make, and what would be undone", () => {
    const page = Plan.toHtml(plan)
    const order = [...page.matchAll(/class="row s(\d)".*?class=name>(\w+)</g)].map(([, side, step]) =>
      `${side} ${step}`
    )
    assert.deepStrictEqual(order, ["0 createState", "1 setHostname", "0 releaseInit", "1 exec", "0 createState"])
    assert.include(page, "<body class=n2>")
    assert.include(page, "<strong>parent</strong> <span>2 steps, 2 calls</span>")
    assert.include(page, "<dt>Made</dt><dd>1 directory</dd>")
    assert.include(page, "<li><code>directory /run/runfx</code>")
    assert.include(page, "<b>mkdirat</b>(<i>&lt;state&gt;</i>, &quot;box&quot;, 0700)")
    assert.include(page, "<span class=handles>handles EEXIST</span>")
    assert.include(page, "If the last step failed, this would be undone")
    assert.include(page, "<details class=\"undoing\">")
  })

  it("marks where it fails, by which call, and opens that step alone", () => {
    const failing = call("sethostname(\"box\")", { outcome: { _tag: "Failed", code: "EPERM" } })
    const handled = call("uname()", { outcome: { _tag: "Failed", code: "ENOENT" }, handles: ["ENOENT", "EACCES"] })
    const page = Plan.toHtml({
      ...plan,
      rows: [
        ...plan.rows.slice(0, 1),
        row("init", "setHostname", [handled]),
        row("parent", "releaseInit", []),
        row("init", "setHostname", [handled, failing])
      ],
      fails: {
        pipeline: "standard",
        step: "setHostname",
        error: "no <right>",
        advice: "be root",
        residue: ["joinCgroup"]
      }
    })
    assert.include(
      page,
      "<strong>This would fail</strong>: <a id=failing href=\"#step-standard-setHostname.2\">standard: setHostname</a>: no"
    )
    assert.match(
      page,
      /id="step-standard-setHostname.2"><details class="failed" open>.*?<p>no &lt;right&gt;<\/p><p>What to do: be root/
    )
    // the link leads to one place
    const ids = [...page.matchAll(/ id="?([\w.-]+)/g)].map(([, id]) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.include(page, "Not undone in place: joinCgroup")
    assert.strictEqual(page.split("<details class=\"failed\" open>").length, 2)
    assert.strictEqual(page.split(" open>").length, 2)
    assert.strictEqual(page.split("<span class=\"mark bad\">= EPERM</span>").length, 2)
    assert.include(page, "= ENOENT, handled, as EACCES would be")
    assert.notInclude(page, "this would be undone")
  })

  it("takes no text for a part of itself", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "</script><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover=alert(1) x='",
        "</title></style></code>",
        "<!--",
        "&lt;script&gt;",
        "\u202egnp.exe",
        "\u0000\u001b[2J",
        "$& $` ${1}"
      )
    )
    fc.assert(fc.property(nasty, nasty, nasty, (one, two, three) => {
      const hostile: Plan.Plan = {
        version: 1,
        title: one,
        rows: [
          row(two, three, [call(`sethostname(${JSON.stringify(one)})`), call(two), call(`x(<${three}>, "${one}")`)], {
            pipeline: one,
            doc: two
          })
        ],
        rollback: [row(one, two, [call(three)], { undoing: true })],
        stays: [three]
      }
      const fails = { pipeline: one, step: three, error: two, advice: one, residue: [three, two] }
      for (const page of [Plan.toHtml(hostile), Plan.toHtml({ ...hostile, fails })]) {
        assert.deepStrictEqual(tagsOf(page).filter((tag) => !isHarmless(tag)), [])
        assert.notMatch(bodyOf(page), /(?![\n\t])[\p{Cc}\p{Cf}]/u)
        assert.strictEqual(page.split("<script>").length, 2)
      }
    }))
  })

  it("shows each text as it is, to the last sign", () => {
    const page = Plan.toHtml({ ...plan, title: "a & b < c > \"d\" 'e' \u202e $& &amp;" })
    assert.include(page, "<h1>a &amp; b &lt; c &gt; &quot;d&quot; &#39;e&#39; \\u202e $&amp; &amp;amp;</h1>")
  })

  it("is the same text each time, in one file that asks for nothing", () => {
    const page = Plan.toHtml(plan)
    assert.strictEqual(Plan.toHtml(structuredClone(plan)), page)
    assert.notMatch(bodyOf(page), /https?:|\/\/\w|@import|url\(/)
    const policy = /http-equiv=Content-Security-Policy content="([^"]*)"/.exec(page)?.[1]
    assert.strictEqual(
      policy,
      `default-src 'none'; script-src '${hashes.script}'; style-src '${hashes.style}'; base-uri 'none'; form-action 'none'`
    )
    const inside = (tag: string) => new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(page)![1]!
    for (const tag of ["script", "style"] as const) {
      assert.strictEqual(hashes[tag], `sha256-${createHash("sha256").update(inside(tag)).digest("base64")}`)
    }
    // a style attribute would not be allowed
    assert.notMatch(bodyOf(page), /<[^>]* style=/)
  })

  it("has more processes than columns", () => {
    const rows = Array.from({ length: 6 }, (_, index) => row(`init ${index}`, "exec", []))
    const page = Plan.toHtml({ ...plan, rows })
    assert.include(page, "<body class=n4>")
    assert.include(page, "<li class=\"row s3\" data-side=\"init 5\" id=")
    assert.include(Plan.toHtml({ ...plan, rows: [] }), "<body class=n1>")
  })

  it("has the script and the style that are in scripts/page", () => {
    assert.strictEqual(readFileSync("src/engine/planPage.ts", "utf8"), planPage(), "run node scripts/page.mjs")
  })
})
